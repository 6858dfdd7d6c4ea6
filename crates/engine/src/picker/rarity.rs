//! Pieces in the order in which they are to be begun.
//!
//! One flat array holds the pieces that may be begun, in bands of equal value, lowest first: copies in the
//! swarm plus one, times 8 less the priority. So a piece of priority 7 is begun before those of priority 4
//! until it is four times as common. `ends[v]` is where band `v` ends. A piece moves to the next band by one
//! swap with the band's edge, so a HAVE costs the same in a torrent of ten pieces and of a million. Peers
//! that have everything are one counter. State per piece: 4 bytes of place, 4 of position, and 2 of
//! availability (13 bits) and priority (3 bits); none while nobody is there to be asked.

use types::{Bitfield, PieceIndex, Rng};

use super::Priority;

const ABSENT: u32 = u32::MAX;
/// From this many changes at once the array is rebuilt at the next pick instead of being moved piece by
/// piece.
const BULK: u32 = 50;
/// Among so many pieces that are as rare one is drawn.
const ALIKE: usize = 256;
/// The bits of availability; the priority is above.
const COPIES: u16 = (1 << 13) - 1;
const PRIORITY_AT: u32 = 13;

#[derive(Debug, Default)]
pub(crate) struct Rarity {
    /// Whether there is state for each piece. Asleep every piece has the normal priority and no copy but those of the
    /// peers that have everything, and the queue is to be filled.
    awake: bool,
    /// Copies among the peers that don't have everything, and priority.
    state: Vec<u16>,
    /// Where a piece is in `queue`, or ABSENT.
    place: Vec<u32>,
    queue: Vec<u32>,
    ends: Vec<u32>,
    /// Pieces of the queue without a copy among the peers that don't have everything.
    orphans: u32,
    seeds: u32,
    stale: bool,
    /// How often the bands were built anew.
    #[cfg(test)]
    pub(crate) rebuilt: u32,
}

impl Rarity {
    /// No piece may be begun yet; all have the normal priority.
    #[cfg(test)]
    pub(crate) fn new(pieces: u32) -> Rarity {
        let mut rarity = Rarity::default();
        rarity.wake(pieces);
        rarity
    }

    /// Whether there is state for each piece; without it nothing is to be done here but [`Rarity::seed`].
    pub(crate) fn is_awake(&self) -> bool {
        self.awake
    }

    /// Makes the state of so many pieces: none may be begun yet.
    pub(crate) fn wake(&mut self, pieces: u32) {
        self.awake = true;
        self.state = vec![u16::from(Priority::NORMAL.get()) << PRIORITY_AT; pieces as usize];
        self.place = vec![ABSENT; pieces as usize];
    }

    /// Drops the state of all pieces. For when no peer is there but those that have everything, and no priority is
    /// to be kept.
    pub(crate) fn sleep(&mut self) {
        #[cfg(test)]
        let rebuilt = self.rebuilt;
        *self = Rarity { seeds: self.seeds, ..Rarity::default() };
        #[cfg(test)]
        {
            self.rebuilt = rebuilt;
        }
    }

    /// Pieces that may be begun, rarest first, equals in random order.
    pub(crate) fn queue(&mut self, rng: &mut Rng) -> &[u32] {
        self.settle(rng);
        &self.queue
    }

