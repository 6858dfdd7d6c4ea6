//! What can be read of a torrent before it is verified, for readers that do not wait.

use std::collections::BTreeMap;
use std::ops::Range;

use types::{BLOCK_LEN, Bitfield, Geometry, PieceIndex};

/// Blocks of unfinished pieces that lie on the disk, and how often a piece turned out wrong. Known only while somebody
/// watches.
#[derive(Debug, Default)]
pub(crate) struct Unverified(Option<Box<Watched>>);

/// What is known while somebody watches.
#[derive(Debug, Default)]
struct Watched {
    watchers: u32,
    blocks: BTreeMap<PieceIndex, Bitfield>,
    /// How often what lay there of a piece was taken back.
    failures: BTreeMap<PieceIndex, u32>,
}

/// Bytes that were read before they were verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) piece: PieceIndex,
    /// In bytes of the payload.
    pub(crate) bytes: Range<u64>,
    failures: u32,
}

impl Taken {
    /// Whether `next` is what follows, of the same piece and attempt.
    pub(crate) fn continues(&self, next: &Taken) -> bool {
        (self.piece, self.bytes.end, self.failures) == (next.piece, next.bytes.start, next.failures)
    }
}

impl Unverified {
    /// One more watches. Whether that is the first.
    pub(crate) fn watch(&mut self) -> bool {
        let watched = self.0.get_or_insert_default();
        watched.watchers += 1;
        watched.watchers == 1
    }

    /// One less watches. Whether that was the last.
    pub(crate) fn unwatch(&mut self) -> bool {
        let Some(watched) = &mut self.0 else { return true };
        watched.watchers -= 1;
        let last = watched.watchers == 0;
        if last {
            self.0 = None;
        }
        last
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// These blocks of a piece lie on the disk.
    pub(crate) fn stored(&mut self, piece: PieceIndex, blocks: Bitfield) {
        if let Some(watched) = &mut self.0 {
            watched.blocks.insert(piece, blocks);
        }
    }

    /// A piece is verified.
    pub(crate) fn passed(&mut self, piece: PieceIndex) {
        if let Some(watched) = &mut self.0 {
            watched.blocks.remove(&piece);
        }
    }

    /// What lay there of a piece counts no more.
    pub(crate) fn failed(&mut self, piece: PieceIndex) {
        if let Some(watched) = &mut self.0 {
            watched.blocks.remove(&piece);
            *watched.failures.entry(piece).or_default() += 1;
        }
    }

    /// What lay there of all pieces counts no more: they begin anew, but for those that are `verified`.
    pub(crate) fn begin_anew(&mut self, verified: &Bitfield) {
        let Some(watched) = &mut self.0 else { return };
        let before = std::mem::take(&mut watched.blocks);
        before.into_keys().filter(|piece| !verified.get(piece.0)).for_each(|piece| self.failed(piece));
    }

    /// What can be read from the start of a range on, inside its first piece.
    pub(crate) fn take(&self, geometry: &Geometry, bytes: Range<u64>) -> Option<Taken> {
        let (piece, watched) = (geometry.piece_at(bytes.start)?, self.0.as_ref()?);
        let blocks = watched.blocks.get(&piece)?;
        let whole = geometry.piece_range(piece);
        let first = (bytes.start - whole.start) / u64::from(BLOCK_LEN);
        let run =
            (first..u64::from(blocks.len())).take_while(|block| blocks.get(*block as u32)).count() as u64;
        let end = whole.start + (first + run) * u64::from(BLOCK_LEN);
        let failures = watched.failures.get(&piece).copied().unwrap_or(0);
        let taken = Taken { piece, bytes: bytes.start..end.min(whole.end).min(bytes.end), failures };
        (run > 0).then_some(taken)
    }

    /// Whether what was read then has been taken back since.
    pub(crate) fn is_taken_back(&self, taken: &Taken) -> bool {
        let failures = self.0.as_ref().and_then(|watched| watched.failures.get(&taken.piece));
        failures.copied().unwrap_or(0) != taken.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_read_from_its_start_and_taken_back_when_it_fails() {
        let geometry = Geometry::new(3 * 65_536, 65_536).unwrap();
        let mut known = Unverified::default();
        let blocks = |bits: [bool; 4]| bits.into_iter().collect::<Bitfield>();
        known.stored(PieceIndex(1), blocks([true; 4]));
        assert!(known.take(&geometry, 65_536..65_540).is_none(), "nobody watches");
        assert!(known.watch() && !known.watch());
        known.stored(PieceIndex(1), blocks([true, true, false, true]));
        let take = |known: &Unverified, bytes| known.take(&geometry, bytes).map(|taken| taken.bytes);
        assert_eq!(take(&known, 65_536..200_000), Some(65_536..98_304));
        assert_eq!(take(&known, 65_540..65_550), Some(65_540..65_550));
        assert_eq!(take(&known, 98_304..98_305), None);
        assert_eq!(take(&known, 0..10), None);
        let taken = known.take(&geometry, 65_536..65_537).unwrap();
        assert!(!known.is_taken_back(&taken));
        known.failed(PieceIndex(1));
        assert!(known.is_taken_back(&taken) && take(&known, 65_536..65_537).is_none());
        // A new attempt passes.
        known.stored(PieceIndex(1), blocks([true; 4]));
        let taken = known.take(&geometry, 65_536..65_537).unwrap();
        known.passed(PieceIndex(1));
        assert!(!known.is_taken_back(&taken));
        // A shard that is built anew has seen nothing of it.
        known.stored(PieceIndex(0), blocks([true; 4]));
        known.stored(PieceIndex(2), blocks([true; 4]));
        let (first, last) =
            (known.take(&geometry, 0..1).unwrap(), known.take(&geometry, 131_072..131_073).unwrap());
        known.begin_anew(&[true, false, false].into_iter().collect());
        assert!(!known.is_taken_back(&first) && known.is_taken_back(&last));
        assert!(!known.unwatch() && known.unwatch() && !known.is_watched());
    }
}
