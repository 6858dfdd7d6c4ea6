//! Pieces and blocks: the arithmetic of one torrent's payload.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::limits;

/// The length of a block, in bytes: what one request asks for (BEP 3). Only the last block of a torrent may be shorter.
pub const BLOCK_LEN: u32 = 16 * 1024;

/// The number of a piece, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PieceIndex(pub u32);

/// The number of a block inside its piece, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BlockIndex(pub u32);

impl PieceIndex {
    /// As an index into a slice.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl BlockIndex {
    /// As an index into a slice.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }

    /// Where the block begins in its piece, in bytes.
    pub const fn begin(self) -> u32 {
        self.0 * BLOCK_LEN
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "piece {}", self.0)
    }
}

impl fmt::Debug for BlockIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.0)
    }
}

/// A run of bytes inside a piece, as requests and piece messages name it (BEP 3). Not necessarily within a torrent:
/// [`Geometry::contains`] says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The piece.
    pub piece: PieceIndex,
    /// Where the run begins in the piece, in bytes.
    pub begin: u32,
    /// How long it is, in bytes.
    pub len: u32,
}

impl BlockRef {
    /// The block this begins, where it begins at a block's start.
    pub fn block(self) -> Option<BlockIndex> {
        self.begin.is_multiple_of(BLOCK_LEN).then_some(BlockIndex(self.begin / BLOCK_LEN))
    }
}

impl fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}..{}", self.piece.0, self.begin, u64::from(self.begin) + u64::from(self.len))
    }
}

/// How a torrent's payload is cut: total length, piece length, and where a piece is shorter than the others.
///
/// A v2 torrent starts each file at a piece boundary (BEP 52). Its geometry describes the space with the gaps in it,
/// and [`Geometry::with_short_pieces`] says which pieces end early because their file does: the bytes from there to the
/// next piece are in no file and never on the wire.
///
/// A v1 or hybrid torrent reaches the same with padding files (BEP 47), whose bytes are known to be zeros.
/// [`Geometry::with_padding`] says where they lie: they are part of their pieces and of what is hashed, but nobody needs
/// to ask for them and no total counts them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Geometry {
    total: u64,
    piece_len: u32,
    pieces: u32,
    /// What most torrents have nothing of: `None` where there is neither a short piece nor padding.
    extra: Option<Arc<Extra>>,
}

/// Where a payload has fewer bytes to send than it is long.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Extra {
    /// Bytes that are neither in a gap nor padding.
    data: u64,
    /// Pieces that end before the next one begins, with their lengths, ascending. Empty for every v1 torrent.
    short: Box<[(u32, u32)]>,
    /// Where padding lies: ascending runs that do not touch.
    padding: Box<[Padding]>,
}

/// A run of padding bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Padding {
    start: u64,
    end: u64,
    /// Padding bytes before `start`.
    before: u64,
}

/// Why a payload can't be cut this way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GeometryError {
    /// The piece length is 0 or over [`limits::PIECE_LEN`].
    PieceLen(u64),
    /// The payload is longer than [`limits::FILE_LEN`].
    TotalLen(u64),
    /// More pieces than [`limits::PIECES`].
    Pieces(u64),
    /// The list of short pieces is not ascending, names a missing piece, or gives a length of 0 or of more than the
    /// piece has.
    ShortPiece(PieceIndex),
    /// The list of padding runs is not ascending, overlaps, or reaches beyond the payload or into a gap; with the byte
    /// where the first such run begins.
    Padding(u64),
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GeometryError::PieceLen(n) => {
                write!(f, "piece length {n} is outside 1 to {} bytes", limits::PIECE_LEN)
            }
            GeometryError::TotalLen(n) => {
                write!(f, "length {n} is over the limit of {} bytes", limits::FILE_LEN)
            }
            GeometryError::Pieces(n) => write!(f, "{n} pieces are over the limit of {}", limits::PIECES),
            GeometryError::ShortPiece(n) => {
                write!(f, "piece {n} is out of order, missing, or of a length it cannot have")
            }
            GeometryError::Padding(at) => {
                write!(f, "the padding at byte {at} is out of order or where no padding can be")
            }
        }
    }
}

