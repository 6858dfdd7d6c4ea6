//! The client: threads, listeners and torrents.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use engine::{Anonymity, Lease, Session};
use tokio::sync::mpsc;
use types::{InfoHash, PeerId, Rng};

use crate::agenda::Agenda;
use crate::control::{
    self, announce_loop, close, dht_bootstrap, dht_peers, dht_ports, finds, neighbours, pump, upkeep,
};
use crate::dht::Dht;
use crate::disk::Disk;
use crate::inner::{Ending, Inner, Shards, Tasks, Torrents};
use crate::local::Local;
use crate::runtime::{
    Blocklist, Clock, FromShard, MOST_GOSSIP, PreparedShard, Question, Room, ShardHandle, Shared, Start,
    ToShard,
};
use crate::status::add_sources;
use crate::trackers::Trackers;
#[cfg(unix)]
use crate::transport::Door;
use crate::transport::{DialBudget, Discoveries, Guests, HALF_OPEN, PeerStream};
use crate::{
    AddTorrent, AddressFilter, ClientBuilder, Error, Events, Limiter, Node, PortMapping, Report, SourceCount,
    Torrent, Waste,
};

/// A BitTorrent client: its torrents, its threads and its sockets. Clones are the same client.
///
/// It has threads of its own and works under any asynchronous runtime, or none. When the last clone is
/// dropped everything ends at once, as if the process had been killed: connections close, disk work that was
/// begun is finished in the background, saved state is at most 15 s old. [`Client::close`] ends it politely.
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
}

/// Ends the client with the last handle to it.
struct Guard {
    inner: Arc<Inner>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner.abandon();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.guard.inner;
        f.debug_struct("Client").field("listening", &inner.listening).finish_non_exhaustive()
    }
}

/// The client at one moment, over all its torrents. Sizes are in bytes of payload.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Torrents, whatever they do.
    pub torrents: usize,
    /// Connections open or being opened.
    pub connections: u32,
    /// Handshakes of newcomers under way, which count as connections when they are done.
    pub handshakes: u32,
    /// Bytes received in a second, protocol included.
    pub download_rate: u64,
    /// Bytes sent in a second, protocol included.
    pub upload_rate: u64,
    /// Received in this run by the torrents that are here now, the useless included.
    pub downloaded: u64,
    /// Sent in this run by the torrents that are here now.
    pub uploaded: u64,
    /// Received in vain by the torrents that are here now.
    pub wasted: Waste,
    /// Peers by where they were learned, over all torrents.
    pub sources: Vec<SourceCount>,
    /// Nodes of the DHT that answered and are kept.
    pub dht_nodes: usize,
}

impl ClientBuilder {
    /// Opens the listeners, starts the threads, and returns at once.
    ///
    /// # Errors
    /// A setting outside its range, an address that can't be listened on, or a system without threads to
    /// give.
    pub fn build(self) -> Result<Client, Error> {
        self.validate()?;
        Client::start(self.resolved())
    }
}

