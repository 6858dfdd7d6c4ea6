//! Where peers are found by the embedder's own means.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use engine::TorrentId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use types::{InfoHashes, PeerSource};

use super::Guests;
use crate::entry::Entry;
use crate::runtime::panic_message;

/// Lists of addresses that wait to be taken in.
const QUEUE: usize = 64;

/// A search for the peers of one torrent, which goes on until its future is dropped.
pub type Finding = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Which torrents a [`Discovery`] is told of (BEP 27).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[non_exhaustive]
pub enum Reach {
    /// Those that are known to be public.
    #[default]
    Public,
    /// Magnet links with trackers as well, whose metainfo is not known: it may turn out private, and then it was spoken of.
    Unknown,
    /// All, private ones too: it is run by who runs the private torrent's swarm, as its tracker is.
    Private,
}

/// Finds peers by means of your own: a service, a database, a network the client does not know. What
/// [`ClientBuilder::discovery`](crate::ClientBuilder::discovery) takes.
///
/// # Start and stop
/// [`Discovery::run`] is called when a torrent begins to take part in its swarm, and its future runs on the thread for
/// embedders' code, inside a tokio runtime. It is dropped, at its next await, when the torrent pauses, fails, goes, turns
/// out private beyond its [`Reach`], or the client closes; and `run` is called anew when it goes on. A future that ends
/// has found all it can; one that panics is logged. Neither is begun again before the torrent is.
pub trait Discovery: Send + Sync + 'static {
    /// What its peers are counted under in snapshots and reports: 1 to 32 of `a-z`, `0-9`, `-`, `_` and `.`, and none of
    /// the client's own ([`PeerSource::name`]).
    fn name(&self) -> &'static str;

    /// Which torrents it is told of. Default: those that are known to be public.
    fn reach(&self) -> Reach {
        Reach::Public
    }

    /// Looks for peers of a torrent, and gives them to `feed`.
    fn run(&self, torrent: InfoHashes, feed: PeerFeed) -> Finding;
}

/// Where a [`Discovery`] gives what it finds for one torrent. Clones are the same; it may be taken to other threads.
#[derive(Clone, Debug)]
pub struct PeerFeed {
    to: mpsc::Sender<Found>,
    entry: Weak<Entry>,
    source: PeerSource,
    open: Arc<AtomicBool>,
}

impl PeerFeed {
    /// Gives addresses; those that are blocked, known or have no port are left out. Waits while the client is busy.
    /// False where the search is over. Cancel safe: all are taken or none.
    pub async fn add(&self, peers: impl IntoIterator<Item = SocketAddr>) -> bool {
        let found = self.found(peers);
        self.is_open() && self.to.send(found).await.is_ok()
    }

    /// The same from a thread without a runtime, without waiting. False also where the client is busy.
    pub fn try_add(&self, peers: impl IntoIterator<Item = SocketAddr>) -> bool {
        let found = self.found(peers);
        self.is_open() && self.to.try_send(found).is_ok()
    }

    /// Whether peers are still looked for.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn found(&self, peers: impl IntoIterator<Item = SocketAddr>) -> Found {
        let (entry, source) = (self.entry.clone(), self.source);
        Found { entry, source, open: self.open.clone(), addrs: peers.into_iter().collect() }
    }
}

/// Addresses on their way to a torrent.
#[derive(Debug)]
pub(crate) struct Found {
    entry: Weak<Entry>,
    pub(crate) source: PeerSource,
    open: Arc<AtomicBool>,
    pub(crate) addrs: Vec<SocketAddr>,
}

impl Found {
    /// The torrent, if its peers are still looked for.
    pub(crate) fn torrent(&self) -> Option<Arc<Entry>> {
        self.entry.upgrade().filter(|_| self.open.load(Ordering::Acquire))
    }
}

/// A search under way. It ends when this is dropped.
struct Search {
    open: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Drop for Search {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Release);
        self.task.abort();
    }
}

/// A discovery, and what it said of itself when the client was built.
struct Known {
    discovery: Arc<dyn Discovery>,
    source: PeerSource,
    reach: Reach,
}

/// The discoveries of one client, and what they are at.
pub(crate) struct Discoveries {
    all: Vec<Known>,
    runtime: Option<Handle>,
    to: mpsc::Sender<Found>,
    searches: Mutex<BTreeMap<(TorrentId, usize), Search>>,
}

impl fmt::Debug for Discoveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discoveries").field("all", &self.all.len()).finish_non_exhaustive()
    }
}

impl Discoveries {
    /// None is at work yet. What they find comes out of the receiver.
    pub(crate) fn new(
        all: &[Arc<dyn Discovery>],
        guests: Option<&Guests>,
    ) -> (Discoveries, mpsc::Receiver<Found>) {
        let (to, found) = mpsc::channel(QUEUE);
        let runtime = guests.map(|guests| guests.tasks.handle());
        let known = |discovery: &Arc<dyn Discovery>| {
            let (name, reach) = (discovery.name(), discovery.reach());
            let source = PeerSource::Custom { name, private: reach == Reach::Private };
            Known { discovery: discovery.clone(), source, reach }
        };
        (Discoveries { all: all.iter().map(known).collect(), runtime, to, searches: Mutex::default() }, found)
    }

    /// A torrent takes part in its swarm, or is known better than it was: those that may are told of it, others are
    /// stopped.
    pub(crate) fn enter(&self, entry: &Arc<Entry>) {
        let needed = entry.reach();
        let mut searches = self.searches.lock().unwrap_or_else(|e| e.into_inner());
        for (number, discovery) in self.all.iter().enumerate() {
            let at = (entry.id, number);
            if discovery.reach < needed {
                searches.remove(&at);
            } else if !searches.contains_key(&at) {
                searches.extend(self.search(discovery, entry).map(|search| (at, search)));
            }
        }
    }

    /// A torrent takes part no more.
    pub(crate) fn leave(&self, entry: &Entry) {
        let mut searches = self.searches.lock().unwrap_or_else(|e| e.into_inner());
        searches.retain(|(torrent, _), _| *torrent != entry.id);
    }

    fn search(&self, known: &Known, entry: &Arc<Entry>) -> Option<Search> {
        let runtime = self.runtime.as_ref()?;
        let open = Arc::new(AtomicBool::new(true));
        let source = known.source;
        let feed = PeerFeed { to: self.to.clone(), entry: Arc::downgrade(entry), source, open: open.clone() };
        let (discovery, torrent) = (known.discovery.clone(), entry.hashes);
        let task = runtime.spawn(async move { discovery.run(torrent, feed).await });
        let abort = task.abort_handle();
        runtime.spawn(async move {
            // One that was stopped is no panic.
            if let Some(panic) = task.await.err().and_then(|error| error.try_into_panic().ok()) {
                tracing::error!(
                    name = source.name(),
                    message = panic_message(&*panic),
                    "a discovery panicked"
                );
            }
        });
        Some(Search { open, task: abort })
    }
}

/// Whether a discovery may be called so.
pub(crate) fn is_good_name(name: &str) -> bool {
    use PeerSource as S;
    let ours = [S::Manual, S::Magnet, S::Tracker, S::Local, S::Pex, S::Dht, S::Incoming, S::Resume];
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c);
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && ours.iter().all(|own| own.name() != name)
}
