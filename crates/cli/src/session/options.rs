//! The options of everything that talks to a swarm.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use clap::Args;
use riverrun::{AddTorrent, Client, ClientBuilder};

use super::failure;
use crate::exit::Failure;
use crate::{identity, lists, units};

/// How to talk to the swarm.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct ClientOptions {
    /// Connect to this peer; repeat for more
    #[arg(long, value_name = "HOST:PORT", env = "RIVERRUN_PEER", value_delimiter = ',')]
    pub(crate) peer: Vec<String>,
    /// Accept peers here; repeat for more. Port 0 takes a free one [default: all addresses, a free port]
    #[arg(long, value_name = "ADDR:PORT", env = "RIVERRUN_LISTEN", value_delimiter = ',', value_parser = listen_addr)]
    pub(crate) listen: Vec<ListenAddr>,
    /// Ask this tracker too; repeat for more
    #[arg(long, value_name = "URL", env = "RIVERRUN_TRACKER", value_parser = tracker_url)]
    pub(crate) tracker: Vec<String>,
    /// Ask no tracker, not even those of the torrent
    #[arg(long, env = "RIVERRUN_NO_TRACKERS", conflicts_with = "tracker")]
    pub(crate) no_trackers: bool,
    /// Ask trackers on this machine and its link whatever their path; without it the path must begin with /announce
    #[arg(long, env = "RIVERRUN_ALLOW_LOCAL_TRACKERS")]
    pub(crate) allow_local_trackers: bool,
    /// Announce nothing on the local network, and find nobody there
    #[arg(long, env = "RIVERRUN_NO_LSD")]
    pub(crate) no_lsd: bool,
    /// Tell peers of no other peers, and believe nothing they tell of others
    #[arg(long, env = "RIVERRUN_NO_PEX")]
    pub(crate) no_pex: bool,
    /// Do not ask the gateway of the local network to pass connections on
    #[arg(long, env = "RIVERRUN_NO_PORT_FORWARD")]
    pub(crate) no_port_forward: bool,
    /// Most bytes received in a second, such as 500k or 2MB; 0 is no limit
    #[arg(long, value_name = "RATE", env = "RIVERRUN_DOWNLOAD_RATE", value_parser = units::parse_rate)]
    pub(crate) download_rate: Option<u64>,
    /// Most bytes sent in a second, such as 500k or 2MB; 0 is no limit
    #[arg(long, value_name = "RATE", env = "RIVERRUN_UPLOAD_RATE", value_parser = units::parse_rate)]
    pub(crate) upload_rate: Option<u64>,
    /// Serve no peer (they will serve us less)
    #[arg(long, env = "RIVERRUN_NO_UPLOAD")]
    pub(crate) no_upload: bool,
    /// Most connections of one torrent
    #[arg(long, value_name = "N", env = "RIVERRUN_MAX_PEERS", default_value_t = types::DEFAULT_MAX_PEERS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_peers: u32,
    /// Never talk to these addresses: a P2P, DAT or CIDR list, plain or gzipped, or one packed by `torrent blocklist pack`
    #[arg(long, value_name = "FILE", env = "RIVERRUN_BLOCKLIST")]
    pub(crate) blocklist: Option<String>,
    /// Use IPv4 alone
    #[arg(short = '4', long, env = "RIVERRUN_IPV4_ONLY", conflicts_with = "ipv6_only")]
    pub(crate) ipv4_only: bool,
    /// Use IPv6 alone
    #[arg(short = '6', long, env = "RIVERRUN_IPV6_ONLY")]
    pub(crate) ipv6_only: bool,
    /// What to call ourselves to trackers and web servers
    #[arg(long, value_name = "TEXT", env = "RIVERRUN_USER_AGENT", value_parser = identity::user_agent)]
    pub(crate) user_agent: Option<String>,
    /// The address that trackers shall tell other peers
    #[arg(long, value_name = "ADDR", env = "RIVERRUN_PUBLIC_IP")]
    pub(crate) public_ip: Option<IpAddr>,
    /// Where progress is kept between runs [default: $XDG_STATE_HOME/riverrun or ~/.local/state/riverrun]
    #[arg(long, value_name = "DIR", env = "RIVERRUN_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// One `--listen`: an address and port, or a port on all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddr {
    One(SocketAddr),
    Everywhere(u16),
}

fn listen_addr(text: &str) -> Result<ListenAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(ListenAddr::One(addr));
    }
    match text.strip_prefix(':').unwrap_or(text).parse() {
        Ok(port) => Ok(ListenAddr::Everywhere(port)),
        Err(_) => {
            Err(format!("`{text}` is no address to listen on; write 192.0.2.1:6881, [::1]:6881 or a port"))
        }
    }
}

