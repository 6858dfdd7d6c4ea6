//! Settings of a client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use engine::{Reciprocity, SeedPolicy, SlotPolicy, UploadMode};
use metainfo::Node;
use storage::{FileFactory, HandleCache, Preallocate, Spool, StorageFactory};

use crate::line::Active;
use crate::transport::Seams;
use crate::{Error, Limiter};

/// What an anonymous client calls itself to web servers: what other clients say in that mode, so that it tells one crowd
/// from none. Some servers refuse who says nothing.
const ANONYMOUS_AGENT: &str = "curl/7.81.0";

/// Which addresses must not be talked to.
///
/// Asked for every connection and every address that is learned, on the threads that move data: it must answer at once.
/// An address at which it panics is blocked.
pub trait AddressFilter: Send + Sync + 'static {
    /// Whether connections from and to this address are refused.
    fn blocks(&self, addr: IpAddr) -> bool;
}

impl<F: Fn(IpAddr) -> bool + Send + Sync + 'static> AddressFilter for F {
    fn blocks(&self, addr: IpAddr) -> bool {
        self(addr)
    }
}

/// Opens the storage of torrents whose files go below `root`; what [`ClientBuilder::storage`] takes.
pub trait OpenStorage: Send + Sync + 'static {
    /// A factory for torrents below this directory. Creates nothing.
    fn at(&self, root: &std::path::Path) -> Arc<dyn StorageFactory>;
}

impl<F: Fn(&std::path::Path) -> Arc<dyn StorageFactory> + Send + Sync + 'static> OpenStorage for F {
    fn at(&self, root: &std::path::Path) -> Arc<dyn StorageFactory> {
        self(root)
    }
}

/// How space for a file is reserved before its data comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Preallocation {
    /// Files grow as data comes; space that was not written takes no room.
    #[default]
    Sparse,
    /// All space is reserved when the download begins, so that a full disk shows at once.
    Full,
}

/// Settings of a [`Client`](crate::Client). Every one has a default.
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    pub(crate) download_dir: Arc<Path>,
    pub(crate) state_dir: Option<Arc<Path>>,
    pub(crate) metadata_on_disk: bool,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) peer_id_prefix: Vec<u8>,
    pub(crate) client_name: String,
    pub(crate) user_agent: String,
    pub(crate) anonymous: bool,
    pub(crate) download_rate: Option<u64>,
    pub(crate) upload_rate: Option<u64>,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) limit_payload_only: bool,
    pub(crate) connections: u32,
    pub(crate) max_peers: u32,
    pub(crate) blocklist: Option<Arc<dyn AddressFilter>>,
    pub(crate) trackers: bool,
    pub(crate) local_trackers: bool,
    pub(crate) lsd: bool,
    pub(crate) dht: bool,
    pub(crate) dht_nodes: Vec<Node>,
    pub(crate) pex: bool,
    pub(crate) upload_slots: u32,
    pub(crate) slot_policy: SlotPolicy,
    pub(crate) seed_policy: SeedPolicy,
    pub(crate) port_forward: bool,
    pub(crate) upload: UploadMode,
    pub(crate) reciprocity: Reciprocity,
    pub(crate) active: Active,
    pub(crate) public_ip: Option<IpAddr>,
    pub(crate) shards: usize,
    pub(crate) preallocation: Preallocation,
    pub(crate) open_files: usize,
    pub(crate) disk_threads: usize,
    pub(crate) link_similar: bool,
    pub(crate) storage: Option<Arc<dyn OpenStorage>>,
    pub(crate) seams: Seams,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("download_dir", &self.download_dir)
            .field("state_dir", &self.state_dir)
            .field("metadata_on_disk", &self.metadata_on_disk)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder {
            download_dir: Path::new(".").into(),
            state_dir: None,
            metadata_on_disk: false,
            listen: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            ],
            ipv4: true,
            ipv6: true,
            bind: Vec::new(),
            peer_id_prefix: types::PEER_ID_PREFIX.into(),
            client_name: types::CLIENT_NAME.into(),
            user_agent: types::CLIENT_NAME.into(),
            anonymous: false,
            download_rate: None,
            upload_rate: None,
            limiter: None,
            limit_payload_only: false,
            connections: 500,
            max_peers: types::DEFAULT_MAX_PEERS,
            blocklist: None,
            trackers: true,
            local_trackers: false,
            lsd: true,
            dht: true,
            dht_nodes: Vec::new(),
            pex: true,
            upload_slots: 8,
            slot_policy: SlotPolicy::default(),
            seed_policy: SeedPolicy::default(),
            port_forward: true,
            upload: UploadMode::default(),
            reciprocity: Reciprocity::default(),
            active: Active::default(),
            public_ip: None,
            shards: thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            preallocation: Preallocation::Sparse,
            open_files: 128,
            disk_threads: 4,
            link_similar: true,
            storage: None,
            seams: Seams::default(),
        }
    }
}