    /// Whether the piece may be begun.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.place.get(piece.as_usize()).is_some_and(|place| *place != ABSENT)
    }

    /// Its place in the order of rarity; the queue must be settled.
    pub(crate) fn rank(&self, piece: PieceIndex) -> u32 {
        self.place[piece.as_usize()]
    }

    /// How many pieces that may be begun are to be had from somebody.
    pub(crate) fn reachable(&mut self, rng: &mut Rng) -> usize {
        self.settle(rng);
        let none = if self.seeds == 0 { self.orphans } else { 0 };
        self.queue.len() - none as usize
    }

    /// At most so many of the pieces that `free` names and that fewest have, but somebody: at random among equals. With
    /// `graded` priorities what is wanted more counts as rarer.
    pub(crate) fn rarest(
        &mut self,
        most: usize,
        graded: bool,
        free: impl Fn(PieceIndex) -> bool,
        rng: &mut Rng,
    ) -> Vec<PieceIndex> {
        self.settle(rng);
        // Without grades what nobody has lies in one band, the first.
        let nobodys = if self.seeds == 0 && !graded { self.orphans } else { 0 };
        let queue = self.queue.iter().skip(nobodys as usize).map(|&piece| PieceIndex(piece));
        let mut open = queue.filter(|piece| self.availability(*piece) > 0 && free(*piece)).peekable();
        let Some(least) = open.peek().map(|piece| self.availability(*piece)) else { return Vec::new() };
        let alike = open.take_while(|piece| self.availability(*piece) == least);
        let mut alike: Vec<PieceIndex> = alike.take(most.max(ALIKE)).collect();
        rng.shuffle(&mut alike);
        alike.truncate(most);
        alike
    }

    /// Heap bytes that grow with the number of pieces, the queue at its fullest.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.state.len() * (size_of::<u16>() + 2 * size_of::<u32>())
    }

    /// How many peers have the piece.
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        u32::from(self.copies(piece.0)) + self.seeds
    }

    /// How much the piece is wanted. That it is not in the queue is the caller's business.
    #[cfg(test)]
    pub(crate) fn priority(&self, piece: PieceIndex) -> Priority {
        let state = self.state.get(piece.as_usize());
        state.map_or(Priority::NORMAL, |state| Priority::new((state >> PRIORITY_AT) as u8))
    }

    /// Changes how much the piece is wanted.
    pub(crate) fn set_priority(&mut self, piece: PieceIndex, priority: Priority) {
        let Some(state) = self.state.get_mut(piece.as_usize()) else { return };
        let before = *state;
        *state = before & COPIES | u16::from(priority.get()) << PRIORITY_AT;
        let after = *state;
        if !self.stale && self.contains(piece) {
            self.shift(piece.0, value(before), value(after));
        }
    }

    fn copies(&self, piece: u32) -> u16 {
        self.state.get(piece as usize).map_or(0, |state| state & COPIES)
    }

    /// A peer with everything comes (`true`) or goes.
    pub(crate) fn seed(&mut self, comes: bool) {
        self.seeds = if comes { self.seeds + 1 } else { self.seeds.saturating_sub(1) };
    }

    /// A peer with these pieces comes (`true`) or goes.
    pub(crate) fn peer(&mut self, pieces: &Bitfield, comes: bool) {
        if pieces.count() < BULK && !self.stale {
            pieces.ones().for_each(|piece| self.change(PieceIndex(piece), comes));
            return;
        }
        self.stale = true;
        for piece in pieces.ones() {
            let Some(state) = self.state.get_mut(piece as usize) else { return };
            *state = step(*state, comes);
        }
    }

    /// One more peer has the piece, or one fewer.
    pub(crate) fn change(&mut self, piece: PieceIndex, more: bool) {
        let Some(state) = self.state.get_mut(piece.as_usize()) else { return };
        let before = *state;
        *state = step(before, more);
        let after = *state;
        if self.stale || before == after || self.place[piece.as_usize()] == ABSENT {
            return;
        }
        match (before & COPIES, after & COPIES) {
            (0, _) => self.orphans -= 1,
            (_, 0) => self.orphans += 1,
            _ => {}
        }
        self.shift(piece.0, value(before), value(after));
    }

    /// The piece may be begun.
    pub(crate) fn insert(&mut self, piece: PieceIndex) {
        let Some(place) = self.place.get_mut(piece.as_usize()) else { return };
        if *place != ABSENT {
            return;
        }
        *place = self.queue.len() as u32;
        self.queue.push(piece.0);
        if self.stale {
            return;
        }
        // It enters above the last band, and sinks through each band that is more common.
        let target = value(self.state[piece.as_usize()]);
        self.orphans += u32::from(self.copies(piece.0) == 0);
        self.grow_bands(target);
        let top = (self.ends.len() - 1) as u16;
        self.ends[usize::from(top)] += 1;
        (target + 1..=top).rev().for_each(|band| self.lower(piece.0, band));
    }

    /// The piece may not be begun: it is here, unwanted, or begun already.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        let Some(&place) = self.place.get(piece.as_usize()) else { return };
        if place == ABSENT {
            return;
        }
        if self.stale {
            self.swap(place as usize, self.queue.len() - 1);
        } else {
            let top = (self.ends.len() - 1) as u16;
            self.orphans -= u32::from(self.copies(piece.0) == 0);
            (value(self.state[piece.as_usize()])..top).for_each(|band| self.raise(piece.0, band));
            let place = self.place[piece.as_usize()];
            self.swap(place as usize, self.queue.len() - 1);
            self.ends[usize::from(top)] -= 1;
        }
        self.queue.pop();
        self.place[piece.as_usize()] = ABSENT;
    }

    fn shift(&mut self, piece: u32, from: u16, to: u16) {
        (from..to).for_each(|band| self.raise(piece, band));
        (to + 1..=from).rev().for_each(|band| self.lower(piece, band));
    }

    /// Moves a piece from band `from` to the next higher one.
    fn raise(&mut self, piece: u32, from: u16) {
        self.grow_bands(from + 1);
        let edge = self.ends[usize::from(from)] - 1;
        self.swap(self.place[piece as usize] as usize, edge as usize);
        self.ends[usize::from(from)] = edge;
    }

    /// Moves a piece from band `from` to the next lower one.
    fn lower(&mut self, piece: u32, from: u16) {
        let edge = self.ends[usize::from(from) - 1];
        self.swap(self.place[piece as usize] as usize, edge as usize);
        self.ends[usize::from(from) - 1] = edge + 1;
    }

    fn grow_bands(&mut self, band: u16) {
        let end = self.ends.last().copied().unwrap_or(0);
        if self.ends.len() <= usize::from(band) {
            self.ends.resize(usize::from(band) + 1, end);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        self.queue.swap(a, b);
        self.place[self.queue[a] as usize] = a as u32;
        self.place[self.queue[b] as usize] = b as u32;
    }

    /// Rebuilds the bands after a bulk change: a counting sort over a random order.
    fn settle(&mut self, rng: &mut Rng) {
        if !self.stale {
            return;
        }
        self.stale = false;
        #[cfg(test)]
        {
            self.rebuilt += 1;
        }
        rng.shuffle(&mut self.queue);
        let state = &self.state;
        self.queue.sort_by_key(|&piece| value(state[piece as usize]));
        let top = self.queue.last().map_or(0, |&piece| value(state[piece as usize]));
        self.ends = vec![0; usize::from(top) + 1];
        self.orphans = 0;
        for (place, &piece) in self.queue.iter().enumerate() {
            let state = self.state[piece as usize];
            self.place[piece as usize] = place as u32;
            self.ends[usize::from(value(state))] = place as u32 + 1;
            self.orphans += u32::from(state & COPIES == 0);
        }
        // A band without pieces ends where the one before does.
        let mut end = 0;
        for band in &mut self.ends {
            end = end.max(*band);
            *band = end;
        }
    }

    /// Fills the queue at the start, or after the user changed what is wanted.
    pub(crate) fn reset(&mut self, pieces: impl Iterator<Item = u32>) {
        self.place.fill(ABSENT);
        self.queue = pieces.collect();
        for (place, &piece) in self.queue.iter().enumerate() {
            self.place[piece as usize] = place as u32;
        }
        self.stale = true;
    }
}