/// A tracker that can be asked.
fn tracker_url(text: &str) -> Result<String, String> {
    let url = tracker::TrackerUrl::parse(text).map_err(|error| error.to_string())?;
    Ok(url.as_str().to_owned())
}

impl ClientOptions {
    /// A client as these options say.
    pub(crate) fn start(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder()
            .allow_local_trackers(self.allow_local_trackers)
            .lsd(!self.no_lsd)
            .pex(!self.no_pex)
            .port_forward(!self.no_port_forward)
            .download_rate(self.download_rate.filter(|rate| *rate > 0))
            .upload_rate(self.upload_rate.filter(|rate| *rate > 0))
            .upload(!self.no_upload)
            .max_peers(self.max_peers)
            .connections(self.max_peers.max(500));
        if !self.listen.is_empty() {
            builder = builder.listen(self.listen.iter().flat_map(ListenAddr::expand));
        }
        if self.no_trackers {
            builder = builder.no_trackers();
        }
        if self.ipv4_only {
            builder = builder.ipv4_only();
        }
        if self.ipv6_only {
            builder = builder.ipv6_only();
        }
        if let Some(agent) = &self.user_agent {
            builder = builder.user_agent(agent);
        }
        if let Some(addr) = self.public_ip {
            builder = builder.public_ip(addr);
        }
        self.with_files(builder)?.build().map_err(|error| failure(&error))
    }

    /// The parts that need the disk: the blocklist, and where progress is kept.
    fn with_files(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        if let Some(path) = &self.blocklist {
            let list = lists::Guard::open(path)?;
            builder = builder.blocklist(move |addr: IpAddr| list.contains(addr));
        }
        match self.state_dir()? {
            Some(dir) => Ok(builder.state_dir(dir)),
            None => Ok(builder),
        }
    }

    /// Where progress is kept, made where it is not there and known to take files. The usual place may be one that can't
    /// be written: that costs a check at the next start, and is no reason not to download.
    fn state_dir(&self) -> Result<Option<PathBuf>, Failure> {
        let (dir, is_asked_for) = match &self.state_dir {
            Some(dir) => (dir.clone(), true),
            None => match default_state_dir() {
                Some(dir) => (dir, false),
                None => return Ok(None),
            },
        };
        match try_to_keep(&dir) {
            Ok(()) => Ok(Some(dir)),
            Err(error) if is_asked_for => {
                let place = format!("--state-dir {}: progress can't be kept there", dir.display());
                Err(Failure::io(place, &error))
            }
            Err(error) => {
                tracing::warn!(
                    "progress can't be kept in {}: {error}; the next start checks everything (--state-dir names another place)",
                    dir.display()
                );
                Ok(None)
            }
        }
    }

    /// What these options say of one torrent.
    pub(crate) fn dress(&self, add: AddTorrent) -> Result<AddTorrent, Failure> {
        Ok(add.trackers(&self.tracker).peers(self.peers()?))
    }

    fn peers(&self) -> Result<Vec<SocketAddr>, Failure> {
        let mut all = Vec::new();
        for text in &self.peer {
            let found = text
                .to_socket_addrs()
                .map_err(|error| Failure::usage(format!("--peer {text}: {error}; write HOST:PORT")))?;
            all.extend(found);
        }
        Ok(all)
    }
}

impl ListenAddr {
    fn expand(&self) -> Vec<SocketAddr> {
        match self {
            ListenAddr::One(addr) => vec![*addr],
            ListenAddr::Everywhere(port) => {
                vec![(Ipv4Addr::UNSPECIFIED, *port).into(), (Ipv6Addr::UNSPECIFIED, *port).into()]
            }
        }
    }
}

/// Makes the directory, and a file in it for a moment.
fn try_to_keep(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let probe = dir.join(format!(".probe.{}", std::process::id()));
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(&probe)
}

fn default_state_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.or_else(|| set("LOCALAPPDATA")).map(|dir| dir.join("riverrun"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_takes_addresses_and_ports() {
        assert_eq!(listen_addr("6881"), Ok(ListenAddr::Everywhere(6881)));
        assert_eq!(listen_addr(":6881"), Ok(ListenAddr::Everywhere(6881)));
        assert_eq!(listen_addr("[::1]:0"), Ok(ListenAddr::One("[::1]:0".parse().unwrap())));
        assert!(listen_addr("example").is_err());
    }
}
