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
}

impl Begun {
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

    /// The pieces of nobody, ascending.
    pub(super) fn of_nobody(&mut self, partials: &BTreeMap<PieceIndex, Partial>) -> Vec<PieceIndex> {
        self.loose.retain(|piece| partials.get(piece).is_some_and(|p| p.owner.is_none()));
        self.loose.iter().copied().collect()
    }
}
