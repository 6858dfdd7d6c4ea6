//! The handle of a piece, what pieces are like, and how that changes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use types::PieceIndex;

use crate::control;
use crate::entry::{Entry, State};
use crate::inner::Inner;
use crate::{Error, EventKind, Events, Priority};

/// What a piece is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PieceState {
    /// It is verified and stored.
    pub complete: bool,
    /// How much it is wanted: the most of what it has itself and of what the files have that share it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "number"))]
    pub priority: Priority,
    /// A reader waits for it or reads towards it.
    pub demanded: bool,
}

#[cfg(feature = "serde")]
fn number<S: serde::Serializer>(priority: &Priority, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u8(priority.get())
}

impl PieceState {
    pub(crate) fn of(entry: &Entry, state: &State, piece: u32) -> PieceState {
        PieceState {
            complete: state.pieces.has(piece),
            priority: state.wants.piece(entry.info(), piece),
            demanded: state.is_demanded(PieceIndex(piece)),
        }
    }
}

/// Pieces one after the other that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PieceRun {
    /// The pieces.
    pub pieces: Range<u32>,
    /// What each of them is like.
    pub state: PieceState,
}

/// A piece as far as it belongs to a file.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FilePiece {
    /// The piece.
    pub piece: PieceIndex,
    /// Which bytes of the file lie in it.
    pub bytes: Range<u64>,
    /// What it is like.
    pub state: PieceState,
}

/// A piece of a torrent.
#[derive(Clone)]
pub struct Piece {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    index: PieceIndex,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("torrent", &self.entry.hashes).field("index", &self.index).finish()
    }
}

impl Piece {
    /// `index` is one of the torrent's.
    pub(crate) fn new(inner: Arc<Inner>, entry: Arc<Entry>, index: PieceIndex) -> Piece {
        Piece { inner, entry, index }
    }

    /// Its number, from 0.
    pub fn index(&self) -> PieceIndex {
        self.index
    }

    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a piece is no collection")]
    pub fn len(&self) -> u32 {
        self.entry.info().geometry().piece_len(self.index)
    }

    /// What it is like now.
    pub fn state(&self) -> PieceState {
        PieceState::of(&self.entry, &self.entry.state(), self.index.0)
    }

    /// How much it is wanted for itself, whatever its files are. [`Priority::NONE`] leaves it to them; so it
    /// begins.
    ///
    /// Not kept over restarts.
    ///
    /// # Errors
    /// The torrent failed or was removed, or the client is closed.
    pub fn set_priority(&self, priority: Priority) -> Result<(), Error> {
        control::prioritize(&self.inner, &self.entry, self.index.0..self.index.0 + 1, priority)
    }
}

/// What happened to a piece.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PieceChange {
    /// It was verified and stored, failed its hash (when it came, or in a check) and is fetched again, or can't be read
    /// for now.
    Changed {
        /// Which.
        piece: PieceIndex,
        /// What it is like now: later changes may be in it already.
        state: PieceState,
    },
    /// The listener was too slow, and so many events of the torrent were dropped for it: look at all pieces.
    Lagged {
        /// How many, those that are not about pieces included.
        missed: u64,
    },
}

/// A listener's own line of changes, from [`Torrent::subscribe_pieces`](crate::Torrent::subscribe_pieces).
pub struct PieceChanges {
    pub(crate) events: Events,
    pub(crate) entry: Arc<Entry>,
}

impl fmt::Debug for PieceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceChanges").field("torrent", &self.entry.hashes).finish_non_exhaustive()
    }
}

impl PieceChanges {
    /// The next change; none when the torrent was removed or the client is closed. Cancel safe.
    pub async fn recv(&mut self) -> Option<PieceChange> {
        loop {
            match self.events.recv().await?.kind {
                EventKind::PieceCompleted { piece }
                | EventKind::PieceFailed { piece }
                | EventKind::PieceDoubtful { piece, .. } => {
                    let state = PieceState::of(&self.entry, &self.entry.state(), piece.0);
                    return Some(PieceChange::Changed { piece, state });
                }
                EventKind::Lagged { missed } => return Some(PieceChange::Lagged { missed }),
                EventKind::Removed => return None,
                _ => {}
            }
        }
    }
}