impl std::error::Error for GeometryError {}

impl Geometry {
    /// No payload at all: of a torrent whose files are not known yet.
    pub const EMPTY: Geometry = Geometry { total: 0, piece_len: BLOCK_LEN, pieces: 0, extra: None };

    /// Cuts `total` bytes into pieces of `piece_len` bytes, the last one shorter where it does not come out even.
    pub fn new(total: u64, piece_len: u32) -> Result<Geometry, GeometryError> {
        if piece_len == 0 || piece_len > limits::PIECE_LEN {
            return Err(GeometryError::PieceLen(piece_len.into()));
        }
        if total > limits::FILE_LEN {
            return Err(GeometryError::TotalLen(total));
        }
        let pieces = total.div_ceil(piece_len.into());
        match u32::try_from(pieces) {
            Ok(pieces) if pieces <= limits::PIECES => Ok(Geometry { total, piece_len, pieces, extra: None }),
            _ => Err(GeometryError::Pieces(pieces)),
        }
    }

    /// The same cut where the given pieces, in ascending order, have fewer bytes than the distance to the next piece.
    ///
    /// ```
    /// use riverrun_types::{Geometry, PieceIndex};
    /// // Two v2 files of 20 000 bytes each, cut into pieces of 16 KiB.
    /// let cut = Geometry::new(2 * 16_384 + 20_000, 16_384)?.with_short_pieces(&[(PieceIndex(1), 3_616)])?;
    /// assert_eq!(cut.piece_len(PieceIndex(1)), 3_616);
    /// assert_eq!((cut.total_len(), cut.data_len()), (52_768, 40_000));
    /// # Ok::<(), riverrun_types::GeometryError>(())
    /// ```
    ///
    /// # Errors
    /// [`GeometryError::ShortPiece`] names the first entry that is not ascending, has no such piece, or a length that
    /// is 0 or more than the piece has.
    pub fn with_short_pieces(mut self, short: &[(PieceIndex, u32)]) -> Result<Geometry, GeometryError> {
        self.extra = None;
        let (mut data, mut next) = (self.total, 0);
        for &(piece, len) in short {
            let room = self.piece_len(piece);
            if piece.0 < next || len == 0 || len > room {
                return Err(GeometryError::ShortPiece(piece));
            }
            data -= u64::from(room - len);
            next = piece.0 + 1;
        }
        if data < self.total {
            let short = short.iter().map(|&(piece, len)| (piece.0, len)).collect();
            self.extra = Some(Arc::new(Extra { data, short, padding: Box::default() }));
        }
        Ok(self)
    }