impl Client {
    /// A client to be described.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn start(settings: ClientBuilder) -> Result<Client, Error> {
        let listening = net::tcp::listen(&settings.listen_addrs())?;
        for skipped in &listening.skipped {
            tracing::info!(%skipped, "not listening there");
        }
        let addrs: Vec<SocketAddr> = listening.listeners.iter().map(|l| l.local_addr()).collect();
        #[cfg(unix)]
        let doors = Door::open_all(&settings.seams.unix)?;
        let mut rng = entropy()?;
        let engine = Arc::new(engine_config(&settings, listening.port(), &mut rng)?);
        let mut shard_config = shard::Config::new(engine.clone());
        shard_config.gate_dials = true;
        shard_config.limit_payload_only = settings.limit_payload_only;
        let runtime = control_runtime().map_err(|e| Error::system("start the control thread", e))?;
        let (from_shards, told) = mpsc::unbounded_channel();
        let guests = settings.seams.has_guests().then(Guests::start).transpose()?;
        let shared = Arc::new(shared(&settings, &shard_config, guests.as_ref(), from_shards.clone()));
        let prepared: Result<Vec<PreparedShard>, _> =
            (0..settings.shards).map(|_| PreparedShard::new()).collect();
        let prepared = prepared.map_err(|e| Error::system("make a poller", e))?;
        let shards: Vec<ShardHandle> = prepared.iter().map(PreparedShard::handle).collect();
        let (trackers, announces) = Trackers::new(&settings, rng.fork())?;
        let (discoveries, found) = Discoveries::new(&settings.seams.discoveries, guests.as_ref());
        let ((local, heard), (dht, found_nodes)) = {
            // Its sockets and tasks belong to that runtime.
            let _inside = runtime.enter();
            (Local::start(&settings, &addrs, discoveries), Dht::start(&settings, &addrs, &shared))
        };
        let inner = Arc::new(Inner {
            opener: settings.opener(),
            trackers,
            local,
            dht,
            engine,
            torrents: Torrents::new(Arc::new(Agenda::new(shared.clock))),
            spool: settings.spool().map(Arc::new),
            shared: shared.clone(),
            shards: Shards::new(shards.clone(), from_shards.clone()),
            listening: addrs,
            ending: Ending::default(),
            tasks: Tasks::new(runtime),
            limited: Mutex::new(settings.limiter.as_ref().map(Limiter::join)),
            guests,
            accepting: Mutex::default(),
            settings,
        });
        let client = Client { guard: Arc::new(Guard { inner: inner.clone() }) };
        let mut listeners = Some(listening.listeners);
        for (index, shard) in prepared.into_iter().enumerate() {
            let start = Start {
                index,
                config: shard_config.clone(),
                // One shard takes all connections in and hands them to the shard of their torrent.
                listeners: listeners.take().unwrap_or_default(),
                rng: rng.fork(),
                shared: shared.clone(),
                events: from_shards.clone(),
            };
            shard.start(start, shards.clone()).map_err(|e| Error::system("start a shard thread", e))?;
        }
        inner.lease(&vec![engine::Usage::default(); shards.len()]);
        inner.spawn_vital("event pump", pump(inner.clone(), told));
        inner.spawn_vital("upkeep", upkeep(inner.clone()));
        inner.spawn_vital("announcer", announce_loop(inner.clone(), announces));
        #[cfg(unix)]
        inner.open_doors(doors)?;
        inner.tasks.spawn(finds(inner.clone(), found));
        search(&inner, heard, found_nodes);
        Ok(client)
    }

    /// Adds a torrent and returns its handle. Looking for existing data, checking it and connecting go on in
    /// the background: [`TorrentState::Checking`](crate::TorrentState::Checking) is its first state.
    ///
    /// A torrent that is here already gets the trackers, the peers and the display name of `add`, and its handle is returned.
    ///
    /// Cancel safe: dropped before it returns, the torrent is either added or not.
    ///
    /// # Errors
    /// The source can't be read, fetched or understood; a file number that the torrent has not; a closed
    /// client.
    pub async fn add(&self, add: impl Into<AddTorrent>) -> Result<Torrent, Error> {
        let (inner, add) = (self.guard.inner.clone(), add.into());
        let entry = inner.begin(control::add(inner.clone(), add)).await??;
        Ok(Torrent::new(inner, entry))
    }

    /// Like [`Client::add`], blocking the thread: for programs without asynchronous tasks.
    ///
    /// # Errors
    /// As [`Client::add`].
    pub fn blocking_add(&self, add: impl Into<AddTorrent>) -> Result<Torrent, Error> {
        let (inner, add) = (self.guard.inner.clone(), add.into());
        let entry = inner.begin_here(control::add(inner.clone(), add))??;
        Ok(Torrent::new(inner, entry))
    }

    /// The torrent that has this name, v1 or v2 cut to 20 bytes.
    pub fn torrent(&self, name: InfoHash) -> Option<Torrent> {
        let inner = &self.guard.inner;
        let (id, _) = inner.session().find(name)?;
        Some(Torrent::new(inner.clone(), inner.entry(id)?))
    }

    /// Every torrent, in the order they were added.
    pub fn torrents(&self) -> Vec<Torrent> {
        let inner = &self.guard.inner;
        inner.all().into_iter().map(|entry| Torrent::new(inner.clone(), entry)).collect()
    }

    /// Waits until every torrent is complete, those that are added meanwhile included. One that fails or is
    /// removed is not waited for. False when the client closes first. Cancel safe.
    pub async fn wait_all(&self) -> bool {
        loop {
            for torrent in self.torrents() {
                if let Err(Error::Closed) = torrent.wait_complete().await {
                    return false;
                }
            }
            let at_work = |t: &Torrent| {
                use crate::TorrentState as S;
                !matches!(t.state(), S::Failed(_) | S::Removed) && !t.is_complete()
            };
            // A check that closing cut short looks like a failure.
            if self.guard.inner.ending.has_begun() {
                return false;
            }
            if !self.torrents().iter().any(at_work) {
                return true;
            }
        }
    }

    /// Takes in a peer that connected to you: the client speaks with it as with one that came to a listener of its
    /// own. `from` is what it is called everywhere, to the blocklist too; a peer without an address may be given
    /// one of a private network, or of `100::/64` (RFC 6666), which no other peer is told of; there each address and port
    /// is a host of its own.
    ///
    /// Returns at once. The stream is closed where the blocklist refuses it or the client has no room.
    ///
    /// # Errors
    /// The stream can't be made non-blocking; a closed client.
    pub fn accept(&self, stream: impl Into<PeerStream>, from: SocketAddr) -> Result<(), Error> {
        let inner = &self.guard.inner;
        if inner.is_closing() {
            return Err(Error::Closed);
        }
        let stream = stream.into().into_stream(net::tcp::canonical(from));
        inner.first_shard().accepted(stream.map_err(|e| Error::system("take a connection in", e))?);
        Ok(())
    }

    /// Replaces the blocklist ([`ClientBuilder::blocklist`]), or takes it away. Peers that are connected and on the new
    /// one are disconnected.
    pub fn set_blocklist(&self, list: Option<Arc<dyn AddressFilter>>) {
        let inner = &self.guard.inner;
        inner.shared.blocklist.set(list);
        inner.shards.iter().for_each(|shard| {
            shard.tell(ToShard::Blocklist);
        });
    }

    /// What happens from now on, in all torrents.
    pub fn events(&self) -> Events {
        self.guard.inner.listen(None)
    }

    /// The addresses that peers can connect to, with the ports that the system gave.
    pub fn listen_addrs(&self) -> Vec<SocketAddr> {
        self.guard.inner.listening.clone()
    }

    /// Gives the DHT nodes to begin at, or more of them; the client goes on to their neighbours and keeps those that answer.
    /// Torrents that nobody was found for are looked for at once where no node had answered before.
    ///
    /// Returns when names are looked up and the nodes are taken in; that one answers shows in [`Stats::dht_nodes`]. Of each
    /// family the last 32 are kept. Cancel safe: those that are taken in stay.
    ///
    /// # Errors
    /// [`Error::NoDht`]; [`Error::UnknownHost`] for the first name that can't be looked up, the others being taken in; a closed
    /// client.
    pub async fn add_dht_nodes(&self, nodes: impl IntoIterator<Item = Node>) -> Result<(), Error> {
        let inner = self.guard.inner.clone();
        if inner.is_closing() {
            return Err(Error::Closed);
        }
        let nodes: Vec<Node> = nodes.into_iter().collect();
        let to = inner.clone();
        inner.join(async move { to.dht.add_nodes(nodes).await }).await?
    }

    /// How our port stands on the gateway of the local network.
    pub fn port_mapping(&self) -> PortMapping {
        self.guard.inner.local.port_mapping()
    }

    /// What we call ourselves in handshakes and to trackers. An anonymous client ([`ClientBuilder::anonymous`]) has another
    /// name in each torrent, and tells nobody this one.
    pub fn peer_id(&self) -> PeerId {
        self.guard.inner.engine.peer_id
    }

    /// Changes the limits of all torrents together, in bytes a second; none lets everything pass. They take
    /// effect within a quarter of a second.
    pub fn set_rates(&self, download: Option<u64>, upload: Option<u64>) {
        let inner = &self.guard.inner;
        let connections = inner.settings.connections;
        inner.session().set_total(Lease { download, upload, connections, yields: false });
    }

    /// The client at this moment. Takes as long as there are torrents. Cancel safe.
    pub async fn stats(&self) -> Stats {
        let inner = &self.guard.inner;
        let torrents = self.torrents();
        let dht_nodes = inner.dht.known();
        let mut stats = Stats { torrents: torrents.len(), dht_nodes, ..Stats::default() };
        for shard in inner.shards.iter() {
            let Some(usage) = shard.ask(Question::Rates).await else { continue };
            stats.connections += usage.connections;
            stats.handshakes += usage.handshakes;
            stats.download_rate += usage.download;
            stats.upload_rate += usage.upload;
        }
        for torrent in torrents {
            // One error is the client's end; the others will say the same.
            let Ok(snapshot) = torrent.snapshot().await else { continue };
            stats.downloaded += snapshot.session_downloaded;
            stats.uploaded += snapshot.session_uploaded;
            stats.wasted.add(snapshot.wasted);
            add_sources(&mut stats.sources, &snapshot.sources);
        }
        stats
    }

    /// Everything there is to be seen of it: a text for people by [`Display`](fmt::Display), a value for
    /// programs. Takes as long as there are torrents, pieces and peers. Cancel safe.
    pub async fn report(&self) -> Report {
        Report::of(self, &self.guard.inner).await
    }

    /// Ends the client: accepts nothing, closes all connections, writes what has come, saves the state of
    /// every torrent and tells trackers `stopped`. Takes at most 5 s; what is not done by then is left. Trackers that do
    /// not answer are left after 2 s, those that answered before after 3 s.
    /// Returns whether all was written and saved.
    ///
    /// Every handle to the client and its torrents is dead afterwards and says [`Error::Closed`]. Cancel
    /// safe: closing goes on in the background.
    pub async fn close(self) -> bool {
        let inner = self.guard.inner.clone();
        let all = inner.join(close(inner.clone())).await.unwrap_or(false);
        inner.abandon();
        all
    }

    /// Like [`Client::close`], blocking the thread.
    pub fn blocking_close(self) -> bool {
        crate::park::block_on(self.close())
    }
}

