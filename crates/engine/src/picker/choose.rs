//! What one peer is asked for.

use types::{BLOCK_LEN, BlockIndex, BlockRef, PieceIndex, Rng};

use super::partial::{BlockState, Partial};
use super::{Asker, Order, Picker, Pieces};

/// So far the queue is looked through for a piece of a peer that has few, before its pieces are.
const NEAR: usize = 4_096;
/// A peer with less than this part of what is missing has few pieces.
const SPARSE: usize = 64;
/// So many of the first pieces are drawn at random.
const DRAWN: u32 = 4;
/// Blocks of one piece that are asked for in a row where several pieces are fetched side by side: they are written
/// together.
const RUN: usize = 4;

impl Picker {
    /// Up to `count` blocks to ask this peer for; they count as asked.
    pub(crate) fn pick(&mut self, asker: Asker<'_>, count: usize, rng: &mut Rng) -> Vec<BlockRef> {
        if self.is_content() || count == 0 {
            return Vec::new();
        }
        self.wake();
        let mut out = Vec::new();
        self.pick_urgent(asker, count, &mut out);
        if self.order == Order::RarestFirst && !asker.parole {
            self.begun.abreast(asker.conn, asker.abreast, self.pieces_of(asker.queue));
            self.pick_abreast(asker, count, &mut out, rng);
            if out.len() >= count {
                return out;
            }
        }
        let own = self.begun.of(asker.conn, &self.partials);
        self.pick_begun(asker, count, &mut out, own, |_| true);
        self.pick_of_others(asker, count, &mut out);
        while out.len() < count {
            let Some(piece) = self.next_piece(asker, rng).map(|best| self.suggestion(asker, best)) else {
                break;
            };
            self.own(piece, asker);
            self.pick_piece(asker, count, &mut out, piece, |_| true);
        }
        if !asker.parole && out.len() < count {
            let all = self.partials.keys().copied().collect();
            self.pick_begun(asker, count, &mut out, all, |p| !p.exclusive);
        }
        out
    }

    /// Free blocks of several pieces in turns, for a peer that brings many pieces in a moment: what comes together is then
    /// hashed together, one lane for each piece. Does nothing for a peer that fetches one after the other.
    fn pick_abreast(&mut self, asker: Asker<'_>, count: usize, out: &mut Vec<BlockRef>, rng: &mut Rng) {
        while asker.abreast > 1 && out.len() < count {
            let mut side_by_side = Vec::with_capacity(asker.abreast as usize);
            let own = self.begun.each_of(asker.conn, &self.partials);
            side_by_side
                .extend(own.map(|(piece, partial)| (partial.free(), piece)).filter(|(free, _)| *free > 0));
            while side_by_side.len() < asker.abreast as usize
                && !self.is_crowded()
                && let Some(piece) = self.next_piece(asker, rng)
            {
                self.own(piece, asker);
                side_by_side.push((self.partials.get(&piece).map_or(0, Partial::free), piece));
            }
            // What is nearly whole comes first: pieces then end one after the other, and not all at once.
            side_by_side.sort_unstable();
            let before = out.len();
            for (_, piece) in side_by_side {
                let most = count.min(out.len() + RUN);
                self.pick_piece(asker, most, out, piece, |_| true);
            }
            if out.len() == before {
                return;
            }
        }
    }

    /// How many pieces so many blocks are, rounded down.
    fn pieces_of(&self, blocks: usize) -> u32 {
        blocks as u32 / self.geometry.blocks_in(PieceIndex(0)).max(1)
    }

    /// Whether more pieces are begun than peers have a use for: one and a half for each peer and four, and twice those that fast
    /// peers fetch side by side.
    fn is_crowded(&self) -> bool {
        self.partials.len() as u32 > self.peers + self.peers / 2 + 4 + 2 * self.begun.beside()
    }

    /// Free blocks of pieces that others began, where they left them or there are too many.
    fn pick_of_others(&mut self, asker: Asker<'_>, count: usize, out: &mut Vec<BlockRef>) {
        if out.len() >= count {
            return;
        }
        // While few pieces are begun each keeps its owner; with many, all hands finish them.
        if self.is_crowded() && !asker.parole {
            let all = self.partials.keys().copied().collect();
            return self.pick_begun(asker, count, out, all, |p| p.owner.is_none() || !p.exclusive);
        }
        let loose = self.begun.of_nobody(&self.partials);
        if asker.parole && !asker.alone {
            return self.pick_begun(asker, count, out, loose, Partial::is_untouched);
        }
        if asker.parole {
            self.pick_begun(asker, count, out, loose.clone(), Partial::is_untouched);
        }
        self.pick_begun(asker, count, out, loose, |p| p.owner.is_none());
    }

    /// The piece is begun, and belongs to this peer.
    fn own(&mut self, piece: PieceIndex, asker: Asker<'_>) {
        let partial = self.begin(piece);
        (partial.owner, partial.exclusive) = (Some(asker.conn), asker.parole);
        self.begun.claim(piece, asker.conn);
    }

    /// Free blocks of what readers wait for, as far as this peer brings them in time.
    fn pick_urgent(&mut self, asker: Asker<'_>, count: usize, out: &mut Vec<BlockRef>) {
        if asker.parole && !asker.alone {
            return;
        }
        for n in 0..self.demands.order().len() {
            let (deadline, piece) = self.demands.order()[n];
            let rare = self.rarity.availability(piece) <= 1;
            let in_time = |asked: usize| rare || asker.pace.brings(asked, deadline);
            if out.len() >= count || !asker.pieces.has(piece) || !in_time(out.len()) {
                continue;
            }
            let geometry = self.geometry.clone();
            let partial = self.begin(piece);
            if partial.free() == 0 || partial.exclusive && partial.owner.is_some_and(|o| o != asker.conn) {
                continue;
            }
            let fresh = partial.owner.is_none();
            partial.owner.get_or_insert(asker.conn);
            while out.len() < count && in_time(out.len()) {
                let Some(block) = partial.iter().find(|(_, s)| *s == BlockState::Free).map(|(b, _)| b) else {
                    break;
                };
                partial.ask(block);
                out.push(geometry.block(piece, block));
            }
            if fresh {
                self.begun.claim(piece, asker.conn);
            }
        }
    }

