//! Which pieces that are begun belong to whom, so that a pick does not look through all of them.
//!
//! These are hints: each piece stands where it belongs, and may stand where it belonged. Whoever reads them looks at the
//! piece itself.

use std::collections::{BTreeMap, BTreeSet};

use types::PieceIndex;

use super::partial::Partial;
use crate::ConnId;

/// Pieces by who began them.
#[derive(Debug, Default)]
pub(super) struct Begun {
    owned: BTreeMap<ConnId, BTreeSet<PieceIndex>>,
    loose: BTreeSet<PieceIndex>,
    /// Pieces that fast peers fetch side by side, beyond the one that each peer has.
    beside: BTreeMap<ConnId, u32>,
    all_beside: u32,
}

impl Begun {
    /// This peer fetches so many pieces side by side, at least one. What it owes is `owed` pieces: those that are asked for to
    /// the last block are begun as well, until they have come.
    pub(super) fn abreast(&mut self, conn: ConnId, pieces: u32, owed: u32) {
        let more = if pieces > 1 { pieces - 1 + owed } else { 0 };
        let before = if more == 0 { self.beside.remove(&conn) } else { self.beside.insert(conn, more) };
        self.all_beside = self.all_beside + more - before.unwrap_or(0);
    }

    /// How many pieces may be begun because fast peers fetch several side by side.
    pub(super) fn beside(&self) -> u32 {
        self.all_beside
    }

    /// The piece belongs to this peer from now on.
    pub(super) fn claim(&mut self, piece: PieceIndex, by: ConnId) {
        self.owned.entry(by).or_default().insert(piece);
        self.loose.remove(&piece);
    }

    /// The piece belongs to nobody.
    pub(super) fn free(&mut self, piece: PieceIndex) {
        self.loose.insert(piece);
    }

    /// A peer gives up what it began. Returns the pieces that may have been its.
    pub(super) fn leave(&mut self, conn: ConnId) -> BTreeSet<PieceIndex> {
        self.abreast(conn, 1, 0);
        self.owned.remove(&conn).unwrap_or_default()
    }

    /// Nothing is begun.
    pub(super) fn clear(&mut self) {
        (self.owned, self.loose) = Default::default();
    }

    /// The pieces of this peer, ascending.
    pub(super) fn of(&mut self, conn: ConnId, partials: &BTreeMap<PieceIndex, Partial>) -> Vec<PieceIndex> {
        let Some(pieces) = self.owned.get_mut(&conn) else { return Vec::new() };
        let is_its = |piece: &PieceIndex| partials.get(piece).is_some_and(|p| p.owner == Some(conn));
        pieces.retain(is_its);
        pieces.iter().copied().collect()
    }

    /// The pieces of this peer, ascending, as they are.
    pub(super) fn each_of<'a>(
        &'a self,
        conn: ConnId,
        partials: &'a BTreeMap<PieceIndex, Partial>,
    ) -> impl Iterator<Item = (PieceIndex, &'a Partial)> {
        let pieces = self.owned.get(&conn).into_iter().flatten();
        let its = pieces.filter_map(|piece| Some((*piece, partials.get(piece)?)));
        its.filter(move |(_, partial)| partial.owner == Some(conn))
    }

    /// The pieces of nobody, ascending.
    pub(super) fn of_nobody(&mut self, partials: &BTreeMap<PieceIndex, Partial>) -> Vec<PieceIndex> {
        self.loose.retain(|piece| partials.get(piece).is_some_and(|p| p.owner.is_none()));
        self.loose.iter().copied().collect()
    }
}
