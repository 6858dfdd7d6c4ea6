//! Neighbours that find each other by local service discovery (BEP 14) alone: no tracker, no address, two networks with
//! a cable between them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Result;
use crate::cell::{Cell, Context, Need, Torrent, job};
use crate::counterparts::libtorrent::{self, Libtorrent};
use crate::counterparts::riverrun;
use crate::counterparts::transmission::Transmission;
use crate::counterparts::{Client, Counterpart, Job, wait_complete, wait_ready};
use crate::data;
use crate::metainfo;
use crate::network::{self, Network};
use crate::ports;
use crate::process::{Process, until};

/// One announce may be lost; the second comes after a minute.
const PATIENCE: Duration = Duration::from_secs(150);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for &other in &[&Libtorrent as &'static dyn Counterpart, &Transmission] {
        let needs = [Need::Client(other), Need::Networks];
        let name = other.name();
        cells.push(
            Cell::new(format!("local/{name}-to-riverrun"), "found by BEP 14 alone", needs, move |context| {
                pair(context, other, false)
            })
            .alone(),
        );
        cells.push(
            Cell::new(format!("local/riverrun-to-{name}"), "found by BEP 14 alone", needs, move |context| {
                pair(context, other, true)
            })
            .alone(),
        );
    }
    let ours = |name: &str, ipv6| {
        let about = "two of ours, found by BEP 14 alone";
        Cell::new(name, about, [Need::Networks], move |context| two_of_ours(context, ipv6, false)).alone()
    };
    let about = "two of ours, one with an info hash alone, found by BEP 14 alone";
    let by_hash = |context: &Context<'_>| two_of_ours(context, false, true);
    cells.push(Cell::new("local/riverrun-to-riverrun/magnet", about, [Need::Networks], by_hash).alone());
    cells.push(ours("local/riverrun-to-riverrun/ipv4", false));
    cells.push(ours("local/riverrun-to-riverrun/ipv6", true));
    cells.push(
        Cell::new(
            "local/private",
            "a private torrent is not announced, a public one beside it is",
            [Need::Client(&Libtorrent), Need::Networks],
            private,
        )
        .alone(),
    );
    cells
}

/// Two networks: the counterpart is here, ours is there.
struct Street {
    far: Network,
    /// Where to listen here and there.
    here: SocketAddr,
    there: SocketAddr,
}

impl Street {
    fn new(ipv6: bool) -> Result<Street> {
        let mut far = Network::new()?;
        far.cable(("near0", &["10.66.0.1/24", "fd66::1/64"]), ("far0", &["10.66.0.2/24", "fd66::2/64"]))?;
        // Transmission asks the routes where groups are.
        network::run("ip route add default dev near0")?;
        let (here, there) = if ipv6 { ("[fd66::1]", "[fd66::2]") } else { ("10.66.0.1", "10.66.0.2") };
        let at = |host: &str| -> Result<SocketAddr> { Ok(format!("{host}:{}", ports::free()?).parse()?) };
        Ok(Street { here: at(here)?, there: at(there)?, far })
    }
}

fn ours_there(context: &Context<'_>, street: &Street, job: &Job<'_>) -> Result<Box<dyn Client>> {
    let scratch = context.sub("ours")?;
    riverrun::start_in(&street.far, &Job { lsd: true, scratch: &scratch, ..*job }, &["--no-port-forward"])
}

fn pair(context: &Context<'_>, other: &dyn Counterpart, we_seed: bool) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    let street = Street::new(false)?;
    let (dir, scratch) = (context.sub("downloaded")?, context.sub("theirs")?);
    let theirs = |dir: &Path, seed| {
        other.start(&Job { lsd: true, seed, ..job(&torrent, dir, street.here, &[], &scratch) })
    };
    let ours = |dir: &Path, seed| {
        ours_there(context, &street, &Job { seed, ..job(&torrent, dir, street.there, &[], &scratch) })
    };
    let mut seed = if we_seed { ours(&torrent.data.dir, true)? } else { theirs(&torrent.data.dir, true)? };
    wait_ready(seed.as_mut())?;
    let mut leech = if we_seed { theirs(&dir, false)? } else { ours(&dir, false)? };
    finish(&torrent, &dir, leech.as_mut())
}

fn two_of_ours(context: &Context<'_>, ipv6: bool, by_hash: bool) -> Result<String> {
    let torrent = context.torrent(data::named("tail-of-1")?, &[])?;
    let street = Street::new(ipv6)?;
    let (dir, scratch) = (context.sub("downloaded")?, context.sub("near")?);
    let mut seed = ours_there(
        context,
        &street,
        &Job { seed: true, ..job(&torrent, &torrent.data.dir, street.there, &[], &scratch) },
    )?;
    wait_ready(seed.as_mut())?;
    let link = metainfo::magnet(&std::fs::read(&torrent.path)?, &[], &[])?;
    let magnet = by_hash.then_some(&*link);
    let near = Job { lsd: true, magnet, ..job(&torrent, &dir, street.here, &[], &scratch) };
    let mut leech = riverrun::start(&near, &["--no-port-forward"])?;
    finish(&torrent, &dir, leech.as_mut())
}

fn finish(torrent: &Torrent, dir: &Path, leech: &mut dyn Client) -> Result<String> {
    let start = Instant::now();
    wait_complete(leech, PATIENCE)?;
    torrent.data.compare(dir, true)?;
    Ok(format!("complete after {:.1} s", start.elapsed().as_secs_f64()))
}

fn private(context: &Context<'_>) -> Result<String> {
    let public = context.torrent(data::named("tail-of-1")?, &[])?;
    let path = context.dir.join("private.torrent");
    let hashes = libtorrent::create(&public.data.root, &path, 65_536, "v1", true)?;
    let secret = hashes.v1.ok_or("no v1 info hash")?;
    let open = libtorrent::hashes(&public.path)?.v1.ok_or("no v1 info hash")?;
    let street = Street::new(false)?;
    let mut monitor = std::process::Command::new(riverrun::program()?);
    monitor.args(["lpd", "--json", "--interface", "10.66.0.1"]);
    let log = context.dir.join("lpd.log");
    let monitor = Process::spawn(monitor, &log)?;
    until(Duration::from_secs(20), "`torrent lpd` to listen", || Ok(monitor.said()?.contains("listening")))?;
    // The private one first: it would be heard first.
    let hidden = Torrent { path, data: public.data.clone() };
    let scratch = context.sub("scratch")?;
    let mut seeds = Vec::new();
    for torrent in [&hidden, &public] {
        let at = SocketAddr::new(street.there.ip(), ports::free()?);
        let mut seed = ours_there(
            context,
            &street,
            &Job { seed: true, ..job(torrent, &torrent.data.dir, at, &[], &scratch) },
        )?;
        wait_ready(seed.as_mut())?;
        seeds.push(seed);
    }
    until(PATIENCE, "the public torrent to be announced", || Ok(monitor.said()?.contains(&open)))?;
    // Whatever was on its way has come.
    std::thread::sleep(Duration::from_secs(3));
    if monitor.said()?.contains(&secret) {
        return Err("a private torrent was announced on the local network".into());
    }
    monitor.signal(Signal::INT)?;
    until(Duration::from_secs(10), "`torrent lpd` to end", || Ok(monitor.said()?.contains("stopped")))?;
    Ok(String::new())
}