#[cfg(test)]
impl Client {
    pub(crate) fn inner_for_tests(&self) -> Arc<Inner> {
        self.guard.inner.clone()
    }

    /// Waits until the control plane has heard what shards told.
    pub(crate) async fn barrier_for_tests(&self) {
        control::barrier(&self.guard.inner).await;
    }

    /// The way to the first shard.
    pub(crate) fn shard_for_tests(&self) -> ShardHandle {
        self.guard.inner.shards.iter().next().expect("at least one shard").clone()
    }
}

/// Takes in what the local network and the DHT tell, where they are on.
fn search(inner: &Arc<Inner>, neighbourhood: Option<net::lsd::Events>, network: Option<net::dht::Events>) {
    if let Some(heard) = neighbourhood {
        inner.tasks.spawn(neighbours(inner.clone(), heard));
    }
    if let Some(found) = network {
        inner.dht.say_ports(inner.reached_at());
        inner.tasks.spawn(dht_ports(inner.clone()));
        inner.tasks.spawn(dht_peers(inner.clone(), found));
        inner.tasks.spawn(dht_bootstrap(inner.clone()));
    }
}

fn control_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut thread = tokio::runtime::Builder::new_multi_thread();
    thread.worker_threads(1).thread_name("riverrun-control").enable_all().build()
}

