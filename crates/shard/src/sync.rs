//! Which stored pieces are on the disk for good.

use std::time::Duration;

use types::{PieceIndex, Time};

use crate::{DiskOp, StoredPiece};

/// How long a stored piece may wait for its sync.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How long the next sync waits after one that failed; each failure in a row doubles it, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LAST_RETRY: Duration = Duration::from_secs(160);
/// How many stored pieces may wait for their sync.
const MAX_PIECES: usize = 256;

/// A stored piece that a later sync has put on the disk for good. Built from a [`StoredPiece`] when the sync
/// returns.
#[derive(PartialEq, Eq, Debug)]
pub struct DurablePiece(PieceIndex);

impl DurablePiece {
    /// Which piece.
    pub fn index(&self) -> PieceIndex {
        self.0
    }
}

/// Stored pieces on their way to being durable. One sync is under way at a time; it covers what was stored
/// before it.
#[derive(Debug)]
pub(crate) struct Durability {
    stored: Vec<StoredPiece>,
    syncing: Vec<StoredPiece>,
    /// A sync is under way.
    out: bool,
    due: Time,
    /// No sync before, as the last one failed.
    not_before: Time,
    backoff: Duration,
}

impl Durability {
    pub(crate) fn new() -> Durability {
        Durability {
            stored: Vec::new(),
            syncing: Vec::new(),
            out: false,
            due: Time::NEVER,
            not_before: Time::ZERO,
            backoff: FIRST_RETRY,
        }
    }

    /// A piece is stored.
    pub(crate) fn add(&mut self, now: Time, piece: StoredPiece) {
        self.stored.push(piece);
        let latest = if self.stored.len() >= MAX_PIECES { now } else { now + MAX_WAIT };
        self.due = self.due.min(latest);
    }

    /// Syncs as soon as possible what is stored now. False where there is nothing to sync and nothing under
    /// way.
    pub(crate) fn hurry(&mut self, now: Time) -> bool {
        if !self.stored.is_empty() {
            (self.due, self.not_before) = (now, Time::ZERO);
        }
        !self.is_idle()
    }

    /// Whether all that is stored is durable.
    pub(crate) fn is_idle(&self) -> bool {
        self.stored.is_empty() && !self.out
    }

    /// When [`Durability::next`] has work.
    pub(crate) fn deadline(&self) -> Time {
        if self.out || self.stored.is_empty() { Time::NEVER } else { self.due.max(self.not_before) }
    }

    /// The sync that is due.
    pub(crate) fn next(&mut self, now: Time) -> Option<DiskOp> {
        if !self.deadline().is_due(now) {
            return None;
        }
        self.due = Time::NEVER;
        self.out = true;
        self.syncing = std::mem::take(&mut self.stored);
        Some(DiskOp::Sync { pieces: self.syncing.iter().map(StoredPiece::index).collect() })
    }

    /// The sync has failed. Answers all pieces that are stored and not durable: a later sync may succeed
    /// although what was written before this one is lost, so that they have to be stored anew.
    pub(crate) fn failed(&mut self, now: Time) -> Vec<PieceIndex> {
        let pieces = self.pending().collect();
        let (not_before, backoff) = (now + self.backoff, (self.backoff * 2).min(LAST_RETRY));
        *self = Durability { not_before, backoff, ..Durability::new() };
        pieces
    }

    /// Forgets stored pieces that do not count any more.
    pub(crate) fn retain(&mut self, has: impl Fn(PieceIndex) -> bool) {
        self.stored.retain(|piece| has(piece.index()));
        self.syncing.retain(|piece| has(piece.index()));
    }

    /// The sync has returned.
    pub(crate) fn synced(&mut self) -> Vec<DurablePiece> {
        (self.out, self.backoff) = (false, FIRST_RETRY);
        self.syncing.drain(..).map(|piece| DurablePiece(piece.index())).collect()
    }

    /// Pieces that are stored and not durable yet.
    pub(crate) fn pending(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.stored.iter().chain(&self.syncing).map(StoredPiece::index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::stored_for_test as stored;

    fn named(pieces: Vec<DurablePiece>) -> Vec<u32> {
        pieces.iter().map(|piece| piece.index().0).collect()
    }

    #[test]
    fn a_sync_covers_what_was_stored_before_it() {
        let (mut durability, now) = (Durability::new(), Time::from_secs(1));
        durability.add(now, stored(1));
        assert!(durability.next(now).is_none() && durability.hurry(now));
        assert!(matches!(durability.next(now), Some(DiskOp::Sync { .. })));
        durability.add(now, stored(2));
        durability.retain(|piece| piece.0 != 1);
        assert!(durability.hurry(now) && durability.next(now).is_none(), "one sync at a time");
        assert_eq!(named(durability.synced()), [] as [u32; 0], "piece 1 was found to be gone");
        assert!(durability.next(now).is_some());
        assert_eq!((named(durability.synced()), durability.is_idle()), (vec![2], true));
    }

    #[test]
    fn a_failed_sync_claims_nothing_and_is_not_repeated() {
        let (mut durability, now) = (Durability::new(), Time::from_secs(1));
        durability.add(now, stored(1));
        durability.hurry(now);
        durability.next(now);
        durability.add(now, stored(2));
        assert_eq!(durability.failed(now), [PieceIndex(2), PieceIndex(1)]);
        assert!(durability.is_idle() && durability.deadline() == Time::NEVER);
        // Stored anew they are synced, but not at once: a disk that fails every sync would be busy with
        // nothing else.
        durability.add(now, stored(1));
        assert_eq!(durability.deadline(), now + FIRST_RETRY);
    }
}
