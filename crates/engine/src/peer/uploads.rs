//! What one peer asks of us.

use std::collections::VecDeque;
use std::time::Duration;

use types::{BlockRef, PieceIndex, Time, limits};

use crate::{Fault, Speed};

/// Requests of one peer, and its slot.
#[derive(Debug)]
pub(crate) struct Uploads {
    waiting: VecDeque<BlockRef>,
    /// Handed to the data path and not sent yet.
    leaving: u32,
    flow: Flow,
    choked: bool,
    /// When it was last choked or unchoked.
    pub(crate) since: Time,
    /// Payload bytes sent since then.
    pub(crate) served: u64,
    /// Payload bytes sent in all, from the level on at which it began to ask: what a fair share is measured
    /// by.
    pub(crate) level: u64,
    pub(crate) speed: Speed,
    /// It has had a slot, so that requests may have crossed our choke.
    had_slot: bool,
    /// Requests taken since it was choked that may have crossed our choke, or beyond its queue.
    excess: u32,
    /// Requests taken while it is choked that nothing explains.
    late: u32,
}

/// How many blocks left lately.
#[derive(Debug)]
struct Flow {
    since: Time,
    /// Since then.
    blocks: u32,
    /// In the span before.
    before: u32,
}

impl Flow {
    const SPAN: Duration = Duration::from_millis(20);

    fn roll(&mut self, now: Time) {
        let passed = now.since(self.since);
        if passed >= Self::SPAN {
            self.before = if passed < 2 * Self::SPAN { self.blocks } else { 0 };
            (self.blocks, self.since) = (0, now);
        }
    }

    /// What left within the last span or so.
    fn lately(&mut self, now: Time) -> u32 {
        self.roll(now);
        self.blocks.max(self.before)
    }
}

/// Most blocks ahead of a socket, however fast they leave: 1 MiB, about as many as leave in one call.
const MOST_AHEAD: u32 = 64;

/// How long a request may take to cross our choke, which waits behind all that was sent before. libtorrent
/// gives two seconds, too few for a slow line.
const CROSSING: Duration = Duration::from_secs(60);