/// A generator from the system's entropy.
fn entropy() -> Result<Rng, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| Error::system("draw random numbers", e))?;
    Ok(Rng::from_seed(seed))
}

fn engine_config(
    settings: &ClientBuilder,
    port: Option<u16>,
    rng: &mut Rng,
) -> Result<engine::Config, Error> {
    let mut config = engine::Config::new(PeerId::new(&settings.peer_id_prefix, rng.bytes()));
    config.anonymous = settings.anonymous.then(|| Anonymity::new(rng.bytes()));
    config.client_name = settings.client_name.clone();
    config.extensions = settings.seams.extensions.clone();
    config.listen_port = port;
    config.max_peers = settings.max_peers;
    config.pex = settings.pex;
    config.upload_slots = settings.upload_slots;
    (config.slot_policy, config.seed_policy) = (settings.slot_policy, settings.seed_policy);
    config.reciprocity = settings.reciprocity;
    config.validate().map_err(|e| Error::Config { setting: e.field, allowed: e.allowed })?;
    Ok(config)
}

fn shared(
    settings: &ClientBuilder,
    shard: &shard::Config,
    guests: Option<&Guests>,
    events: mpsc::UnboundedSender<FromShard>,
) -> Shared {
    let total = Lease {
        download: settings.download_rate,
        upload: settings.upload_rate,
        connections: settings.connections,
        yields: false,
    };
    let blocks = settings.shards * (shard.receive_blocks + shard.send_blocks);
    let lost = Box::new(move |id, offset, error: &storage::StorageError| {
        // Fails only when the client is gone.
        let _ = events.send(FromShard::DataLost(id, offset, error.clone()));
    });
    Shared {
        clock: Clock::new(),
        session: Mutex::new(Session::new(settings.shards, total)),
        disk: Arc::new(Disk::new(settings.disk_threads, blocks, lost)),
        blocklist: Blocklist::new(settings.blocklist.clone()),
        dial: settings.dial_options(),
        dialer: guests.zip(settings.seams.dialer.clone()).map(|(guests, dialer)| guests.dialing(dialer)),
        budget: settings.seams.dial_budget.clone().unwrap_or_else(|| DialBudget::new(HALF_OPEN)),
        dial_timeout: settings.seams.dial_timeout,
        listen_port: shard.engine.listen_port,
        gossip: Room::new(MOST_GOSSIP),
    }
}