    /// Up to `count` blocks of these pieces alone, for a peer that sends nothing else; they count as asked.
    pub(crate) fn pick_of(&mut self, asker: Asker<'_>, pieces: &[PieceIndex], count: usize) -> Vec<BlockRef> {
        let mut out = Vec::new();
        self.wake();
        for &piece in pieces.iter().filter(|piece| asker.pieces.has(**piece)) {
            if self.rarity.contains(piece) && self.fetches(piece) && out.len() < count {
                self.own(piece, asker);
            }
            let wanted = self.wanted.get(piece.0) && self.allows(piece);
            let Some(partial) = self.partials.get_mut(&piece) else { continue };
            let apart = partial.exclusive || asker.parole;
            if !wanted || apart && partial.owner != Some(asker.conn) {
                continue;
            }
            let free = partial.iter().filter(|(_, state)| *state == BlockState::Free).map(|(block, _)| block);
            let free: Vec<BlockIndex> = free.take(count - out.len()).collect();
            free.iter().for_each(|block| partial.ask(*block));
            out.extend(free.into_iter().map(|block| self.geometry.block(piece, block)));
        }
        out
    }

    /// What the peer would rather send, where that is no more common than the best piece; else that.
    fn suggestion(&self, asker: Asker<'_>, best: PieceIndex) -> PieceIndex {
        let (rarity, most) = (&self.rarity, self.rarity.availability(best));
        let equal = |piece: &&PieceIndex| {
            let open = rarity.contains(**piece) && self.allows(**piece);
            open && asker.pieces.has(**piece) && rarity.availability(**piece) <= most
        };
        let latest = asker.suggested.iter().rev().find(equal).filter(|_| self.order == Order::RarestFirst);
        latest.copied().unwrap_or(best)
    }

    /// Free blocks of those of these pieces, which are begun, that `may` let this peer in.
    fn pick_begun(
        &mut self,
        asker: Asker<'_>,
        count: usize,
        out: &mut Vec<BlockRef>,
        pieces: Vec<PieceIndex>,
        may: impl Fn(&Partial) -> bool,
    ) {
        for piece in pieces {
            if out.len() >= count {
                return;
            }
            self.pick_piece(asker, count, out, piece, &may);
        }
    }

    /// The same of one of them.
    fn pick_piece(
        &mut self,
        asker: Asker<'_>,
        count: usize,
        out: &mut Vec<BlockRef>,
        piece: PieceIndex,
        may: impl Fn(&Partial) -> bool,
    ) {
        // What is urgent was looked at already: what is left of it others bring sooner.
        let ordinary =
            self.wanted.get(piece.0) && self.allows(piece) && self.demands.deadline(piece).is_none();
        let partial = self.partials.get_mut(&piece);
        let open = |p: &&mut Partial| p.free() > 0 && ordinary && asker.pieces.has(piece) && may(p);
        let Some(partial) = partial.filter(open) else { return };
        let (first, geometry) = (out.len(), &self.geometry);
        let free = partial.iter().filter(|(_, state)| *state == BlockState::Free);
        out.extend(free.take(count - first).map(|(block, _)| geometry.block(piece, block)));
        out[first..].iter().for_each(|block| partial.ask(BlockIndex(block.begin / BLOCK_LEN)));
        if partial.owner.is_none() {
            partial.owner = Some(asker.conn);
            self.begun.claim(piece, asker.conn);
        }
    }

    /// The piece this peer should begin.
    fn next_piece(&mut self, asker: Asker<'_>, rng: &mut Rng) -> Option<PieceIndex> {
        if self.chosen.is_some() {
            return self.next_chosen(asker.pieces);
        }
        if self.order == Order::Sequential {
            self.cursor +=
                (self.cursor..self.geometry.pieces()).take_while(|&i| self.have.get(i)).count() as u32;
            let rarity = &self.rarity;
            return (self.cursor..self.geometry.pieces())
                .map(PieceIndex)
                .find(|&piece| rarity.contains(piece) && asker.pieces.has(piece));
        }
        let early = self.have.count() < DRAWN && !self.graded;
        let queue = self.rarity.queue(rng);
        // The first pieces are drawn at random, so that a newcomer soon has something of its own to give.
        let start = if early { rng.below(queue.len()) } else { 0 };
        match asker.pieces {
            // A peer with few pieces is cheaper to look through than the whole queue. As long as they are most of them
            // still to be had, one of them lies not far from its beginning.
            Pieces::Some(bits) if (bits.count() as usize) < queue.len() / SPARSE => {
                let ahead = &queue[start..queue.len().min(start + NEAR)];
                if let Some(&near) = ahead.iter().find(|&&i| bits.get(i)) {
                    return Some(PieceIndex(near));
                }
                let rarity = &self.rarity;
                bits.ones().map(PieceIndex).filter(|p| rarity.contains(*p)).min_by_key(|p| rarity.rank(*p))
            }
            pieces => {
                let (before, after) = queue.split_at(start);
                after.iter().chain(before).map(|&i| PieceIndex(i)).find(|p| pieces.has(*p))
            }
        }
    }
}
