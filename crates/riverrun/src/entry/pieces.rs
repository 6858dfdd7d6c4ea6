//! Which pieces of a torrent are here, and which are wanted.

use types::{Bitfield, Geometry, PieceIndex};

/// The pieces that are here, those that are wanted, and what follows from the two.
#[derive(Debug)]
pub(crate) struct Pieces {
    geometry: Geometry,
    have: Bitfield,
    wanted: Bitfield,
    /// Length of the wanted pieces.
    bytes_wanted: u64,
    /// Wanted pieces that are missing. This and the next follow every change of `have` and `wanted`.
    missing: u32,
    /// Their length.
    left: u64,
}

impl Pieces {
    /// None is here.
    pub(crate) fn new(geometry: Geometry, wanted: Bitfield) -> Pieces {
        let have = Bitfield::new(geometry.pieces());
        let mut pieces = Pieces { geometry, have, wanted, bytes_wanted: 0, missing: 0, left: 0 };
        pieces.count();
        pieces
    }

    /// Those that are verified and stored.
    pub(crate) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether a piece is verified and stored.
    pub(crate) fn has(&self, piece: u32) -> bool {
        self.have.get(piece)
    }

    /// Length of those that are here.
    pub(crate) fn bytes_have(&self) -> u64 {
        self.bytes_of(&self.have)
    }

    /// Those that are wanted.
    pub(crate) fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Length of the wanted ones.
    pub(crate) fn bytes_wanted(&self) -> u64 {
        self.bytes_wanted
    }

    /// How many wanted ones are missing.
    pub(crate) fn missing(&self) -> u32 {
        self.missing
    }

    /// Length of the wanted ones that are missing.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// A piece is verified and stored. False where it was before.
    pub(crate) fn insert(&mut self, piece: PieceIndex) -> bool {
        let is_new = self.have.insert(piece.0);
        if is_new && self.wanted.get(piece.0) {
            self.missing -= 1;
            self.left -= self.len(piece.0);
        }
        is_new
    }

    /// A piece does not count any more. False where it did not before.
    pub(crate) fn remove(&mut self, piece: PieceIndex) -> bool {
        let was_here = self.have.remove(piece.0);
        if was_here && self.wanted.get(piece.0) {
            self.missing += 1;
            self.left += self.len(piece.0);
        }
        was_here
    }

    /// A check found these.
    pub(crate) fn set_have(&mut self, have: Bitfield) {
        self.have = have;
        self.count();
    }

    /// These are wanted from now on.
    pub(crate) fn want(&mut self, wanted: Bitfield) {
        self.wanted = wanted;
        self.count();
    }

    fn count(&mut self) {
        let missing = |p: u32| self.wanted.get(p) && !self.have.get(p);
        let missing: Bitfield = (0..self.wanted.len()).map(missing).collect();
        self.bytes_wanted = self.bytes_of(&self.wanted);
        (self.missing, self.left) = (missing.count(), self.bytes_of(&missing));
    }

    fn bytes_of(&self, pieces: &Bitfield) -> u64 {
        if pieces.is_full() {
            return self.geometry.data_len();
        }
        pieces.ones().map(|piece| self.len(piece)).sum()
    }

    fn len(&self, piece: u32) -> u64 {
        u64::from(self.geometry.piece_data_len(PieceIndex(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Rng;

    #[test]
    fn the_counts_follow_every_change() {
        // The last of ten pieces is short.
        let geometry = Geometry::new(9 * 16_384 + 5, 16_384).unwrap();
        let mut pieces = Pieces::new(geometry.clone(), Bitfield::full(10));
        let mut rng = Rng::from_number(7);
        for _ in 0..500 {
            let piece = PieceIndex(rng.below(10) as u32);
            let was_here = pieces.has(piece.0);
            match rng.below(3) {
                0 => assert_ne!(pieces.insert(piece), was_here),
                1 => assert_eq!(pieces.remove(piece), was_here),
                _ => pieces.want((0..10).map(|_| rng.below(2) == 0).collect()),
            }
            let missing = || (0..10).filter(|p| pieces.wanted().get(*p) && !pieces.has(*p));
            let len = |p| u64::from(geometry.piece_len(PieceIndex(p)));
            assert_eq!(pieces.missing(), missing().count() as u32);
            assert_eq!(pieces.left(), missing().map(len).sum());
            assert_eq!(pieces.bytes_wanted(), pieces.wanted().ones().map(len).sum());
            assert_eq!(pieces.bytes_have(), pieces.have().ones().map(len).sum());
        }
    }
}
