//! The options of everything that talks to a swarm.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use metainfo::Node;
use riverrun::{AddTorrent, Client, ClientBuilder, Reciprocity, UploadMode};

use super::failure;
use crate::exit::{Complaints, Failure};
use crate::lists::Guard;
use crate::{identity, units};

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
    /// Begin at this node of the DHT; repeat for more. Without one only the nodes of public torrents are asked
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "RIVERRUN_DHT_NODE",
        value_delimiter = ',',
        conflicts_with = "no_dht"
    )]
    pub(crate) dht_node: Vec<String>,
    /// Ask no node of the DHT, not even those of a torrent
    #[arg(long, env = "RIVERRUN_NO_DHT")]
    pub(crate) no_dht: bool,
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
    /// Whether peers are served: never (they will serve us less), while-downloading, or seed: also when all is here
    #[arg(
        long,
        value_name = "MODE",
        env = "RIVERRUN_UPLOAD_MODE",
        default_value = "seed",
        hide_possible_values = true
    )]
    upload_mode: UploadModeName,
    /// The same as --upload-mode never
    #[arg(long, env = "RIVERRUN_NO_UPLOAD")]
    no_upload: bool,
    /// While downloading serve everyone in turn, and not first those that give most
    #[arg(long, env = "RIVERRUN_GENEROUS")]
    generous: bool,
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
    /// Tell peers and trackers nothing of this program, and each torrent another name; this hides no address
    #[arg(long, env = "RIVERRUN_ANONYMOUS", conflicts_with_all = ["user_agent", "public_ip", "dht_node"])]
    pub(crate) anonymous: bool,
    /// Take no file from another torrent that is here, whatever they say of each other (BEP 38)
    #[arg(long, env = "RIVERRUN_NO_LINK_SIMILAR")]
    pub(crate) no_link_similar: bool,
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
    /// Looks at everything here that can be wrong, before a source is opened or anything is done.
    pub(crate) fn ready(&self) -> Result<Ready<'_>, Failure> {
        let mut wrong = Complaints::default();
        let mut nodes = |option: &str, texts: &[String]| -> Vec<Node> {
            let read = texts.iter().filter_map(|text| {
                let read = units::parse_host_port(text);
                wrong.note(read.map_err(|problem| Failure::usage(format!("{option} {text}: {problem}"))))
            });
            read.collect()
        };
        let (peers, dht_nodes) = (nodes("--peer", &self.peer), nodes("--dht-node", &self.dht_node));
        let blocklist = self.blocklist.as_deref().map(Guard::open).transpose();
        let blocklist = wrong.note(blocklist.map_err(|failure| failure.of("--blocklist"))).flatten();
        if let Some(dir) = &self.state_dir {
            let place = || format!("--state-dir {}: progress can't be kept there", dir.display());
            wrong.note(try_to_keep(dir).map_err(|error| Failure::io(place(), &error)));
        }
        wrong.end(Some(Ready { options: self, peers, dht_nodes, blocklist }))
    }
}

/// Options in which nothing is wrong.
pub(crate) struct Ready<'a> {
    options: &'a ClientOptions,
    peers: Vec<Node>,
    dht_nodes: Vec<Node>,
    blocklist: Option<Guard>,
}

impl Ready<'_> {
    /// A client as the options say, and what they say of each torrent.
    pub(crate) fn start(self) -> Result<(Client, PerTorrent), Failure> {
        let mut builder = self.builder().dht_nodes(self.dht_nodes.clone());
        if let Some(list) = self.blocklist {
            builder = builder.blocklist(move |addr: IpAddr| list.contains(addr));
        }
        if let Some(dir) = state_dir(self.options) {
            builder = builder.state_dir(dir);
        }
        super::handles::raise();
        let client = builder.build().map_err(|error| failure(&error))?;
        Ok((client, PerTorrent { trackers: self.options.tracker.clone(), peers: self.peers }))
    }

    fn builder(&self) -> ClientBuilder {
        let options = self.options;
        let mut builder = Client::builder()
            .allow_local_trackers(options.allow_local_trackers)
            .lsd(!options.no_lsd)
            .pex(!options.no_pex)
            .port_forward(!options.no_port_forward)
            .anonymous(options.anonymous)
            .link_similar(!options.no_link_similar)
            .download_rate(options.download_rate.filter(|rate| *rate > 0))
            .upload_rate(options.upload_rate.filter(|rate| *rate > 0))
            .upload_mode(options.upload_mode())
            .reciprocity(if options.generous { Reciprocity::Generous } else { Reciprocity::Reciprocal })
            .max_peers(options.max_peers)
            .connections(options.max_peers.max(500));
        if !options.listen.is_empty() {
            builder = builder.listen(options.listen.iter().flat_map(ListenAddr::expand));
        }
        if options.no_dht {
            builder = builder.no_dht();
        }
        if options.no_trackers {
            builder = builder.no_trackers();
        }
        if options.ipv4_only {
            builder = builder.ipv4_only();
        }
        if options.ipv6_only {
            builder = builder.ipv6_only();
        }
        if let Some(agent) = &options.user_agent {
            builder = builder.user_agent(agent);
        }
        match options.public_ip {
            Some(addr) => builder.public_ip(addr),
            None => builder,
        }
    }
}

/// Names of upload modes.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum UploadModeName {
    Never,
    WhileDownloading,
    Seed,
}

impl ClientOptions {
    pub(crate) fn upload_mode(&self) -> UploadMode {
        match self.upload_mode {
            _ if self.no_upload => UploadMode::Never,
            UploadModeName::Never => UploadMode::Never,
            UploadModeName::WhileDownloading => UploadMode::WhileDownloading,
            UploadModeName::Seed => UploadMode::Seed,
        }
    }
}

/// What the options say of each torrent.
pub(crate) struct PerTorrent {
    trackers: Vec<String>,
    peers: Vec<Node>,
}

impl PerTorrent {
    pub(crate) fn on(&self, add: AddTorrent) -> AddTorrent {
        add.trackers(&self.trackers).named_peers(self.peers.iter().cloned())
    }
}

/// Where progress is kept, made where it is not there and known to take files. The usual place may be one that can't be
/// written: that costs a check at the next start, and is no reason not to download.
fn state_dir(options: &ClientOptions) -> Option<PathBuf> {
    if options.state_dir.is_some() {
        return options.state_dir.clone();
    }
    let dir = default_state_dir()?;
    let kept = try_to_keep(&dir).inspect_err(|error| {
        tracing::warn!(
            "progress can't be kept in {}: {error}; the next start checks everything (--state-dir names another place)",
            dir.display()
        );
    });
    kept.is_ok().then_some(dir)
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
