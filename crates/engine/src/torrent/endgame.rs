//! The end-game: everything is asked for, and idle peers help slow ones out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use types::{BlockRef, Time};
use wire::Message;

use super::{Torrent, urgent};
use crate::ConnId;
use crate::picker::Asker;

/// A block that is expected within this time is not asked for a second time.
const WORTH_A_COPY: Duration = Duration::from_secs(2);
/// Most peers of those that bring something that are asked for one block.
const MOST_COPIES: u32 = 3;

/// A copy of a block that is owed and late. The greatest is the one that comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct LateCopy {
    wait: Duration,
    block: Reverse<BlockRef>,
    /// It is owed by a peer that brings what it owes.
    proven: bool,
}

/// A block that all who were asked for it bring late.
struct LateBlock {
    block: BlockRef,
    copies: u8,
    proven: u32,
    /// When the first of them is expected.
    wait: Duration,
}

/// The copies that are owed and late: which comes last, and which are of one block.
#[derive(Debug)]
pub(super) struct LateCopies {
    since: Time,
    copies: Vec<LateCopy>,
    /// Whether they are in the order of their blocks: only once they are asked for.
    by_block: bool,
    /// Those that nobody looked at yet.
    rest: BinaryHeap<LateCopy>,
    /// Those before them that are of use still, but not to who looked at them: the last one first.
    refused: Vec<LateCopy>,
}

impl LateCopies {
    /// So many copies are looked through once for all peers that become idle within [`LateCopies::KEPT`]. With fewer each peer is answered by how things are.
    const MANY: usize = 4_096;
    /// Short beside [`WORTH_A_COPY`]: the waits of copies change no more than this.
    const KEPT: Duration = Duration::from_millis(250);

    fn new(now: Time, copies: Vec<LateCopy>) -> LateCopies {
        let (rest, refused) = (BinaryHeap::from(copies.clone()), Vec::new());
        LateCopies { since: now, copies, by_block: false, rest, refused }
    }

    fn is_fresh(&self, now: Time) -> bool {
        self.copies.len() >= LateCopies::MANY && now < self.since + LateCopies::KEPT
    }

    /// The copy before which `n` come later, if it takes `least` or longer.
    fn nth_last(&mut self, n: usize, least: Duration) -> Option<LateCopy> {
        if n == self.refused.len() {
            self.rest.peek().filter(|copy| copy.wait >= least)?;
            self.refused.extend(self.rest.pop());
        }
        self.refused.get(n).copied().filter(|copy| copy.wait >= least)
    }

    /// That copy is of no use any more, to nobody.
    fn strike(&mut self, n: usize) {
        self.refused.remove(n);
    }

    /// The copies of a block: who comes first stands in front.
    fn of(&mut self, block: Reverse<BlockRef>) -> &[LateCopy] {
        if !std::mem::replace(&mut self.by_block, true) {
            self.copies.sort_unstable_by_key(|copy| (copy.block, copy.wait));
        }
        let start = self.copies.partition_point(|copy| copy.block < block);
        let len = self.copies[start..].partition_point(|copy| copy.block == block);
        &self.copies[start..start + len]
    }
}

impl LateBlock {
    /// The block of a copy that only one peer owes: so most are.
    fn alone(copy: LateCopy) -> LateBlock {
        LateBlock { block: copy.block.0, copies: 1, proven: copy.proven.into(), wait: copy.wait }
    }

    /// The block of which these are the late copies.
    fn of(copies: &[LateCopy]) -> Option<LateBlock> {
        let first = copies.first()?;
        Some(LateBlock {
            block: first.block.0,
            copies: u8::try_from(copies.len()).unwrap_or(u8::MAX),
            proven: copies.iter().filter(|copy| copy.proven).count() as u32,
            wait: first.wait,
        })
    }

    /// Whether another copy is worth it: each further one has to be worth more. What peers owe that never brought anything is
    /// no reason to wait longer.
    fn is_worth_a_copy(&self) -> bool {
        self.proven < MOST_COPIES && self.wait >= WORTH_A_COPY * (1 << self.proven.saturating_sub(1))
    }
}

impl Torrent {
    /// Asks an idle peer for the block that would come last, where that would take long. A copy that both bring is waste, so
    /// that what comes soon anyway is left alone.
    pub(super) fn rescue(&mut self, now: Time, conn: ConnId) -> bool {
        let mut late = match self.late_copies.take() {
            Some(late) if late.is_fresh(now) => late,
            _ => Box::new(LateCopies::new(now, self.owed_late(now))),
        };
        let asked = self.rescue_of(now, conn, &mut late);
        self.late_copies = Some(late).filter(|late| late.is_fresh(now));
        asked
    }

