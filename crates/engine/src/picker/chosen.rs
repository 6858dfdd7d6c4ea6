//! Share mode: nothing may be fetched but what was chosen, whatever is wanted.
//!
//! The queue keeps every piece that is wanted, so that the rarest of them is found without a search.

use std::collections::BTreeSet;

use types::{PieceIndex, Rng};

use super::{Picker, Pieces};

impl Picker {
    /// Turns share mode on or off. When it begins no piece is chosen, so none may be fetched; when it ends every wanted piece
    /// may be fetched again.
    pub(crate) fn share(&mut self, on: bool) {
        self.chosen = on.then(BTreeSet::new);
    }

    /// Lets this piece be fetched in share mode. Whether it was chosen now: it is not outside of share mode, nor where it is
    /// unwanted, here, or chosen already.
    #[must_use]
    pub(crate) fn choose(&mut self, piece: PieceIndex) -> bool {
        self.lacks(piece.0) && self.chosen.as_mut().is_some_and(|chosen| chosen.insert(piece))
    }

    /// This piece is not to be fetched any more, or is here.
    pub(crate) fn renounce(&mut self, piece: PieceIndex) {
        if let Some(chosen) = &mut self.chosen {
            chosen.remove(&piece);
        }
    }

    /// What is chosen and not here.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.chosen.iter().flatten().copied()
    }

    /// Whether a piece is chosen and not here.
    pub(crate) fn is_chosen(&self, piece: PieceIndex) -> bool {
        self.chosen.as_ref().is_some_and(|chosen| chosen.contains(&piece))
    }

    /// How many pieces are to be fetched as things stand: wanted, missing, and in share mode chosen.
    pub(crate) fn to_come(&self) -> u32 {
        self.chosen.as_ref().map_or(self.missing, |chosen| chosen.len() as u32)
    }

    /// Whether share mode lets this piece be fetched: it is off, or the piece is chosen. Whether the piece is wanted or
    /// missing is another question ([`Picker::lacks`]).
    pub(super) fn allows(&self, piece: PieceIndex) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&piece))
    }

    /// Whether this piece is to be fetched for its own sake, and not for a reader's.
    pub(super) fn fetches(&self, piece: PieceIndex) -> bool {
        self.lacks(piece.0) && self.allows(piece)
    }

    /// Bytes of a piece that have come, and those that have not. Padding is neither.
    pub(crate) fn progress(&self, piece: PieceIndex) -> (u64, u64) {
        let here = self.partials.get(&piece).map_or(0, |partial| self.bytes_here(piece, partial));
        (here, u64::from(self.geometry.piece_data_len(piece)) - here)
    }

    /// Pieces that could be chosen and that fewest have, at most so many, in random order: one that was begun goes
    /// before others that are as rare, for what is here of it costs nothing any more.
    /// `may` names those that are not left alone.
    pub(crate) fn rarest(
        &mut self,
        most: usize,
        may: impl Fn(PieceIndex) -> bool,
        rng: &mut Rng,
    ) -> Vec<PieceIndex> {
        self.wake();
        let (rarity, partials, wanted, have) = (&mut self.rarity, &self.partials, &self.wanted, &self.have);
        let chosen = self.chosen.as_ref();
        let free = |piece: PieceIndex| chosen.is_none_or(|chosen| !chosen.contains(&piece)) && may(piece);
        let mut rarest = rarity.rarest(most, self.graded, free, rng);
        let copies = |piece: PieceIndex| rarity.availability(piece);
        let begun = partials.iter().filter(|(_, partial)| !partial.is_whole()).map(|(piece, _)| *piece);
        let open = |p: &PieceIndex| wanted.get(p.0) && !have.get(p.0) && free(*p) && copies(*p) > 0;
        let begun = begun.filter(open).min_by_key(|piece| copies(*piece));
        match (begun, rarest.first()) {
            (Some(begun), Some(first)) if copies(begun) <= copies(*first) => rarest.insert(0, begun),
            (Some(begun), None) => rarest.push(begun),
            _ => {}
        }
        rarest
    }

    /// The piece that a peer should begin of those that are chosen.
    pub(super) fn next_chosen(&self, pieces: &Pieces) -> Option<PieceIndex> {
        let open = self.chosen().filter(|piece| self.rarity.contains(*piece) && pieces.has(*piece));
        open.min_by_key(|piece| self.rarity.availability(*piece))
    }

    /// What is wanted, or here, has changed.
    pub(super) fn review_chosen(&mut self) {
        let (wanted, have) = (&self.wanted, &self.have);
        if let Some(chosen) = &mut self.chosen {
            chosen.retain(|piece| wanted.get(piece.0) && !have.get(piece.0));
        }
    }
}
