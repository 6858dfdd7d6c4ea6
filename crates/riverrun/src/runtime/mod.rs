//! One operating-system thread for each shard: the poll loop that gives a [`shard::Shard`] its sockets, its
//! disk and its clock.
//!
//! # When the engine panics
//! Every call into a shard runs under `catch_unwind`. What a panic leaves behind can't be trusted, so the
//! whole shard is thrown away: its sockets close, the disk work under way is waited for, and a new shard
//! begins without torrents. The shard notes whose work it does, whatever the call, so the control plane is
//! told whose fault it was ([`FromShard::Broke`]): that torrent fails, the others are given to the new shard
//! as they are known there. Where the work was nobody's (sockets, buffers, the lanes that hash for all) all
//! of them come back once; the second time within [`PANIC_WINDOW`] the shard's torrents all fail, since a
//! loop of panics would help nobody. The client and its other shards never notice.

mod blocklist;
mod cell;
mod clock;
mod connections;
mod dials;
mod disk_work;
mod driver;
mod in_place;
mod listeners;
mod room;
mod traffic;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use engine::{ConnId, Figures, KnownPeer, PeerSnapshot, Session, Snapshot, TorrentId, Usage};
use net::tcp::{DialOptions, Listener, Stream};
use tokio::sync::{mpsc, oneshot};
use types::{Bitfield, PieceIndex, Rng};

pub(crate) use blocklist::Blocklist;
pub(crate) use cell::panic_message;
pub(crate) use clock::Clock;
use driver::Driver;
pub(crate) use room::{Room, Ticket};

use crate::disk::Disk;
use crate::transport::{DialBudget, OwnDialer, PeerStream};

/// Two panics without a known culprit within this time end the shard's torrents.
const PANIC_WINDOW: Duration = Duration::from_secs(60);

/// Most connections that wait to be taken in by one shard. Beyond it they are closed: who connects can fill the
/// queue quicker than a busy shard empties it.
const MOST_ADOPTED: usize = 256;
/// Most news of peers that wait for the control plane, from all shards. Beyond it they are not told: nothing but
/// what users see depends on them, and users who read too slowly miss some as well.
pub(crate) const MOST_GOSSIP: usize = 4096;

/// What a shard thread is told.
pub(crate) enum ToShard {
    /// For the shard.
    Command(shard::Command),
    /// A connection that another shard handed off, with what it had read.
    Adopt { stream: Box<dyn Stream>, bytes: Vec<u8>, place: Ticket },
    /// The embedder's dialer has ended the dial of this number.
    Dialed { conn: ConnId, number: u64, result: io::Result<PeerStream> },
    /// A connection that the embedder has accepted.
    Accepted { stream: Box<dyn Stream>, place: Ticket },
    /// Something to be answered.
    Ask(Question),
    /// The control plane has heard that the shard broke: what it says from here on is for the next one.
    Renew,
    /// The blocklist has changed.
    Blocklist,
    /// Accept nothing from now on.
    StopListening,
    /// End the thread. Connections close; disk work under way is not waited for.
    Stop,
    /// Panics while it does nobody's work.
    #[cfg(test)]
    Panic,
    /// Lets a torrent's code panic.
    #[cfg(test)]
    Trap(TorrentId, shard::Trap),
    /// Stands still until the other end of this is dropped.
    #[cfg(test)]
    StandStill(std::sync::mpsc::Receiver<()>),
}

/// Something a shard thread answers. The answer is lost where the shard is gone.
pub(crate) enum Question {
    /// What was used since the last such question.
    Usage(oneshot::Sender<Usage>),
    /// The same of each torrent with limits of its own.
    UsageByTorrent(oneshot::Sender<BTreeMap<TorrentId, Usage>>),
    /// The last answer to [`Question::Usage`].
    Rates(oneshot::Sender<Usage>),
    /// The figures of those torrents that did something since the last such question.
    Figures(oneshot::Sender<Vec<(TorrentId, Figures)>>),
    Snapshot(TorrentId, oneshot::Sender<Option<Snapshot>>),
    Peers(TorrentId, oneshot::Sender<Vec<PeerSnapshot>>),
    /// At most so many addresses of its swarm.
    Known(TorrentId, usize, oneshot::Sender<Vec<KnownPeer>>),
    /// What is to be saved of these torrents.
    ToKeep(Vec<TorrentId>, oneshot::Sender<BTreeMap<TorrentId, ToKeep>>),
    /// Answered when no disk work is under way, of this torrent or of all.
    Quiet(Option<TorrentId>, oneshot::Sender<()>),
}