    /// The same cut where these runs of payload bytes, in ascending order, are padding (BEP 47). Empty runs are left out.
    /// Takes 24 bytes for each run.
    ///
    /// ```
    /// use riverrun_types::{BlockIndex, Geometry, PieceIndex};
    /// // A file of 20 000 bytes, padding to the end of its piece of 64 KiB, and a file of 10 bytes.
    /// let cut = Geometry::new(65_536 + 10, 65_536)?.with_padding([20_000..65_536])?;
    /// assert_eq!((cut.data_len(), cut.piece_len(PieceIndex(0))), (20_010, 65_536));
    /// let block = |n| cut.block(PieceIndex(0), BlockIndex(n));
    /// assert_eq!((cut.data_in(block(1)), cut.data_in(block(2))), (20_000 - 16_384, 0));
    /// # Ok::<(), riverrun_types::GeometryError>(())
    /// ```
    ///
    /// # Errors
    /// [`GeometryError::Padding`] names the first run that is out of order, overlaps the one before it, or is not within
    /// the pieces.
    pub fn with_padding(
        mut self,
        runs: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Geometry, GeometryError> {
        let unpadded = self.data_len() + self.padding_len();
        let (mut padding, mut sum): (Vec<Padding>, u64) = (Vec::new(), 0);
        for run in runs.into_iter().filter(|run| !run.is_empty()) {
            let earlier = padding.last().map_or(0, |last| last.end);
            if run.start < earlier || run.end > self.total || self.reaches_into_gap(&run) {
                return Err(GeometryError::Padding(run.start));
            }
            match padding.last_mut().filter(|last| last.end == run.start) {
                Some(last) => last.end = run.end,
                None => padding.push(Padding { start: run.start, end: run.end, before: sum }),
            }
            sum += run.end - run.start;
        }
        let short = self.short();
        self.extra = (sum > 0 || !short.is_empty())
            .then(|| Arc::new(Extra { data: unpadded - sum, short: short.into(), padding: padding.into() }));
        Ok(self)
    }

    /// Whether a run has a byte behind the early end of a short piece.
    fn reaches_into_gap(&self, run: &Range<u64>) -> bool {
        let short = self.short();
        let pieces = self.pieces_of(run.clone());
        let first = short.partition_point(|&(piece, _)| piece < pieces.start);
        short[first..].iter().take_while(|&&(piece, _)| piece < pieces.end).any(|&(piece, len)| {
            let gap = u64::from(piece) * u64::from(self.piece_len);
            gap + u64::from(len) < run.end && run.start < gap + u64::from(self.piece_len)
        })
    }

    /// Length of the payload space, in bytes: gaps between v2 files included.
    pub const fn total_len(&self) -> u64 {
        self.total
    }

    /// Bytes that somebody has to send: the payload space without gaps and padding.
    pub fn data_len(&self) -> u64 {
        self.extra.as_ref().map_or(self.total, |extra| extra.data)
    }

    fn short(&self) -> &[(u32, u32)] {
        self.extra.as_ref().map_or(&[], |extra| &extra.short)
    }

    fn padding(&self) -> &[Padding] {
        self.extra.as_ref().map_or(&[], |extra| &extra.padding)
    }

    /// Bytes of padding.
    pub fn padding_len(&self) -> u64 {
        self.padding_before(u64::MAX)
    }

    /// Bytes of `piece` that somebody has to send: those that are no padding.
    pub fn piece_data_len(&self, piece: PieceIndex) -> u32 {
        let range = self.piece_range(piece);
        let len = range.end - range.start;
        (len - self.padding_in(range)) as u32
    }

    /// Bytes of `run`, which lies within the torrent, that are no padding. Where there are none it is all zeros, and there
    /// is nothing to ask for.
    pub fn data_in(&self, run: BlockRef) -> u32 {
        let start = self.offset_of(run);
        run.len.saturating_sub(self.padding_in(start..start + u64::from(run.len)) as u32)
    }

    /// The parts of a run of payload bytes that are padding, in order.
    pub fn padding_of(&self, bytes: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let padding = self.padding();
        let first = padding.partition_point(|run| run.end <= bytes.start);
        let inside = padding[first..].iter().take_while(move |run| run.start < bytes.end);
        inside.map(move |run| run.start.max(bytes.start)..run.end.min(bytes.end))
    }

    /// The pieces that are padding from end to end, in order. Takes time in proportion to their number and that of the
    /// runs of padding.
    pub fn padding_pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let len = u64::from(self.piece_len);
        self.padding().iter().flat_map(move |run| {
            // The payload's last piece may end early, so that its padding does not reach a piece's full length.
            let end = if run.end == self.total { u64::from(self.pieces) } else { run.end / len };
            (run.start.div_ceil(len) as u32..end as u32).map(PieceIndex)
        })
    }

    fn padding_in(&self, bytes: Range<u64>) -> u64 {
        if self.padding().is_empty() {
            return 0;
        }
        self.padding_before(bytes.end) - self.padding_before(bytes.start.min(bytes.end))
    }

    /// Padding bytes before byte `at` of the payload.
    fn padding_before(&self, at: u64) -> u64 {
        let padding = self.padding();
        let next = padding.partition_point(|run| run.start < at);
        padding[..next].last().map_or(0, |run| run.before + run.end.min(at) - run.start)
    }

    /// Distance from one piece to the next, in bytes: the length of every piece that is not the last or a short one.
    pub const fn nominal_piece_len(&self) -> u32 {
        self.piece_len
    }

