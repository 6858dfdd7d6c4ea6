//! Which stored pieces are on the disk for good.

use std::time::Duration;

use types::{Bitfield, PieceIndex, Time};

use crate::{DiskOp, StoredPiece};

/// How long a stored piece may wait for its sync.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How many stored pieces may.
const MAX_PIECES: usize = 256;

/// A stored piece that a later sync has put on the disk for good. Built from a [`StoredPiece`] when the sync returns.
#[derive(PartialEq, Eq, Debug)]
pub struct DurablePiece(PieceIndex);

impl DurablePiece {
    /// Which piece.
    pub fn index(&self) -> PieceIndex {
        self.0
    }
}

/// Stored pieces on their way to being durable. One sync is under way at a time; it covers what was stored before it.
#[derive(Debug)]
pub(crate) struct Durability {
    stored: Vec<StoredPiece>,
    syncing: Vec<StoredPiece>,
    due: Time,
}

impl Durability {
    pub(crate) fn new() -> Durability {
        Durability { stored: Vec::new(), syncing: Vec::new(), due: Time::NEVER }
    }

    /// A piece is stored.
    pub(crate) fn add(&mut self, now: Time, piece: StoredPiece) {
        self.stored.push(piece);
        let latest = if self.stored.len() >= MAX_PIECES { now } else { now + MAX_WAIT };
        self.due = self.due.min(latest);
    }

    /// Syncs as soon as possible what is stored now. False where there is nothing to sync and nothing under way.
    pub(crate) fn hurry(&mut self, now: Time) -> bool {
        if !self.stored.is_empty() {
            self.due = now;
        }
        !self.is_idle()
    }

    /// Whether all that is stored is durable.
    pub(crate) fn is_idle(&self) -> bool {
        self.stored.is_empty() && self.syncing.is_empty()
    }

    /// When [`Durability::next`] has work.
    pub(crate) fn deadline(&self) -> Time {
        if self.syncing.is_empty() { self.due } else { Time::NEVER }
    }

    /// The sync that is due.
    pub(crate) fn next(&mut self, now: Time) -> Option<DiskOp> {
        if !self.deadline().is_due(now) {
            return None;
        }
        self.due = Time::NEVER;
        self.syncing = std::mem::take(&mut self.stored);
        Some(DiskOp::Sync { pieces: self.syncing.iter().map(StoredPiece::index).collect() })
    }

    /// The sync has returned.
    pub(crate) fn synced(&mut self) -> Vec<DurablePiece> {
        self.syncing.drain(..).map(|piece| DurablePiece(piece.index())).collect()
    }

    /// Pieces that are stored and not durable yet.
    pub(crate) fn pending(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.stored.iter().chain(&self.syncing).map(StoredPiece::index)
    }

    /// A recheck found which pieces are right: the others must be stored again before they can be durable.
    pub(crate) fn keep(&mut self, have: &Bitfield) {
        self.stored.retain(|piece| have.get(piece.index().0));
        self.syncing.retain(|piece| have.get(piece.index().0));
    }

    /// The sync can't be done and the torrent goes.
    pub(crate) fn give_up(&mut self) {
        *self = Durability::new();
    }
}
