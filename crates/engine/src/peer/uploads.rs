//! What one peer asks of us.

use std::collections::VecDeque;

use types::{BlockRef, PieceIndex, Time, limits};

use crate::{Fault, Speed};

/// Requests of one peer, and its slot.
#[derive(Debug)]
pub(crate) struct Uploads {
    waiting: VecDeque<BlockRef>,
    /// Handed to the data path and not sent yet.
    leaving: u32,
    choked: bool,
    /// When it was last choked or unchoked.
    pub(crate) since: Time,
    /// Payload bytes sent since then.
    pub(crate) served: u64,
    /// Payload bytes sent in all, from the level on at which it began to ask: what a fair share is measured by.
    pub(crate) level: u64,
    pub(crate) speed: Speed,
    /// Requests taken while it is choked, or beyond its queue.
    excess: u32,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// It waits for its turn.
    Queued,
    /// It is refused (BEP 6, reject), or dropped in silence without the fast extension.
    Refused,
}

impl Uploads {
    pub(crate) fn new(now: Time) -> Uploads {
        Uploads {
            waiting: VecDeque::new(),
            leaving: 0,
            choked: true,
            since: now,
            served: 0,
            level: 0,
            speed: Speed::new(now),
            excess: 0,
        }
    }

    pub(crate) fn is_choked(&self) -> bool {
        self.choked
    }

    /// Blocks it waits for.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.leaving as usize
    }

    /// A request has come. Without end they are a flood: of a peer that is choked its whole queue may have crossed our
    /// choke; of one that said that it wants nothing, not so many. `free` is what needs no slot.
    pub(crate) fn ask(
        &mut self,
        block: BlockRef,
        limit: usize,
        interested: bool,
        free: bool,
    ) -> Result<Asked, Fault> {
        if self.choked && !free {
            self.excess += 1;
            let most = if interested {
                limit.max(limits::CHOKED_REQUESTS as usize)
            } else {
                limits::CHOKED_REQUESTS as usize
            };
            return if self.excess as usize > most { Err(Fault::RequestFlood) } else { Ok(Asked::Refused) };
        }
        if self.waiting.contains(&block) {
            return Ok(Asked::Queued);
        }
        if self.waiting.len() >= limit {
            // Twice our `reqq` is no misunderstanding any more.
            self.excess += 1;
            return if self.excess as usize > limit { Err(Fault::RequestFlood) } else { Ok(Asked::Refused) };
        }
        self.waiting.push_back(block);
        Ok(Asked::Queued)
    }

    /// The peer does not want the block any more. Whether it had not left for the data path yet.
    pub(crate) fn cancel(&mut self, block: BlockRef) -> bool {
        let place = self.waiting.iter().position(|b| *b == block);
        place.is_some_and(|i| self.waiting.remove(i).is_some())
    }

    /// Takes out what waits of pieces that are not there any more.
    pub(crate) fn withdraw(&mut self, has: impl Fn(PieceIndex) -> bool) -> Vec<BlockRef> {
        let (keep, gone): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|block| has(block.piece));
        self.waiting = keep.into();
        gone
    }

    /// The next block for the data path, while it holds fewer than `ahead`.
    pub(crate) fn next(&mut self, ahead: u32) -> Option<BlockRef> {
        if self.leaving >= ahead {
            return None;
        }
        let block = self.waiting.pop_front()?;
        self.leaving += 1;
        Some(block)
    }

    /// A block left through the socket.
    pub(crate) fn sent(&mut self, now: Time, bytes: u64) {
        self.leaving = self.leaving.saturating_sub(1);
        self.served += bytes;
        self.level += bytes;
        self.speed.add(now, bytes);
    }

    /// A block could not be read and was not sent.
    pub(crate) fn unreadable(&mut self) {
        self.leaving = self.leaving.saturating_sub(1);
    }

    /// Gives the slot.
    pub(crate) fn unchoke(&mut self, now: Time) {
        (self.choked, self.since, self.served, self.excess) = (false, now, 0, 0);
    }

    /// Takes the slot. Returns what waited, apart from what needs no slot; what is leaving still leaves.
    pub(crate) fn choke(&mut self, now: Time, free: impl Fn(PieceIndex) -> bool) -> Vec<BlockRef> {
        (self.choked, self.since, self.served, self.excess) = (true, now, 0, 0);
        self.withdraw(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(n: u32) -> BlockRef {
        BlockRef { piece: PieceIndex(n), begin: 0, len: 1 }
    }

    #[test]
    fn a_choked_peer_is_refused_and_then_a_flood() {
        let mut up = Uploads::new(Time::ZERO);
        for n in 0..limits::CHOKED_REQUESTS {
            assert_eq!(up.ask(block(n), 10, false, false), Ok(Asked::Refused));
        }
        assert_eq!(up.ask(block(0), 10, false, false), Err(Fault::RequestFlood));
    }

    #[test]
    fn a_queue_that_crossed_our_choke_is_no_flood_and_what_needs_no_slot_is_queued() {
        let mut up = Uploads::new(Time::ZERO);
        assert!((0..2_000).all(|n| up.ask(block(n), 2_000, true, false) == Ok(Asked::Refused)));
        assert_eq!(up.ask(block(0), 2_000, true, false), Err(Fault::RequestFlood));
        let mut up = Uploads::new(Time::ZERO);
        assert_eq!(up.ask(block(7), 2_000, false, true), Ok(Asked::Queued));
        assert_eq!(up.next(2), Some(block(7)));
        up.unchoke(Time::ZERO);
        (0..4).for_each(|n| _ = up.ask(block(n), 10, true, false));
        assert_eq!(up.choke(Time::ZERO, |piece| piece.0 == 2), [block(0), block(1), block(3)]);
        assert_eq!(up.next(9), Some(block(2)));
    }

    #[test]
    fn requests_leave_in_order_and_within_bounds() {
        let mut up = Uploads::new(Time::ZERO);
        up.unchoke(Time::ZERO);
        (0..4).for_each(|n| {
            assert_eq!(
                up.ask(block(n), 3, true, false),
                Ok(if n < 3 { Asked::Queued } else { Asked::Refused })
            )
        });
        assert_eq!(up.ask(block(1), 3, true, false), Ok(Asked::Queued), "asked twice is queued once");
        assert_eq!((up.next(2), up.next(2), up.next(2)), (Some(block(0)), Some(block(1)), None));
        assert!(!up.cancel(block(0)) && up.cancel(block(2)));
        up.sent(Time::ZERO, 1);
        assert_eq!((up.len(), up.choke(Time::ZERO, |_| false)), (1, vec![]));
    }
}