/// One copy more, or one less.
fn step(state: u16, more: bool) -> u16 {
    match state & COPIES {
        COPIES if more => state,
        0 if !more => state,
        _ if more => state + 1,
        _ => state - 1,
    }
}

/// The band of a piece: 57,344 at most.
fn value(state: u16) -> u16 {
    let priority = (state >> PRIORITY_AT).max(1);
    ((state & COPIES) + 1) * (8 - priority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::proptest;

    fn check(rarity: &mut Rarity, rng: &mut Rng) {
        let queue = rarity.queue(rng).to_vec();
        let value = |piece: u32| usize::from(value(rarity.state[piece as usize]));
        assert!(queue.is_sorted_by_key(|&p| value(p)), "lowest first");
        for (place, &piece) in queue.iter().enumerate() {
            assert_eq!(rarity.place[piece as usize], place as u32);
            let band = value(piece);
            assert!(rarity.ends[band] > place as u32 && rarity.ends[band - 1] <= place as u32);
        }
        assert_eq!(queue.iter().filter(|p| rarity.copies(**p) == 0).count() as u32, rarity.orphans);
    }

    proptest! {
        #[test]
        fn bands_stay_sorted(ops in proptest::collection::vec((0u8..8, 0u32..70), 0..400), seed: u64) {
            let (mut rng, mut rarity) = (Rng::from_number(seed), Rarity::new(64));
            rarity.reset(0..64);
            for (op, piece) in ops {
                let piece = PieceIndex(piece);
                match op {
                    0 => rarity.insert(piece),
                    1 => rarity.remove(piece),
                    2 | 3 => rarity.change(piece, true),
                    4 => rarity.change(piece, false),
                    6 | 7 => rarity.set_priority(piece, Priority::new(1 + (op + piece.0 as u8) % 7)),
                    _ => rarity.peer(&Bitfield::full(64), piece.0.is_multiple_of(2)),
                }
                if op == 3 {
                    check(&mut rarity, &mut rng);
                }
            }
            check(&mut rarity, &mut rng);
        }
    }

    #[test]
    fn a_dear_piece_goes_before_rarer_ones_up_to_a_point() {
        let (mut rng, mut rarity) = (Rng::from_number(1), Rarity::new(3));
        rarity.reset(0..3);
        rarity.set_priority(PieceIndex(2), Priority::TOP);
        rarity.set_priority(PieceIndex(1), Priority::LOW);
        (0..2).for_each(|_| rarity.change(PieceIndex(2), true));
        assert_eq!(rarity.queue(&mut rng), [2, 0, 1]);
        (0..3).for_each(|_| rarity.change(PieceIndex(2), true));
        assert_eq!(rarity.queue(&mut rng), [0, 2, 1]);
        assert_eq!(rarity.priority(PieceIndex(2)), Priority::TOP);
    }

    #[test]
    fn availability_stops_at_its_bits_and_leaves_the_priority_alone() {
        let (mut rng, mut rarity) = (Rng::from_number(1), Rarity::new(1));
        rarity.reset(0..1);
        (0..9_000).for_each(|_| rarity.change(PieceIndex(0), true));
        assert_eq!(rarity.availability(PieceIndex(0)), 8_191);
        rarity.set_priority(PieceIndex(0), Priority::LOW);
        check(&mut rarity, &mut rng);
        assert_eq!(rarity.priority(PieceIndex(0)), Priority::LOW);
    }

    #[test]
    fn seeds_are_a_counter() {
        let (mut rng, mut rarity) = (Rng::from_number(1), Rarity::new(8));
        rarity.reset(0..8);
        assert_eq!(rarity.reachable(&mut rng), 0);
        rarity.change(PieceIndex(3), true);
        assert_eq!(rarity.reachable(&mut rng), 1);
        rarity.seed(true);
        assert_eq!((rarity.reachable(&mut rng), rarity.availability(PieceIndex(3))), (8, 2));
    }
}
