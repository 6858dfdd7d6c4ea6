//! Pieces in order of rarity.
//!
//! One flat array holds the pieces that may be begun, in bands of equal availability, rarest first; `ends[a]` is where
//! band `a` ends. A piece moves to the next band by one swap with the band's edge, so a HAVE costs the same in a torrent
//! of ten pieces and of a million. Peers that have everything are one counter. State per piece: 4 bytes of place, 4 of
//! position and 2 of availability.

use types::{Bitfield, PieceIndex, Rng};

const ABSENT: u32 = u32::MAX;
/// From this many changes at once the array is rebuilt at the next pick instead of being moved piece by piece.
const BULK: u32 = 50;

#[derive(Debug)]
pub(crate) struct Rarity {
    /// Copies among the peers that don't have everything.
    copies: Vec<u16>,
    /// Where a piece is in `queue`, or ABSENT.
    place: Vec<u32>,
    queue: Vec<u32>,
    ends: Vec<u32>,
    seeds: u32,
    stale: bool,
}

impl Rarity {
    /// No piece may be begun yet.
    pub(crate) fn new(pieces: u32) -> Rarity {
        Rarity {
            copies: vec![0; pieces as usize],
            place: vec![ABSENT; pieces as usize],
            queue: Vec::new(),
            ends: Vec::new(),
            seeds: 0,
            stale: false,
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
        let none = if self.seeds == 0 { self.ends.first().copied().unwrap_or(0) } else { 0 };
        self.queue.len() - none as usize
    }

    /// Heap bytes that grow with the number of pieces, the queue at its fullest.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.copies.len() * (size_of::<u16>() + 2 * size_of::<u32>())
    }

    /// How many peers have the piece.
    #[cfg(test)]
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        u32::from(self.copies[piece.as_usize()]) + self.seeds
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
            let Some(copies) = self.copies.get_mut(piece as usize) else { return };
            *copies = if comes { copies.saturating_add(1) } else { copies.saturating_sub(1) };
        }
    }

    /// One more peer has the piece, or one fewer.
    pub(crate) fn change(&mut self, piece: PieceIndex, more: bool) {
        let Some(copies) = self.copies.get_mut(piece.as_usize()) else { return };
        let before = *copies;
        *copies = if more { before.saturating_add(1) } else { before.saturating_sub(1) };
        let after = *copies;
        if self.stale || before == after || self.place[piece.as_usize()] == ABSENT {
            return;
        }
        if more { self.raise(piece.0, before) } else { self.lower(piece.0, before) }
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
        let target = self.copies[piece.as_usize()];
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
            (self.copies[piece.as_usize()]..top).for_each(|band| self.raise(piece.0, band));
            let place = self.place[piece.as_usize()];
            self.swap(place as usize, self.queue.len() - 1);
            self.ends[usize::from(top)] -= 1;
        }
        self.queue.pop();
        self.place[piece.as_usize()] = ABSENT;
    }

    /// Moves a piece from band `from` to the next more common one.
    fn raise(&mut self, piece: u32, from: u16) {
        self.grow_bands(from + 1);
        let edge = self.ends[usize::from(from)] - 1;
        self.swap(self.place[piece as usize] as usize, edge as usize);
        self.ends[usize::from(from)] = edge;
    }

    /// Moves a piece from band `from` to the next rarer one.
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
        rng.shuffle(&mut self.queue);
        let copies = &self.copies;
        self.queue.sort_by_key(|&piece| copies[piece as usize]);
        let top = self.queue.last().map_or(0, |&piece| copies[piece as usize]);
        self.ends = (0..=top)
            .map(|band| self.queue.partition_point(|&piece| copies[piece as usize] <= band) as u32)
            .collect();
        for (place, &piece) in self.queue.iter().enumerate() {
            self.place[piece as usize] = place as u32;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::proptest;

    fn check(rarity: &mut Rarity, rng: &mut Rng) {
        let queue = rarity.queue(rng).to_vec();
        assert!(queue.is_sorted_by_key(|&p| rarity.copies[p as usize]), "rarest first");
        for (place, &piece) in queue.iter().enumerate() {
            assert_eq!(rarity.place[piece as usize], place as u32);
            let copies = usize::from(rarity.copies[piece as usize]);
            assert!(
                rarity.ends[copies] > place as u32
                    && (copies == 0 || rarity.ends[copies - 1] <= place as u32)
            );
        }
    }

    proptest! {
        #[test]
        fn bands_stay_sorted(ops in proptest::collection::vec((0u8..6, 0u32..70), 0..400), seed: u64) {
            let (mut rng, mut rarity) = (Rng::from_number(seed), Rarity::new(64));
            rarity.reset(0..64);
            for (op, piece) in ops {
                let piece = PieceIndex(piece);
                match op {
                    0 => rarity.insert(piece),
                    1 => rarity.remove(piece),
                    2 | 3 => rarity.change(piece, true),
                    4 => rarity.change(piece, false),
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