    /// What is owed and late, of whomever it is. An idle peer owes nothing.
    fn owed_late(&mut self, now: Time) -> Vec<LateCopy> {
        let mut owed = Vec::new();
        for peer in self.peers.values_mut() {
            let (rate, proven) = (peer.down.rate(now), peer.requests.is_proven());
            let late = peer.requests.late(now, rate, WORTH_A_COPY);
            owed.extend(late.map(|(block, wait)| LateCopy { wait, block: Reverse(block), proven }));
        }
        owed
    }

    fn rescue_of(&mut self, now: Time, conn: ConnId, owed: &mut LateCopies) -> bool {
        let Some(peer) = self.peers.get_mut(&conn).filter(|peer| !peer.trust.parole) else { return false };
        let asker = Asker {
            conn,
            pieces: &peer.pieces,
            parole: false,
            alone: false,
            pace: urgent::pace(peer, now, Duration::ZERO),
            suggested: &[],
            abreast: 1,
            queue: 0,
        };
        // Who would bring it hardly sooner is no help.
        let gain = asker.pace.each * 2;
        let mut n = 0;
        while let Some(copy) = owed.nth_last(n, gain) {
            if !asker.pieces.has(copy.block.0.piece) {
                n += 1;
                continue;
            }
            // One of the first is what is looked for: all are sorted only where that one has copies.
            let late = match self.picker.owing(copy.block.0) {
                0 => None,
                1 => Some(LateBlock::alone(copy)),
                _ => LateBlock::of(owed.of(copy.block)).filter(|late| late.wait == copy.wait),
            };
            let Some(LateBlock { block, copies, .. }) = late.filter(LateBlock::is_worth_a_copy) else {
                owed.strike(n);
                continue;
            };
            if self.picker.ask_again(asker, block, copies) {
                owed.strike(n);
                peer.requests.ask(now, block);
                self.send(now, conn, Message::Request(block));
                return true;
            }
            n += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use types::{BLOCK_LEN, PieceIndex, Rng};

    use super::*;

    fn some(rng: &mut Rng, count: usize, blocks: usize) -> Vec<LateCopy> {
        let copy = |_| LateCopy {
            wait: Duration::from_millis(2_000 + rng.below(9_000) as u64),
            block: Reverse(BlockRef {
                piece: PieceIndex(rng.below(blocks) as u32),
                begin: 0,
                len: BLOCK_LEN,
            }),
            proven: rng.below(2) == 0,
        };
        (0..count).map(copy).collect()
    }

    #[test]
    fn what_comes_last_is_found_first_and_with_all_copies_of_its_block() {
        let mut rng = Rng::from_number(3);
        for round in 0..60 {
            let owed = some(&mut rng, round * 5, 1 + round * 2);
            let mut copies = LateCopies::new(Time::ZERO, owed.clone());
            let least = Duration::from_millis(4_000);
            let mut sorted: Vec<LateCopy> = owed.iter().copied().filter(|copy| copy.wait >= least).collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let mut kept = Vec::new();
            for copy in sorted {
                assert_eq!(copies.nth_last(kept.len(), least), Some(copy));
                let mut of: Vec<_> = owed.iter().filter(|other| other.block == copy.block).collect();
                of.sort_by_key(|other| other.wait);
                let found = copies.of(copy.block);
                assert!(found.iter().map(|other| other.wait).eq(of.iter().map(|other| other.wait)));
                assert!(found.iter().all(|other| other.block == copy.block));
                let late = LateBlock::of(found).unwrap();
                assert_eq!((late.wait, usize::from(late.copies)), (of[0].wait, of.len()));
                // Every other one is of no use; the rest stay for the next peer.
                if rng.below(2) == 0 { copies.strike(kept.len()) } else { kept.push(copy) }
            }
            assert_eq!(copies.nth_last(kept.len(), least), None);
            assert!((0..kept.len()).all(|n| copies.nth_last(n, least) == Some(kept[n])));
            let sooner = copies.nth_last(kept.len(), Duration::ZERO);
            assert_eq!(sooner, owed.iter().copied().filter(|copy| copy.wait < least).max());
        }
    }

    #[test]
    fn only_what_is_much_is_looked_through_once_for_several_peers() {
        let mut rng = Rng::from_number(4);
        let (now, soon) = (Time::from_secs(1), Time::from_secs(1) + Duration::from_millis(249));
        let few = LateCopies::new(now, some(&mut rng, LateCopies::MANY - 1, 9_000));
        let many = LateCopies::new(now, some(&mut rng, LateCopies::MANY, 9_000));
        assert!(!few.is_fresh(now) && many.is_fresh(now) && many.is_fresh(soon));
        assert!(!many.is_fresh(now + LateCopies::KEPT));
    }
}