    /// How many pieces there are.
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Every piece, in order.
    pub fn piece_indexes(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// Whether there is such a piece.
    pub const fn has_piece(&self, piece: PieceIndex) -> bool {
        piece.0 < self.pieces
    }

    /// Length of `piece`, in bytes; 0 where there is no such piece.
    pub fn piece_len(&self, piece: PieceIndex) -> u32 {
        let range = self.piece_range(piece);
        (range.end - range.start) as u32
    }

    /// Where `piece` lies in the payload; empty where there is no such piece. The gap after a short piece is not in it.
    pub fn piece_range(&self, piece: PieceIndex) -> Range<u64> {
        let start = (u64::from(piece.0) * u64::from(self.piece_len)).min(self.total);
        match self.short_len(piece) {
            Some(len) => start..start + u64::from(len),
            None => start..(start + u64::from(self.piece_len)).min(self.total),
        }
    }

    fn short_len(&self, piece: PieceIndex) -> Option<u32> {
        let short = self.short();
        short.binary_search_by_key(&piece.0, |&(piece, _)| piece).ok().map(|at| short[at].1)
    }

    /// How many blocks `piece` has.
    pub fn blocks_in(&self, piece: PieceIndex) -> u32 {
        self.piece_len(piece).div_ceil(BLOCK_LEN)
    }

    /// How many blocks the longest piece has.
    pub const fn blocks_per_piece(&self) -> u32 {
        self.piece_len.div_ceil(BLOCK_LEN)
    }

    /// The bytes of one block; of length 0 where there is no such block.
    pub fn block(&self, piece: PieceIndex, block: BlockIndex) -> BlockRef {
        let len = self.piece_len(piece);
        let begin = block.0.saturating_mul(BLOCK_LEN).min(len);
        BlockRef { piece, begin, len: (len - begin).min(BLOCK_LEN) }
    }

    /// Whether `run` lies wholly inside its piece and is not empty.
    pub fn contains(&self, run: BlockRef) -> bool {
        run.len > 0 && u64::from(run.begin) + u64::from(run.len) <= u64::from(self.piece_len(run.piece))
    }

    /// As [`Geometry::contains`], but a run may reach beyond a piece that ends early, as far as a piece can be long.
    /// libtorrent 2.0 asks for whole blocks there in v2 torrents; what is beyond counts as zeros.
    pub fn contains_with_gap(&self, run: BlockRef) -> bool {
        let end = u64::from(run.begin) + u64::from(run.len);
        run.len > 0 && run.begin < self.piece_len(run.piece) && end <= u64::from(self.piece_len)
    }

    /// The block that `run` is, where it is exactly one of our blocks.
    pub fn exact_block(&self, run: BlockRef) -> Option<BlockIndex> {
        let block = run.block()?;
        (run.len > 0 && self.block(run.piece, block) == run).then_some(block)
    }

    /// Where `run` begins in the payload, in bytes.
    pub fn offset_of(&self, run: BlockRef) -> u64 {
        u64::from(run.piece.0) * u64::from(self.piece_len) + u64::from(run.begin)
    }

    /// The run of `len` bytes from byte `offset` of the payload on, in the piece that holds that byte: the way back from
    /// [`Geometry::offset_of`]. [`Geometry::contains`] says whether all of it lies in the piece.
    pub fn run_at(&self, offset: u64, len: u32) -> Option<BlockRef> {
        let piece = self.piece_at(offset)?;
        // Less than a piece is long.
        let begin = (offset % u64::from(self.piece_len)) as u32;
        Some(BlockRef { piece, begin, len })
    }

    /// The piece that holds byte `offset` of the payload; for a byte in a gap, the short piece before it.
    pub fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        (offset < self.total).then(|| PieceIndex((offset / u64::from(self.piece_len)) as u32))
    }

