//! What happens in a client, as it happens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use types::{InfoHashes, PieceIndex};

use crate::{TorrentState, Trouble};

/// How many events a listener may lag behind.
pub(crate) const BACKLOG: usize = 4_096;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The torrent it happened to; none for what concerns the client or the listener.
    pub torrent: Option<InfoHashes>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The torrent was added.
    Added,
    /// The metainfo of a magnet link has come.
    MetadataReceived,
    /// It does something else now.
    State(TorrentState),
    /// A piece is verified and stored.
    PieceCompleted {
        /// The piece.
        piece: PieceIndex,
    },
    /// A piece can't be read, or a sync of it failed. It is neither served nor claimed until it was read
    /// again and passed its hash; then [`EventKind::PieceCompleted`] says so. The rest of the torrent goes
    /// on.
    PieceDoubtful {
        /// The piece.
        piece: PieceIndex,
        /// What the disk said.
        trouble: Trouble,
    },
    /// A peer's first extended handshake has come, and it understands some of
    /// [`ClientBuilder::extension`](crate::ClientBuilder::extension)'s (BEP 10).
    PeerExtensions {
        /// Its address.
        addr: SocketAddr,
        /// Their names.
        names: Vec<Arc<str>>,
    },
    /// A peer sent a message of an extension of yours (BEP 10). One peer may send 64 KiB a second; who reads events too
    /// slowly misses some.
    ExtensionMessage {
        /// The sender.
        addr: SocketAddr,
        /// The extension.
        name: Arc<str>,
        /// What it sent, at most 64 KiB.
        payload: Arc<[u8]>,
    },
    /// A piece failed its hash, when it came or in a check, and is fetched again.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
    },
    /// Every piece of a file is verified and stored.
    FileCompleted {
        /// Its number, from 0.
        file: u32,
    },
    /// A file has another name.
    FileRenamed {
        /// Its number, from 0.
        file: u32,
        /// Its path now, below the torrent's output directory.
        path: PathBuf,
    },
    /// The torrent's data is being moved: so much of it has arrived. Told a few times a second while it changes.
    Moving {
        /// Bytes at the new place.
        moved: u64,
        /// Bytes that are moved.
        total: u64,
    },
    /// The torrent's data was moved, and the torrent goes on there.
    Moved {
        /// Its output directory now.
        output: PathBuf,
    },
    /// The torrent's data could not be moved, or not all of it. It goes on where it was.
    MoveFailed(Trouble),
    /// Every wanted piece is verified and stored.
    Completed,
    /// A peer joined.
    PeerConnected {
        /// Its address.
        addr: SocketAddr,
    },
    /// A peer left.
    PeerDisconnected {
        /// Its address.
        addr: SocketAddr,
        /// A stable code for why.
        code: &'static str,
        /// Why, in words.
        reason: String,
    },
    /// An address sent corrupt data and is shut out for a while.
    PeerBanned {
        /// Its address.
        addr: SocketAddr,
    },
    /// A peer that the user named is of no use.
    PeerUseless {
        /// Its address.
        addr: SocketAddr,
        /// A stable code for why, as for [`EventKind::PeerDisconnected`].
        code: &'static str,
        /// Why, in words.
        reason: String,
        /// Whether it is tried again, with a growing wait: not one that speaks something else or serves other
        /// torrents.
        retry: bool,
    },
    /// The name of a peer that the user or a magnet link gave could not be looked up.
    PeerNotFound {
        /// The peer, as `HOST:PORT`.
        peer: String,
        /// Why not.
        message: String,
    },
    /// A tracker answered.
    TrackerAnnounced {
        /// Which.
        url: String,
        /// How many peers it named.
        peers: usize,
        /// Peers that have everything, where it says so.
        seeders: Option<u32>,
        /// Peers that have not, where it says so.
        leechers: Option<u32>,
        /// What the user should read.
        warning: Option<String>,
    },
    /// A tracker answered something that can't be meant, as a negative time to wait. Told when it begins.
    TrackerWarning {
        /// Which.
        url: String,
        /// What, and what is done instead.
        message: String,
    },
    /// A tracker did not answer, or said no.
    TrackerFailed {
        /// Which.
        url: String,
        /// Why.
        message: String,
        /// When it is asked again, from now; none for never.
        retry: Option<Duration>,
    },
    /// The disk stopped the download. It is tried again now and then.
    Stalled(Trouble),
    /// The disk works again.
    Recovered,
    /// The torrent failed and rests until it is rechecked or removed.
    Failed(Trouble),
    /// The seed goal is reached and the torrent paused.
    GoalReached,
    /// The torrent was removed.
    Removed,
    /// This listener was too slow: so many events were dropped for it.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// A listener's own line of events, from [`Client::events`](crate::Client::events). One that does not listen
