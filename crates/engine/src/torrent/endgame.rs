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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Owed {
    wait: Duration,
    block: Reverse<BlockRef>,
    /// It is owed by a peer that brings what it owes.
    proven: bool,
}

/// A block that all who were asked for it bring late.
struct Late {
    block: BlockRef,
    copies: u8,
    proven: u32,
    /// When the first of them is expected.
    wait: Duration,
}

/// The late copies of each block, once they are asked for.
#[derive(Default)]
struct Groups(Vec<Owed>);

impl Groups {
    /// The late copies of a block, of all that are `owed`: who comes first stands in front.
    fn of(&mut self, block: Reverse<BlockRef>, owed: &[Owed]) -> &[Owed] {
        if self.0.is_empty() {
            self.0 = owed.to_vec();
            self.0.sort_unstable_by_key(|copy| (copy.block, copy.wait));
        }
        let start = self.0.partition_point(|copy| copy.block < block);
        let len = self.0[start..].partition_point(|copy| copy.block == block);
        &self.0[start..start + len]
    }
}

impl Late {
    /// The block of a copy that only one peer owes: so most are.
    fn alone(copy: Owed) -> Late {
        Late { block: copy.block.0, copies: 1, proven: copy.proven.into(), wait: copy.wait }
    }

    /// The block of which these are the late copies.
    fn of(copies: &[Owed]) -> Option<Late> {
        let first = copies.first()?;
        Some(Late {
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
        let mut owed: Vec<Owed> = Vec::new();
        for peer in self.peers.values_mut().filter(|peer| peer.who.conn != conn) {
            let (rate, proven) = (peer.down.rate(now), peer.requests.is_proven());
            let late = peer.requests.late(now, rate, WORTH_A_COPY);
            owed.extend(late.map(|(block, wait)| Owed { wait, block: Reverse(block), proven }));
        }
        let Some(peer) = self.peers.get_mut(&conn) else { return false };
        let asker = Asker {
            conn,
            pieces: &peer.pieces,
            parole: peer.trust.parole,
            alone: false,
            pace: urgent::pace(peer, now, Duration::ZERO),
            suggested: &[],
            abreast: 1,
            queue: 0,
        };
        // Who would bring it hardly sooner is no help.
        let gain = asker.pace.each * 2;
        // With many peers thousands are owed, and one of the first is what is looked for: all are sorted only where that one
        // has copies.
        let mut last = BinaryHeap::from(owed.clone());
        let mut groups = Groups::default();
        while let Some(copy) = last.pop().filter(|copy| copy.wait >= gain) {
            let late = match self.picker.owing(copy.block.0) {
                0 => None,
                1 => Some(Late::alone(copy)),
                _ => Late::of(groups.of(copy.block, &owed)).filter(|late| late.wait == copy.wait),
            };
            let Some(Late { block, copies, .. }) = late.filter(Late::is_worth_a_copy) else { continue };
            if self.picker.ask_again(asker, block, copies) {
                peer.requests.ask(now, block);
                self.send(now, conn, Message::Request(block));
                return true;
            }
        }
        false
    }
}