/// What a shard knows of a torrent that is to be saved.
#[derive(Debug, Default)]
pub(crate) struct ToKeep {
    /// Payload bytes received and sent; none where the torrent is not there.
    pub(crate) moved: Option<(u64, u64)>,
    /// Blocks that lie on the disk unhashed.
    pub(crate) unhashed: Vec<(PieceIndex, Bitfield)>,
    /// Addresses that are worth another try, as many as are kept.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// What a shard thread tells.
#[derive(Debug)]
pub(crate) enum FromShard {
    /// Something happened in a torrent. News that peers can make at will come with their place in the queue.
    Event(TorrentId, shard::Event, Option<Ticket>),
    /// A panic ended this shard, and a new one begins without torrents.
    Broke { shard: usize, culprit: Culprit, message: String },
    /// This shard's thread is gone, with everything on it.
    Ended(usize, String),
    /// A read at this payload byte found that data which was verified is gone.
    DataLost(TorrentId, u64, storage::StorageError),
    /// Answered when everything that was told before has been dealt with.
    Barrier(oneshot::Sender<()>),
}

/// Who pays for a panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Culprit {
    /// The torrent whose work was being done.
    Torrent(TorrentId),
    /// Nobody: the work was for all of them.
    Unknown,
    /// All of the shard's torrents, since it happened before and not long ago.
    Everyone,
}

/// What the shard threads of one client share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    /// Which torrent lives where. Never locked on the way of a block.
    pub(crate) session: Mutex<Session>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) blocklist: Blocklist,
    pub(crate) dial: DialOptions,
    /// Opens connections in place of our own TCP.
    pub(crate) dialer: Option<OwnDialer>,
    /// How many connections may be half-open.
    pub(crate) budget: DialBudget,
    /// How long a dialed address may take to answer.
    pub(crate) dial_timeout: Duration,
    /// The port that is listened on.
    pub(crate) listen_port: Option<u16>,
    /// Room for news of peers on the way to the control plane.
    pub(crate) gossip: Room,
}

/// The way to one shard thread.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    to: Sender<ToShard>,
    /// Room for connections that are handed to it.
    adopted: Room,
    waker: Arc<mio::Waker>,
    /// It was woken and has not looked at its queue since.
    woken: Arc<AtomicBool>,
}

impl ShardHandle {
    /// Tells the shard something. False where it has ended.
    pub(crate) fn tell(&self, what: ToShard) -> bool {
        let sent = self.to.send(what).is_ok();
        // A poller that can't be woken looks at its queue at its next deadline.
        if !self.woken.swap(true, Ordering::SeqCst) {
            let _ = self.waker.wake();
        }
        sent
    }

    /// Tells the shard something about a torrent.
    pub(crate) fn command(&self, command: shard::Command) -> bool {
        self.tell(ToShard::Command(command))
    }

    /// Hands a connection to the shard; closes it where too many wait there.
    fn adopt(&self, stream: Box<dyn Stream>, bytes: Vec<u8>) {
        match self.adopted.enter() {
            Some(place) => drop(self.tell(ToShard::Adopt { stream, bytes, place })),
            None => tracing::warn!(closed = self.adopted.refused(), "a shard can't keep up with connections"),
        }
    }

    /// Gives the shard a connection that the embedder has accepted; closes it where too many wait there.
    pub(crate) fn accepted(&self, stream: Box<dyn Stream>) {
        match self.adopted.enter() {
            Some(place) => drop(self.tell(ToShard::Accepted { stream, place })),
            None => tracing::warn!(closed = self.adopted.refused(), "a shard can't keep up with connections"),
        }
    }

    /// Asks and waits. `None` where the shard has ended. Cancel safe.
    pub(crate) async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (tx, rx) = oneshot::channel();
        self.tell(ToShard::Ask(question(tx)));
        rx.await.ok()
    }
}

/// What a new shard thread begins with.
pub(crate) struct Start {
    pub(crate) index: usize,
    pub(crate) config: shard::Config,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) rng: Rng,
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: mpsc::UnboundedSender<FromShard>,
}

/// A shard that is to be: its channel exists before its thread, so that all shards can know each other.
pub(crate) struct PreparedShard {
    poll: mio::Poll,
    from: crossbeam_channel::Receiver<ToShard>,
    handle: ShardHandle,
}

impl PreparedShard {
    /// A place for one shard.
    ///
    /// # Errors
    /// The system has no poller left.
    pub(crate) fn new() -> io::Result<PreparedShard> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), connections::WAKER)?);
        let (to, from) = crossbeam_channel::unbounded();
        let (adopted, woken) = (Room::new(MOST_ADOPTED), Arc::default());
        Ok(PreparedShard { poll, from, handle: ShardHandle { to, adopted, waker, woken } })
    }

    /// How it is reached.
    pub(crate) fn handle(&self) -> ShardHandle {
        self.handle.clone()
    }

    /// Starts its thread.
    ///
    /// # Errors
    /// No thread can be started, or a listener can't be polled.
    pub(crate) fn start(self, start: Start, others: Vec<ShardHandle>) -> io::Result<thread::JoinHandle<()>> {
        let name = format!("riverrun-shard-{}", start.index);
        let (index, events) = (start.index, start.events.clone());
        let driver = Driver::new(self, start, others)?;
        let body = move || {
            let run = std::panic::catch_unwind(AssertUnwindSafe(|| driver.run()));
            let message = match run {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("its poller failed: {error}"),
                Err(panic) => panic_message(&*panic),
            };
            // Fails only when the client is gone.
            let _ = events.send(FromShard::Ended(index, message));
        };
        thread::Builder::new().name(name).spawn(body)
    }
}

#[cfg(test)]
mod tests;