/// Who sends a request, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// The peer has said that it wants something.
    pub(crate) interested: bool,
    /// The block needs no slot (BEP 6).
    pub(crate) free: bool,
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
            flow: Flow { since: now, blocks: 0, before: 0 },
            choked: true,
            since: now,
            served: 0,
            level: 0,
            speed: Speed::new(now),
            had_slot: false,
            excess: 0,
            late: 0,
        }
    }

    pub(crate) fn is_choked(&self) -> bool {
        self.choked
    }

    /// Blocks it waits for.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.leaving as usize
    }

    /// A request has come. Without end they are a flood: of a peer that was choked lately its whole queue may
    /// have crossed our choke; of one that never had a slot, had it long ago, or said that it wants nothing,
    /// not so many. `free` is what needs no slot.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        block: BlockRef,
        limit: usize,
        who: Asking,
    ) -> Result<Asked, Fault> {
        if self.choked && !who.free {
            let crossed = who.interested && self.had_slot && now.since(self.since) < CROSSING;
            let (count, most) = match crossed {
                true => (&mut self.excess, (limit as u32).max(limits::CHOKED_REQUESTS)),
                false => (&mut self.late, limits::CHOKED_REQUESTS),
            };
            *count += 1;
            return if *count > most { Err(Fault::RequestFlood) } else { Ok(Asked::Refused) };
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

    /// How many blocks the data path should hold: `least`, or as many as left lately. What it holds can't be cancelled any
    /// more, so that a slow peer has few; many leave in one call and in full segments.
    pub(crate) fn ahead(&mut self, now: Time, least: u32) -> u32 {
        self.flow.lately(now).min(MOST_AHEAD).max(least)
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
        self.flow.roll(now);
        self.flow.blocks += 1;
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
        (self.had_slot, self.late) = (true, 0);
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
    fn a_fast_peer_has_more_blocks_ahead_of_its_socket_than_a_slow_one() {
        let ms = |n| Time::ZERO + Duration::from_millis(n);
        let mut up = Uploads::new(Time::ZERO);
        assert_eq!(up.ahead(ms(0), 16), 16);
        (0..40).for_each(|_| up.sent(ms(1), 16_384));
        assert_eq!((up.ahead(ms(1), 16), up.ahead(ms(19), 16)), (40, 40));
        assert_eq!(up.ahead(ms(20), 16), 40, "the span before");
        assert_eq!(up.ahead(ms(40), 16), 16, "none left for a whole span");
        (0..400).for_each(|_| up.sent(ms(41), 16_384));
        assert_eq!((up.ahead(ms(41), 16), up.ahead(ms(41), 100)), (64, 100));
        // 1 MB/s: one block in 16 ms.
        (10..100).for_each(|n| up.sent(ms(16 * n), 16_384));
        assert_eq!(up.ahead(ms(1_600), 4), 4);
    }

    const PLAIN: Asking = Asking { interested: true, free: false };

    #[test]
    fn a_choked_peer_is_refused_and_then_a_flood() {
        for interested in [false, true] {
            let (mut up, who) = (Uploads::new(Time::ZERO), Asking { interested, free: false });
            for n in 0..limits::CHOKED_REQUESTS {
                assert_eq!(up.ask(Time::ZERO, block(n), 2_000, who), Ok(Asked::Refused));
            }
            assert_eq!(up.ask(Time::ZERO, block(0), 2_000, who), Err(Fault::RequestFlood));
        }
    }

    #[test]
    fn a_queue_that_crossed_our_choke_is_no_flood_and_what_needs_no_slot_is_queued() {
        let mut up = Uploads::new(Time::ZERO);
        up.unchoke(Time::ZERO);
        up.choke(Time::from_secs(10), |_| false);
        let soon = Time::from_secs(69);
        assert!((0..2_000).all(|n| up.ask(soon, block(n), 2_000, PLAIN) == Ok(Asked::Refused)));
        let late = Time::from_secs(70);
        assert!((0..300).all(|n| up.ask(late, block(n), 2_000, PLAIN) == Ok(Asked::Refused)));
        assert_eq!(up.ask(late, block(0), 2_000, PLAIN), Err(Fault::RequestFlood));
        assert_eq!(up.ask(soon, block(0), 2_000, PLAIN), Err(Fault::RequestFlood));
        let mut up = Uploads::new(Time::ZERO);
        let free = Asking { interested: false, free: true };
        assert_eq!(up.ask(Time::ZERO, block(7), 2_000, free), Ok(Asked::Queued));
        assert_eq!(up.next(2), Some(block(7)));
        up.unchoke(Time::ZERO);
        (0..4).for_each(|n| _ = up.ask(Time::ZERO, block(n), 10, PLAIN));
        assert_eq!(up.choke(Time::ZERO, |piece| piece.0 == 2), [block(0), block(1), block(3)]);
        assert_eq!(up.next(9), Some(block(2)));
    }

    #[test]
    fn requests_leave_in_order_and_within_bounds() {
        let mut up = Uploads::new(Time::ZERO);
        up.unchoke(Time::ZERO);
        (0..4).for_each(|n| {
            assert_eq!(
                up.ask(Time::ZERO, block(n), 3, PLAIN),
                Ok(if n < 3 { Asked::Queued } else { Asked::Refused })
            )
        });
        assert_eq!(up.ask(Time::ZERO, block(1), 3, PLAIN), Ok(Asked::Queued), "asked twice is queued once");
        assert_eq!((up.next(2), up.next(2), up.next(2)), (Some(block(0)), Some(block(1)), None));
        assert!(!up.cancel(block(0)) && up.cancel(block(2)));
        up.sent(Time::ZERO, 1);
        assert_eq!((up.len(), up.choke(Time::ZERO, |_| false)), (1, vec![]));
    }
}
