//! Stored pieces that are to be read again, because a block could not be read or a sync failed.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use types::{PieceIndex, Time};

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// How a piece is read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reread {
    /// It is hashed.
    Hash,
    /// It is hashed and written again: a failed sync may have dropped what a read still finds in memory.
    Rewrite,
}

/// Pieces that wait to be read again: one after the other while that goes well, with growing waits while it
/// does not. A disk that is gone costs one read now and then, however many pieces wait for it.
#[derive(Debug)]
pub(crate) struct Rereads {
    waiting: BTreeMap<PieceIndex, Reread>,
    /// The piece that is being read.
    current: Option<PieceIndex>,
    /// The piece that was read last: the next one after it has its turn.
    last: PieceIndex,
    at: Time,
    backoff: Duration,
}

impl Rereads {
    pub(crate) fn new() -> Rereads {
        Rereads {
            waiting: BTreeMap::new(),
            current: None,
            last: PieceIndex(0),
            at: Time::NEVER,
            backoff: FIRST_RETRY,
        }
    }

    /// A piece is to be read again as soon as may be.
    pub(crate) fn add(&mut self, now: Time, piece: PieceIndex, how: Reread) {
        self.insert(piece, how);
        self.at = self.at.min(now);
    }

    /// A block of the piece can't be read: it waits. False where that was known before.
    pub(crate) fn failed(&mut self, now: Time, piece: PieceIndex) -> bool {
        let is_new = self.insert(piece, Reread::Hash);
        if self.current == Some(piece) {
            self.current = None;
            (self.at, self.backoff) = (now + self.backoff, (self.backoff * 2).min(LAST_RETRY));
            return false;
        }
        if self.at == Time::NEVER {
            self.at = now + self.backoff;
        }
        is_new
    }

    fn insert(&mut self, piece: PieceIndex, how: Reread) -> bool {
        let before = self.waiting.get(&piece).copied();
        let how = if before == Some(Reread::Rewrite) { Reread::Rewrite } else { how };
        self.waiting.insert(piece, how);
        before.is_none()
    }

    /// A sync failed: what waits to be read may be found in memory and still be lost, so that it is written
    /// again too.
    pub(crate) fn distrust(&mut self) {
        self.waiting.values_mut().for_each(|how| *how = Reread::Rewrite);
    }

    /// Whether the piece waits for its turn.
    pub(crate) fn is_waiting(&self, piece: PieceIndex) -> bool {
        self.waiting.contains_key(&piece)
    }

    /// The pieces that wait for their turn.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.waiting.keys().copied()
    }

    /// The piece to read now.
    pub(crate) fn next(&mut self, now: Time) -> Option<(PieceIndex, Reread)> {
        if !self.deadline().is_due(now) {
            return None;
        }
        let after = self.waiting.range((Excluded(self.last), Unbounded)).next();
        let (piece, how) = after.or_else(|| self.waiting.first_key_value()).map(|(p, how)| (*p, *how))?;
        self.waiting.remove(&piece);
        (self.current, self.last, self.at) = (Some(piece), piece, Time::NEVER);
        Some((piece, how))
    }

    /// The piece that is being read.
    pub(crate) fn current(&self) -> Option<PieceIndex> {
        self.current
    }

    /// The piece was read: the next has its turn.
    pub(crate) fn done(&mut self, now: Time) {
        (self.current, self.backoff) = (None, FIRST_RETRY);
        self.at = if self.waiting.is_empty() { Time::NEVER } else { now };
    }

    /// When [`Rereads::next`] has a piece.
    pub(crate) fn deadline(&self) -> Time {
        if self.current.is_some() || self.waiting.is_empty() { Time::NEVER } else { self.at }
    }

    /// Tries again now.
    pub(crate) fn retry(&mut self, now: Time) {
        self.at = now;
    }

    /// Forgets everything: a recheck knows better.
    pub(crate) fn clear(&mut self) {
        *self = Rereads::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_turns_and_failures_cost_waits() {
        let (mut rereads, mut now) = (Rereads::new(), Time::from_secs(1));
        [3, 5, 9].into_iter().for_each(|n| assert!(rereads.failed(now, PieceIndex(n))));
        assert!(!rereads.failed(now, PieceIndex(5)));
        let mut turns = Vec::new();
        for _ in 0..4 {
            assert_eq!(rereads.next(now), None);
            now = rereads.deadline();
            let (piece, _) = rereads.next(now).unwrap();
            turns.push(piece.0);
            assert_eq!(rereads.deadline(), Time::NEVER, "one at a time");
            assert!(!rereads.failed(now, piece), "that is known");
        }
        assert_eq!(turns, [3, 5, 9, 3]);
        assert_eq!(now, Time::from_secs(1 + 5 + 5 + 10 + 15));
        rereads.add(now, PieceIndex(5), Reread::Rewrite);
        assert_eq!(rereads.next(now), Some((PieceIndex(5), Reread::Rewrite)), "a doubt is settled at once");
        rereads.done(now);
        assert_eq!(rereads.next(now), Some((PieceIndex(9), Reread::Hash)), "after a success at once");
        rereads.done(now);
        assert!(rereads.next(now).is_some());
        rereads.done(now);
        assert_eq!((rereads.deadline(), rereads.waiting().count()), (Time::NEVER, 0));
    }

    #[test]
    fn after_a_failed_sync_what_waits_is_written_again_too() {
        let (mut rereads, now) = (Rereads::new(), Time::from_secs(1));
        rereads.add(now, PieceIndex(3), Reread::Hash);
        rereads.distrust();
        assert_eq!(rereads.next(now), Some((PieceIndex(3), Reread::Rewrite)));
    }
}
