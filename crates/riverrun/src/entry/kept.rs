//! What of a torrent's state is on the disk.

use types::{Bitfield, PieceIndex};

/// What resume data may claim, and how far the saved state is behind.
#[derive(Debug)]
pub(crate) struct Kept {
    durable: Bitfield,
    unsynced: bool,
    unsaved: bool,
    moved: bool,
}

impl Kept {
    /// Nothing is claimed, and nothing is to be saved.
    pub(crate) fn new(pieces: u32) -> Kept {
        Kept { durable: Bitfield::new(pieces), unsynced: false, unsaved: false, moved: false }
    }

    /// The pieces that resume data may claim.
    pub(crate) fn durable(&self) -> &Bitfield {
        &self.durable
    }

    /// A piece was stored, and no sync has covered it.
    pub(crate) fn stored(&mut self) {
        (self.unsynced, self.unsaved) = (true, true);
    }

    /// A sync has covered these.
    pub(crate) fn synced(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        pieces.into_iter().for_each(|piece| _ = self.durable.insert(piece.0));
        self.unsaved = true;
    }

    /// A piece may be claimed no more.
    pub(crate) fn doubt(&mut self, piece: PieceIndex) {
        self.durable.remove(piece.0);
        self.unsaved = true;
    }

    /// A check found that these are on the disk for good.
    pub(crate) fn set_durable(&mut self, durable: Bitfield) {
        self.durable = durable;
        self.unsaved = true;
    }

    /// Something changed that the saved state has.
    pub(crate) fn change(&mut self) {
        self.unsaved = true;
    }

    /// Bytes came or went: the saved totals are old.
    pub(crate) fn moved(&mut self) {
        self.moved = true;
    }

    /// Whether it should be synced and saved soon.
    pub(crate) fn is_behind(&self) -> bool {
        self.unsynced || self.unsaved
    }

    /// A sync begins, which covers what is stored now.
    pub(crate) fn sync_begins(&mut self) {
        self.unsynced = false;
    }

    /// Whether the saved state is older than this one in anything.
    pub(crate) fn is_news(&self) -> bool {
        self.unsaved || self.moved
    }

    /// It is being saved as it is now.
    pub(crate) fn save_begins(&mut self) {
        (self.unsaved, self.moved) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_synced_and_then_saved() {
        let mut kept = Kept::new(4);
        kept.stored();
        kept.sync_begins();
        assert!(kept.is_behind(), "the saved state does not have it");
        kept.save_begins();
        assert!(!kept.is_behind());
        kept.synced([PieceIndex(2)]);
        assert!(kept.is_behind() && kept.durable().get(2));
        kept.save_begins();
        kept.moved();
        assert!(!kept.is_behind() && kept.is_news(), "totals are saved now and then");
        kept.doubt(PieceIndex(2));
        assert!(!kept.durable().get(2) && kept.is_behind());
    }
}