impl ClientBuilder {
    /// Where torrents go that name no directory of their own. Default: the current directory.
    pub fn download_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.download_dir = dir.into().into();
        self
    }

    /// Where the state of unfinished and finished torrents is kept, so that a restart need not check them.
    /// Default: none is kept, and existing files are checked whole.
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into().into());
        self
    }

    /// Keeps info dictionaries (BEP 3), most of which are piece hashes, in a file without a name in the state directory instead
    /// of in memory, for clients with thousands of torrents and little memory: 20 bytes a piece less. Off at first.
    ///
    /// What is looked at comes from the page cache. Where that had to let go of it, a torrent that wakes up makes its shard
    /// wait for the disk, and a disk that fails then can end the process, or make right pieces fail. Without a state
    /// directory, on systems other than Linux, and on file systems in memory or over a network this changes nothing.
    pub fn metadata_on_disk(mut self, on: bool) -> Self {
        self.metadata_on_disk = on;
        self
    }

    /// Addresses to accept peers on. All ports 0 become one random port. An IPv6 address takes IPv6 alone.
    /// Empty: accept nobody. Default: `0.0.0.0:0` and `[::]:0`.
    pub fn listen(mut self, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.listen = addrs.into_iter().collect();
        self
    }

    /// No IPv6, neither listening nor dialing.
    pub fn ipv4_only(mut self) -> Self {
        (self.ipv4, self.ipv6) = (true, false);
        self
    }

    /// No IPv4, neither listening nor dialing.
    pub fn ipv6_only(mut self) -> Self {
        (self.ipv4, self.ipv6) = (false, true);
        self
    }

    /// Local addresses to dial from, at most one of each family. Default: the system chooses.
    pub fn bind(mut self, addrs: impl IntoIterator<Item = IpAddr>) -> Self {
        self.bind = addrs.into_iter().collect();
        self
    }

    /// The beginning of our peer id (BEP 20), at most 20 bytes; the rest is random. Default `-RR0100-`.
    pub fn peer_id_prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.peer_id_prefix = prefix.into();
        self
    }

    /// What we call ourselves to peers (BEP 10), at most 64 bytes.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// What we call ourselves to trackers and web servers.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = agent.into();
        self
    }

    /// Whether peers and trackers are told as little of us as they can do with (BEP 37). Default no.
    ///
    /// Our name and version are told to nobody: no prefix in peer ids, no client name in handshakes, and a common user agent.
    /// Each torrent has a peer id and a tracker key of its own, drawn anew in each run, so that they tell nobody which torrents
    /// are ours. Handshakes name neither our port nor any address, and the local network hears nothing of us, whatever
    /// [`ClientBuilder::lsd`] and [`ClientBuilder::port_forward`] say. The DHT is off, where one name asks for all torrents. All that holds of private torrents too: a private tracker
    /// that admits clients by their name refuses an anonymous one, and so does one that expects a prefix of peer ids.
    ///
    /// **It hides no address.** Peers, trackers and web servers see where connections come from, trackers hear the port that
    /// we listen on ([`ClientBuilder::listen`] with nothing accepts nobody), peers tell others of us (BEP 11), and what a
    /// torrent holds is as public as ever; who compares addresses, times, torrents or ways of speaking can still find
    /// out. Against that a VPN or a proxy helps, around which this client must not be able to speak
    /// ([`ClientBuilder::bind`]). What an embedder brings (dialers, discoveries) is the embedder's to keep quiet.
    ///
    /// [`ClientBuilder::peer_id_prefix`], [`ClientBuilder::client_name`], [`ClientBuilder::user_agent`],
    /// [`ClientBuilder::public_ip`], [`ClientBuilder::dht_nodes`] and extensions of one's own contradict it: [`ClientBuilder::build`] refuses them together.
    pub fn anonymous(mut self, anonymous: bool) -> Self {
        self.anonymous = anonymous;
        self
    }

    /// Most bytes received in a second, over all torrents. Default: no limit.
    pub fn download_rate(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.download_rate = bytes.into();
        self
    }

    /// Most bytes sent in a second, over all torrents. Default: no limit.
    pub fn upload_rate(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.upload_rate = bytes.into();
        self
    }

    /// A limit that it shares with other clients; its own rates hold besides. Default: none.
    pub fn limiter(mut self, limiter: &Limiter) -> Self {
        self.limiter = Some(limiter.clone());
        self
    }

    /// Whether upload limits count payload alone: its own, its torrents', and those it shares. Protocol messages then
    /// neither wait nor count, and a limit that is meant for a line is passed by as much as they need. Default no: every
    /// byte counts that a socket takes.
    pub fn limit_payload_only(mut self, payload_only: bool) -> Self {
        self.limit_payload_only = payload_only;
        self
    }

    /// Most connections of the whole client. Default 500. A few handshakes may be under way beyond them.
    ///
    /// No address is refused for the number of its connections while there are places, here and in each torrent
    /// ([`ClientBuilder::max_peers`]). Where there are none, the address with most (IPv6: the /64) gives up the
    /// connection that is worth least for a newcomer of one with fewer, until all have alike; each keeps four.
    pub fn connections(mut self, most: u32) -> Self {
        self.connections = most;
        self
    }

    /// Most connections of one torrent. Default 80.
    pub fn max_peers(mut self, most: u32) -> Self {
        self.max_peers = most;
        self
    }

    /// Addresses that are never talked to.
    pub fn blocklist(mut self, list: impl AddressFilter) -> Self {
        self.blocklist = Some(Arc::new(list));
        self
    }

    /// Ask no tracker, whatever a torrent names.
    pub fn no_trackers(mut self) -> Self {
        self.trackers = false;
        self
    }

    /// Whether trackers and `.torrent` addresses on this machine and in private networks may be asked (by a
    /// torrent that a stranger made, they would be a way into your network). Default: no, except for trackers
    /// on this machine's own addresses, under a path that begins with `/announce`.
    pub fn allow_local_trackers(mut self, allow: bool) -> Self {
        self.local_trackers = allow;
        self
    }

    /// Whether torrents are announced on the local network, and neighbours found there (BEP 14). A private
    /// torrent never is, and nothing is announced where only loopback is listened on. Default: yes.
    pub fn lsd(mut self, announce: bool) -> Self {
        self.lsd = announce;
        self
    }

    /// No DHT (BEP 5): no node is asked, whoever names it, and no socket is opened for it. Default: public torrents are looked
    /// for there and announced, once a node is known; a private one never is (BEP 27).
    ///
    /// No node is known by default, so nothing is sent before one is named: by [`ClientBuilder::dht_nodes`],
    /// [`Client::add_dht_nodes`](crate::Client::add_dht_nodes), or the `nodes` of a public torrent. The client only asks, and
    /// serves nobody (BEP 43). It binds the UDP port of the same number as its first listening address of each family, or
    /// another where that is taken.
    pub fn no_dht(mut self) -> Self {
        self.dht = false;
        self
    }

    /// Nodes of the DHT to begin at, beside those of torrents. Names are looked up when the client starts; one that can't be
    /// is told in the log. Default: none.
    pub fn dht_nodes(mut self, nodes: impl IntoIterator<Item = Node>) -> Self {
        self.dht_nodes = nodes.into_iter().collect();
        self
    }

    /// Whether peers are told of each other, and what they tell of others is believed (BEP 11). Never done
    /// for a private torrent (BEP 27). Default: yes.
    pub fn pex(mut self, exchange: bool) -> Self {
        self.pex = exchange;
        self
    }

    /// Peers that one torrent serves at once for what they give, at least 1; one more in five is tried,
    /// except by a seed that serves everyone in turn. Default 8.
    pub fn upload_slots(mut self, slots: u32) -> Self {
        self.upload_slots = slots;
        self
    }

    /// Whether a torrent serves so many peers, or as many as it can serve fast. Default
    /// [`SlotPolicy::Fixed`].
    pub fn slot_policy(mut self, policy: SlotPolicy) -> Self {
        self.slot_policy = policy;
        self
    }

    /// Which peers a seed serves first. Default [`SeedPolicy::RoundRobin`].
    pub fn seed_policy(mut self, policy: SeedPolicy) -> Self {
        self.seed_policy = policy;
        self
    }

    /// Whether the gateway of the local network is asked to pass connections on to our port, by PCP, NAT-PMP
    /// or UPnP. Nothing is asked where only loopback is listened on. Default: yes.
    pub fn port_forward(mut self, ask: bool) -> Self {
        self.port_forward = ask;
        self
    }

    /// Whether peers are served: never, while something is missing, or also afterwards as a seed, which is the default.
    /// A torrent may have less ([`AddTorrent::upload_mode`](crate::AddTorrent::upload_mode)).
    pub fn upload_mode(mut self, mode: UploadMode) -> Self {
        self.upload = mode;
        self
    }

    /// Who is served while we download. Default [`Reciprocity::Reciprocal`]: those that give most, and newcomers in
    /// turn.
    pub fn reciprocity(mut self, reciprocity: Reciprocity) -> Self {
        self.reciprocity = reciprocity;
        self
    }

    /// How many torrents may download at a time, fetching metadata included; the others wait in line
    /// ([`TorrentState::Queued`](crate::TorrentState::Queued)), in the order of
    /// [`Torrent::queue_position`](crate::Torrent::queue_position). One of which nothing came for a minute does not count,
    /// nor does one that a reader waits for: that one is never queued. Default no limit.
    pub fn active_downloads(mut self, most: impl Into<Option<u32>>) -> Self {
        self.active.downloads = most.into();
        self
    }

    /// How many torrents may seed at a time, as [`ClientBuilder::active_downloads`]. Default no limit.
    pub fn active_seeds(mut self, most: impl Into<Option<u32>>) -> Self {
        self.active.seeds = most.into();
        self
    }

    /// The address that trackers shall tell others, where they would see another.
    pub fn public_ip(mut self, addr: IpAddr) -> Self {
        self.public_ip = Some(addr);
        self
    }

    /// Threads that move data, one for each core that torrents may use; at least 1. Default: as many as there
    /// are cores, at most 4.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// How space is reserved. Default sparse.
    pub fn preallocation(mut self, mode: Preallocation) -> Self {
        self.preallocation = mode;
        self
    }

    /// Most files held open. Default 128.
    pub fn open_files(mut self, most: usize) -> Self {
        self.open_files = most;
        self
    }

    /// Threads for each disk; at least 1. Default 4.
    pub fn disk_threads(mut self, threads: usize) -> Self {
        self.disk_threads = threads;
        self
    }

    /// Whether files that a torrent is missing when it is added come from torrents that are here, where one of the two names the
    /// other or both are in one collection (BEP 38). What has the same hashes gets a second name on the disk (a hard link), or
    /// is copied where that can't be; of v1 torrents that can't tell, a file of the same name and length is copied. Then it is
    /// checked like any file. A file with several names is copied whole before it is written for the first time, so that
    /// neither torrent changes what the other has; other reads and writes of the torrent wait meanwhile. A private torrent
    /// (BEP 27) never lends its files: the other one would show what it holds. Default yes; never done by an anonymous
    /// client, since it shows which torrents are the same client's.
    pub fn link_similar(mut self, link: bool) -> Self {
        self.link_similar = link;
        self
    }

    /// A storage of your own instead of files. **Unstable**, as [`storage::Storage`] is.
    pub fn storage(mut self, open: impl OpenStorage) -> Self {
        self.storage = Some(Arc::new(open));
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let rule =
            |ok: bool, setting, allowed| if ok { Ok(()) } else { Err(Error::Config { setting, allowed }) };
        rule((1..=256).contains(&self.shards), "shards", "1 to 256")?;
        rule((1..=256).contains(&self.disk_threads), "disk_threads", "1 to 256")?;
        rule(self.open_files >= 1, "open_files", "at least 1")?;
        rule(self.connections >= 1, "connections", "at least 1")?;
        rule(self.max_peers >= 1, "max_peers", "at least 1")?;
        rule(self.peer_id_prefix.len() <= 20, "peer_id_prefix", "at most 20 bytes")?;
        rule(self.client_name.len() <= 64, "client_name", "at most 64 bytes")?;
        self.seams.validate()?;
        let header = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        rule(header(&self.user_agent), "user_agent", "printable ASCII")?;
        if !self.anonymous {
            return Ok(());
        }
        let alone = "left as it is with `anonymous`: it would tell who we are";
        rule(self.peer_id_prefix == types::PEER_ID_PREFIX.as_bytes(), "peer_id_prefix", alone)?;
        rule(self.client_name == types::CLIENT_NAME, "client_name", alone)?;
        rule(self.user_agent == types::CLIENT_NAME, "user_agent", alone)?;
        rule(self.public_ip.is_none(), "public_ip", alone)?;
        rule(self.dht_nodes.is_empty(), "dht_nodes", alone)?;
        rule(self.seams.extensions.is_empty(), "extension", alone)
    }

    /// The settings as they hold: an anonymous client has no name, and does nothing that tells it from others or one of its
    /// torrents from another's. Whoever obeys the settings then need not ask whether it is anonymous. After they were validated.
    pub(crate) fn resolved(mut self) -> ClientBuilder {
        if self.anonymous {
            self.peer_id_prefix.clear();
            self.user_agent = ANONYMOUS_AGENT.into();
            (self.lsd, self.port_forward, self.dht, self.link_similar) = (false, false, false, false);
        }
        self
    }

    /// The factory of storages.
    /// Where info dictionaries are kept, if not in memory.
    pub(crate) fn spool(&self) -> Option<Spool> {
        let dir = self.state_dir.as_deref().filter(|_| self.metadata_on_disk)?;
        Some(Spool::new(dir.to_owned()))
    }

    pub(crate) fn opener(&self) -> Arc<dyn OpenStorage> {
        if let Some(open) = &self.storage {
            return open.clone();
        }
        let handles = Arc::new(HandleCache::new(self.open_files));
        let mode = match self.preallocation {
            Preallocation::Sparse => Preallocate::Sparse,
            Preallocation::Full => Preallocate::Full,
        };
        Arc::new(move |root: &std::path::Path| -> Arc<dyn StorageFactory> {
            Arc::new(FileFactory::new(root).handles(handles.clone()).preallocate(mode))
        })
    }

    /// The addresses to listen on, of the families that are allowed.
    pub(crate) fn listen_addrs(&self) -> Vec<SocketAddr> {
        let allowed = |a: &&SocketAddr| if a.is_ipv4() { self.ipv4 } else { self.ipv6 };
        self.listen.iter().filter(allowed).copied().collect()
    }

    pub(crate) fn dial_options(&self) -> net::tcp::DialOptions {
        let mut options = net::tcp::DialOptions::default();
        options.bind_v4 = self.bind.iter().copied().find(IpAddr::is_ipv4);
        options.bind_v6 = self.bind.iter().copied().find(IpAddr::is_ipv6);
        (options.ipv4_only, options.ipv6_only) = (!self.ipv6, !self.ipv4);
        options
    }
}
