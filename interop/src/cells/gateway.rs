//! Our port mapped on a gateway: miniupnpd in a network of its own, with a far side where strangers are.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::Result;
use crate::cell::{Cell, Context, Need, Torrent, job};
use crate::counterparts::{Job, riverrun, wait_complete};
use crate::data;
use crate::network::{self, Network};
use crate::ports;
use crate::process::{self, Process, until};

const MINIUPNPD: Need = Need::Program("miniupnpd-nftables", "miniupnpd");
const NFT: Need = Need::Program("nftables", "nft");
const SOON: Duration = Duration::from_secs(40);

/// What the gateway speaks.
#[derive(Clone, Copy)]
struct Speaks {
    pcp: bool,
    natpmp: bool,
    upnp: bool,
    /// What our own log names.
    method: &'static str,
}

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mapped = |name: &str, about: &str, speaks: Speaks| {
        let needs = [MINIUPNPD, NFT, Need::Networks];
        Cell::new(name, about, needs, move |context| keep(context, speaks)).alone()
    };
    vec![
        mapped(
            "gateway/pcp",
            "a port mapped, renewed and removed by PCP",
            Speaks { pcp: true, natpmp: true, upnp: false, method: "PCP" },
        ),
        mapped(
            "gateway/nat-pmp",
            "a port mapped and removed by NAT-PMP, where PCP is met with silence",
            Speaks { pcp: false, natpmp: true, upnp: false, method: "NAT-PMP" },
        ),
        mapped(
            "gateway/upnp",
            "a port mapped and removed by UPnP",
            Speaks { pcp: false, natpmp: false, upnp: true, method: "UPnP" },
        ),
        Cell::new(
            "gateway/reached",
            "a stranger beyond the gateway downloads through the mapped port",
            [MINIUPNPD, NFT, Need::Networks],
            reached,
        )
        .alone(),
    ]
}

/// A gateway at 10.67.0.1, whose far side is 11.22.33.1. We are 10.67.0.2 here; a stranger is 11.22.33.2.
struct Gateway {
    daemon: Process,
    network: Network,
}

impl Gateway {
    fn new(context: &Context<'_>, speaks: Speaks) -> Result<Gateway> {
        let mut network = Network::new()?;
        network.cable(("lan0", &["10.67.0.2/24"]), ("lan1", &["10.67.0.1/24"]))?;
        network::run("ip route add default via 10.67.0.1")?;
        network.run("ip link add wan0 type veth peer name wan1")?;
        network.run("ip addr add 11.22.33.1/24 dev wan0")?;
        network.run("ip link set wan0 up")?;
        network.run("ip link set wan1 up")?;
        network.run("ip route add default dev wan0")?;
        network.run("sysctl -q -w net.ipv4.ip_forward=1")?;
        let rules = context.dir.join("rules.nft");
        std::fs::write(&rules, RULES.replace("PCP", if speaks.pcp { "accept" } else { "drop" }))?;
        network.run(&format!("nft -f {}", rules.display()))?;
        let yes = |on| if on { "yes" } else { "no" };
        let config = context.dir.join("miniupnpd.conf");
        let settings =
            format!("{CONFIG}enable_natpmp={}\nenable_upnp={}\n", yes(speaks.natpmp), yes(speaks.upnp));
        std::fs::write(&config, settings)?;
        let mut daemon = Command::new("miniupnpd");
        daemon.arg("-d").arg("-f").arg(&config).arg("-P").arg(context.dir.join("miniupnpd.pid"));
        let daemon = Process::spawn(network.wrap(&daemon), &context.dir.join("miniupnpd.log"))?;
        let gateway = Gateway { daemon, network };
        until(SOON, "miniupnpd", || {
            Ok(gateway.daemon.said()?.contains(if speaks.upnp { "HTTP listening" } else { "Listening for" }))
        })?;
        Ok(gateway)
    }