/// loses the oldest and is told how many ([`EventKind::Lagged`]); nobody waits for it.
#[derive(Debug)]
pub struct Events {
    pub(crate) line: broadcast::Receiver<Event>,
    pub(crate) closed: watch::Receiver<bool>,
    pub(crate) only: Option<InfoHashes>,
}

impl Events {
    /// The next event; `None` when the client is closed and nothing is left.
    ///
    /// Cancel safe: an event is taken only by a call that returns it.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            let received = tokio::select! {
                biased;
                received = self.line.recv() => Some(received),
                // An error here means that the client is gone, which is the same.
                _ = self.closed.wait_for(|closed| *closed) => None,
            };
            let Some(received) = received else { return self.try_recv() };
            match self.sort(received) {
                Sorted::Ours(event) => return Some(event),
                Sorted::NotOurs => {}
                Sorted::End => return None,
            }
        }
    }

    /// The next event, blocking this thread for it; `None` when the client is closed and nothing is left. Not
    /// for a thread that runs asynchronous tasks: they would all wait.
    pub fn blocking_recv(&mut self) -> Option<Event> {
        crate::park::block_on(self.recv())
    }

    /// An event that is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        loop {
            let received = match self.line.try_recv() {
                Ok(event) => Ok(event),
                Err(broadcast::error::TryRecvError::Lagged(n)) => Err(broadcast::error::RecvError::Lagged(n)),
                Err(_) => return None,
            };
            match self.sort(received) {
                Sorted::Ours(event) => return Some(event),
                Sorted::NotOurs => {}
                Sorted::End => return None,
            }
        }
    }

    fn sort(&self, received: Result<Event, broadcast::error::RecvError>) -> Sorted {
        match received {
            Ok(event) if self.only.is_none() || event.torrent == self.only => Sorted::Ours(event),
            Ok(_) => Sorted::NotOurs,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Sorted::Ours(Event { torrent: None, kind: EventKind::Lagged { missed } })
            }
            Err(broadcast::error::RecvError::Closed) => Sorted::End,
        }
    }
}

enum Sorted {
    Ours(Event),
    NotOurs,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(n: u32) -> Event {
        Event { torrent: None, kind: EventKind::PieceCompleted { piece: PieceIndex(n) } }
    }

    #[test]
    fn a_slow_listener_loses_the_oldest_and_is_told() {
        let (tx, line) = broadcast::channel(2);
        let closed = watch::Sender::new(false);
        let mut events = Events { line, closed: closed.subscribe(), only: None };
        (0..5).for_each(|n| drop(tx.send(piece(n))));
        drop(tx);
        assert!(matches!(events.blocking_recv().unwrap().kind, EventKind::Lagged { missed: 3 }));
        assert!(matches!(
            events.blocking_recv().unwrap().kind,
            EventKind::PieceCompleted { piece: PieceIndex(3) }
        ));
        assert!(events.try_recv().is_some() && events.try_recv().is_none());
        assert!(events.blocking_recv().is_none());
    }
}