    /// The pieces that a run of payload bytes touches.
    pub fn pieces_of(&self, bytes: Range<u64>) -> Range<u32> {
        let end = bytes.end.min(self.total);
        if bytes.start >= end {
            return 0..0;
        }
        let len = u64::from(self.piece_len);
        (bytes.start / len) as u32..end.div_ceil(len) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_torrent_keeps_many_times_is_small() {
        assert_eq!(size_of::<Geometry>(), 24);
        let cut = Geometry::new(100, 10).unwrap();
        let short = cut.clone().with_short_pieces(&[(PieceIndex(2), 4)]).unwrap();
        let both = short.clone().with_padding([1..3, 3..5]).unwrap();
        assert_eq!((short.data_len(), both.data_len()), (94, 90));
        assert_eq!(both.clone().with_padding([7..8, 8..8]).unwrap().data_len(), 93);
        assert_eq!(both.clone().with_padding([]).unwrap(), short);
        assert_eq!(both.with_short_pieces(&[]).unwrap(), cut);
        assert!(cut.extra.is_none() && cut.with_padding([5..5, 6..6]).unwrap().extra.is_none());
    }

    #[test]
    fn the_last_piece_and_block_may_be_one_byte() {
        let g = Geometry::new(3 * 40_000 + 1, 40_000).unwrap();
        assert_eq!((g.pieces(), g.piece_len(PieceIndex(3)), g.piece_len(PieceIndex(4))), (4, 1, 0));
        assert_eq!(g.blocks_in(PieceIndex(0)), 3);
        assert_eq!(g.block(PieceIndex(0), BlockIndex(2)).len, 40_000 - 2 * BLOCK_LEN);
        assert_eq!(g.block(PieceIndex(3), BlockIndex(0)).len, 1);
        assert_eq!(g.block(PieceIndex(3), BlockIndex(9)).len, 0);
    }

    #[test]
    fn runs_are_checked_without_overflow() {
        let g = Geometry::new(100_000, 32_768).unwrap();
        let run = |piece, begin, len| BlockRef { piece: PieceIndex(piece), begin, len };
        assert!(g.contains(run(0, 0, 32_768)) && g.contains(run(3, 0, 1696)));
        assert!(
            !g.contains(run(0, u32::MAX, u32::MAX)) && !g.contains(run(4, 0, 1)) && !g.contains(run(0, 0, 0))
        );
        assert_eq!(g.exact_block(run(0, 16_384, 16_384)), Some(BlockIndex(1)));
        assert_eq!(g.exact_block(run(0, 16_384, 16_383)), None);
        assert_eq!(g.exact_block(run(0, 1, 16_384)), None);
    }

    #[test]
    fn a_run_may_reach_into_the_gap_behind_a_short_piece_and_no_further() {
        let g = Geometry::new(2 * 16_384 + 20, 16_384)
            .unwrap()
            .with_short_pieces(&[(PieceIndex(1), 100)])
            .unwrap();
        let run = |piece, begin, len| BlockRef { piece: PieceIndex(piece), begin, len };
        assert!(!g.contains(run(1, 0, 16_384)) && g.contains_with_gap(run(1, 0, 16_384)));
        assert!(g.contains_with_gap(run(0, 0, 16_384)) && g.contains_with_gap(run(2, 0, 20)));
        assert!(g.contains_with_gap(run(2, 0, 16_384)));
        let beyond = [run(1, 1, 16_384), run(1, 100, 1), run(2, 20, 1), run(3, 0, 1), run(1, 0, 0)];
        assert!(beyond.iter().all(|run| !g.contains_with_gap(*run)));
        assert!(!g.contains_with_gap(run(u32::MAX, u32::MAX, u32::MAX)));
    }

    #[test]
    fn byte_ranges_map_to_pieces() {
        let g = Geometry::new(100, 10).unwrap();
        assert_eq!(g.pieces_of(0..100), 0..10);
        assert_eq!(g.pieces_of(9..11), 0..2);
        assert_eq!(g.pieces_of(10..10), 0..0);
        assert_eq!(g.pieces_of(95..1000), 9..10);
        assert_eq!((g.piece_at(99), g.piece_at(100)), (Some(PieceIndex(9)), None));
        let run = g.run_at(34, 5).unwrap();
        assert_eq!((run.piece, run.begin, run.len, g.offset_of(run)), (PieceIndex(3), 4, 5, 34));
        assert_eq!(g.run_at(100, 1), None);
    }

    #[test]
    fn short_pieces_end_early_and_nothing_reaches_into_their_gap() {
        let cut = Geometry::new(100, 10).unwrap();
        let g = cut.clone().with_short_pieces(&[(PieceIndex(0), 4), (PieceIndex(7), 1)]).unwrap();
        assert_eq!(
            (g.piece_len(PieceIndex(0)), g.piece_len(PieceIndex(1)), g.piece_len(PieceIndex(7))),
            (4, 10, 1)
        );
        assert_eq!((g.total_len(), g.data_len()), (100, 85));
        assert_eq!(g.piece_range(PieceIndex(7)), 70..71);
        assert!(!g.contains(BlockRef { piece: PieceIndex(0), begin: 4, len: 1 }));
        assert_eq!(g.block(PieceIndex(0), BlockIndex(0)).len, 4);
        assert_eq!(g.piece_at(5), Some(PieceIndex(0)));
        let refused = |list: &[(u32, u32)]| {
            let list: Vec<_> = list.iter().map(|&(p, l)| (PieceIndex(p), l)).collect();
            cut.clone().with_short_pieces(&list).unwrap_err()
        };
        assert_eq!(refused(&[(3, 0)]), GeometryError::ShortPiece(PieceIndex(3)));
        assert_eq!(refused(&[(3, 11)]), GeometryError::ShortPiece(PieceIndex(3)));
        assert_eq!(refused(&[(10, 1)]), GeometryError::ShortPiece(PieceIndex(10)));
        assert_eq!(refused(&[(3, 1), (3, 1)]), GeometryError::ShortPiece(PieceIndex(3)));
        assert_eq!(cut.clone().with_short_pieces(&[]).unwrap(), cut);
    }

    #[test]
    fn padding_is_part_of_pieces_and_of_no_total() {
        let cut = Geometry::new(105, 10).unwrap();
        let g = cut.clone().with_padding([3..10, 10..10, 12..13, 13..15, 58..91, 100..105]).unwrap();
        assert_eq!((g.total_len(), g.data_len(), g.padding_len()), (105, 105 - 48, 48));
        let data = |piece| g.piece_data_len(PieceIndex(piece));
        assert_eq!([0, 1, 2, 5, 6, 9, 10, 11].map(data), [3, 7, 10, 8, 0, 9, 0, 0]);
        assert_eq!(g.piece_len(PieceIndex(6)), 10);
        let run = |begin, len| BlockRef { piece: PieceIndex(0), begin, len };
        assert_eq!((g.data_in(run(0, 4)), g.data_in(run(3, 7)), g.data_in(run(0, 10))), (3, 0, 3));
        assert_eq!(g.padding_of(5..59).collect::<Vec<_>>(), [5..10, 12..15, 58..59]);
        let whole: Vec<u32> = g.padding_pieces().map(|piece| piece.0).collect();
        assert_eq!(whole, [6, 7, 8, 10]);
        for bad in [[5..6, 9..106], [9..12, 11..13], [20..21, 0..1]] {
            let at = bad[1].start;
            assert_eq!(cut.clone().with_padding(bad), Err(GeometryError::Padding(at)));
        }
        let short = cut.clone().with_short_pieces(&[(PieceIndex(2), 4)]).unwrap();
        assert!(
            short.clone().with_padding([0..1, 24..26]).is_err()
                && short.clone().with_padding([1..2, 19..25]).is_err()
        );
        assert_eq!(short.with_padding([1..2, 22..24]).unwrap().data_len(), 105 - 6 - 3);
        assert_eq!(g.with_padding([]).unwrap(), cut);
    }

    #[test]
    fn impossible_cuts_are_refused() {
        assert_eq!(Geometry::new(1, 0), Err(GeometryError::PieceLen(0)));
        assert!(matches!(Geometry::new(limits::FILE_LEN + 1, 16_384), Err(GeometryError::TotalLen(_))));
        assert!(matches!(Geometry::new(limits::FILE_LEN, 16_384), Err(GeometryError::Pieces(_))));
        assert_eq!(Geometry::new(0, 16_384).unwrap().pieces(), 0);
    }
}