    /// Whether connections to a port are passed on to us.
    fn maps(&self, port: u16) -> Result<bool> {
        let mut list = self.network.wrap(Command::new("nft").args(["list", "ruleset"]));
        Ok(process::run(&mut list)?.contains(&format!("dnat ip to 10.67.0.2:{port}")))
    }
}

/// The first byte of a request is its version: 2 is PCP.
const RULES: &str = "\
table inet filter {
    chain input { type filter hook input priority 0; policy accept; udp dport 5351 @th,64,8 2 PCP; }
    chain forwarded { }
    chain forward { type filter hook forward priority 0; policy accept; jump forwarded; }
    chain mapped { }
    chain prerouting { type nat hook prerouting priority -100; policy accept; jump mapped; }
    chain peers { }
    chain postrouting { type nat hook postrouting priority 100; policy accept; jump peers; }
}
";

/// Mappings live 4 s at most, so that renewing them is seen.
const CONFIG: &str = "\
ext_ifname=wan0
listening_ip=lan1
http_port=5555
secure_mode=yes
min_lifetime=2
max_lifetime=4
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=forwarded
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=peers
uuid=00000000-0000-0000-0000-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
";

/// A seed of ours behind the gateway.
fn seed(context: &Context<'_>, torrent: &Torrent, port: u16) -> Result<Process> {
    let listen: SocketAddr = format!("10.67.0.2:{port}").parse()?;
    let scratch = context.sub("ours")?;
    let mut command =
        riverrun::command(&Job { seed: true, ..job(torrent, &torrent.data.dir, listen, &[], &scratch) })?;
    command.env("RIVERRUN_LOG", "debug").arg("-vv");
    Process::spawn(command, &scratch.join("riverrun.log"))
}

fn keep(context: &Context<'_>, speaks: Speaks) -> Result<String> {
    let torrent = context.torrent(data::named("single-piece")?, &[])?;
    let gateway = Gateway::new(context, speaks)?;
    let port = ports::free()?;
    let mut ours = seed(context, &torrent, port)?;
    until(SOON, "the port to be mapped", || gateway.maps(port))?;
    let external = format!("{} maps TCP port {port} to 11.22.33.1:{port}", speaks.method);
    until(SOON, "our log to say so", || Ok(ours.said()?.contains(&external)))?;
    if speaks.pcp {
        // Three leases later it is there because it was renewed.
        std::thread::sleep(Duration::from_secs(12));
        if !gateway.maps(port)? {
            return Err("the mapping was not renewed".into());
        }
    }
    ours.signal(Signal::INT)?;
    ours.wait(SOON)?;
    if gateway.maps(port)? {
        return Err("the mapping was not removed at the end".into());
    }
    Ok(String::new())
}

fn reached(context: &Context<'_>) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    let gateway = Gateway::new(context, Speaks { pcp: true, natpmp: true, upnp: true, method: "PCP" })?;
    let port = ports::free()?;
    let ours = seed(context, &torrent, port)?;
    until(SOON, "the port to be mapped", || gateway.maps(port))?;
    // The stranger sits at the other end of the far cable.
    let stranger = Network::new()?;
    gateway.network.run(&format!("ip link set wan1 netns {}", stranger.name()))?;
    stranger.run("ip addr add 11.22.33.2/24 dev wan1")?;
    stranger.run("ip link set wan1 up")?;
    let (dir, scratch) = (context.sub("downloaded")?, context.sub("theirs")?);
    let peers = [format!("11.22.33.1:{port}").parse()?];
    let at: SocketAddr = format!("11.22.33.2:{}", ports::free()?).parse()?;
    let mut leech =
        riverrun::start_in(&stranger, &job(&torrent, &dir, at, &peers, &scratch), &["--no-port-forward"])?;
    wait_complete(leech.as_mut(), Duration::from_secs(60))?;
    torrent.data.compare(&dir, true)?;
    drop(ours);
    Ok(String::new())
}
