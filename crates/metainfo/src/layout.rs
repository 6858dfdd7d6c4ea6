//! Which bytes of the payload lie in which file.

use std::ops::Range;
use std::sync::Arc;

use types::{Geometry, GeometryError, PieceIndex};

use crate::file::FileIndex;

/// Maps runs of payload bytes to files, by binary search.
///
/// Files lie in order. Between them there may be gaps: in v2 torrents each file begins at a piece boundary (BEP 52).
/// Gaps and padding files (BEP 47) read as zeros and are never stored. A clone shares the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// None where there is one file, of all bytes.
    table: Option<Arc<Table>>,
    total: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Table {
    /// Every file, in order.
    files: Box<[Span]>,
    /// The numbers of those that are not empty, so that a search never walks over empty ones. None where that is all.
    filled: Option<Box<[u32]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u64,
    len: u64,
    padding: bool,
}

/// A run of payload bytes in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the payload space, in bytes.
    pub at: u64,
    /// How long it is, in bytes; never 0.
    pub len: u64,
    /// Where its bytes are.
    pub place: Place,
}

/// Where payload bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        file: FileIndex,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// Nowhere: padding or the gap after a v2 file. They are zeros, and never written.
    Zeros,
}

impl FileLayout {
    /// Files one after the other: `(length, is padding)` each. With `align`, each file that is not empty begins at a
    /// multiple of it.
    ///
    /// Returns `None` where the payload is longer than a `u64` counts.
    pub fn new(files: impl IntoIterator<Item = (u64, bool)>, align: Option<u32>) -> Option<FileLayout> {
        let (mut spans, mut filled, mut total) = (Vec::new(), Vec::new(), 0u64);
        for (len, padding) in files {
            let start = match align {
                Some(align) if len > 0 => total.checked_next_multiple_of(align.into())?,
                _ => total,
            };
            total = start.checked_add(len)?;
            if len > 0 {
                filled.push(u32::try_from(spans.len()).ok()?);
            }
            spans.push(Span { start, len, padding });
        }
        if matches!(*spans, [Span { len: 1.., padding: false, .. }]) {
            return Some(FileLayout { table: None, total });
        }
        let filled = (filled.len() < spans.len()).then(|| filled.into());
        Some(FileLayout { table: Some(Arc::new(Table { files: spans.into(), filled })), total })
    }

    /// How many files there are.
    pub fn files(&self) -> u32 {
        self.table.as_ref().map_or(1, |table| table.files.len() as u32)
    }

    /// Length of the payload space, in bytes, gaps and padding included.
    pub fn total_len(&self) -> u64 {
        self.total
    }

    /// The payload bytes of `file`; empty where there is no such file.
    pub fn file_range(&self, file: FileIndex) -> Range<u64> {
        self.span(file.0).map_or(0..0, |span| span.start..span.start + span.len)
    }

    /// The file, padding files included, that holds byte `at` of the payload.
    pub fn file_at(&self, at: u64) -> Option<FileIndex> {
        let number = self.filled(self.first_after(at))?;
        (self.span(number)?.start <= at).then_some(FileIndex(number))
    }

    /// The pieces that hold bytes of `file`; empty for an empty file.
    pub fn pieces_of_file(&self, file: FileIndex, geometry: &Geometry) -> Range<u32> {
        geometry.pieces_of(self.file_range(file))
    }

    /// The files, padding files included, that have bytes in `piece`, in order.
    pub fn files_of_piece(
        &self,
        piece: PieceIndex,
        geometry: &Geometry,
    ) -> impl Iterator<Item = FileIndex> + '_ {
        let range = geometry.piece_range(piece);
        let first = self.first_after(range.start);
        let from_first = (first..).map_while(|at| self.filled(at));
        let touched =
            from_first.take_while(move |n| self.span(*n).is_some_and(|span| span.start < range.end));
        touched.map(FileIndex)
    }

    /// The places of the payload bytes in `range`, in order, without holes. What lies beyond the payload is left out.
    /// Takes O(log files + extents).
    pub fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let end = range.end.min(self.total);
        Extents { layout: self, at: range.start, end, next: self.first_after(range.start) }
    }

    /// Where a file lies.
    fn span(&self, file: u32) -> Option<Span> {
        match &self.table {
            Some(table) => table.files.get(file as usize).copied(),
            None => (file == 0).then_some(Span { start: 0, len: self.total, padding: false }),
        }
    }

    /// The number of the file at this place among those that are not empty.
    fn filled(&self, at: usize) -> Option<u32> {
        match self.table.as_ref().and_then(|table| table.filled.as_ref()) {
            Some(filled) => filled.get(at).copied(),
            None => (at < self.files() as usize).then_some(at as u32),
        }
    }

    /// The place among the files that are not empty of the first one that ends after byte `at`.
    fn first_after(&self, at: u64) -> usize {
        let before = |span: &Span| span.start + span.len <= at;
        let Some(table) = &self.table else { return usize::from(self.total <= at) };
        match &table.filled {
            Some(filled) => filled.partition_point(|&n| before(&table.files[n as usize])),
            None => table.files.partition_point(before),
        }
    }
}

/// Cuts a layout into pieces. With `aligned`, every piece ends with the file it is of, as in v2 torrents; without, padding
/// files are known zeros of their pieces.
pub(crate) fn geometry(
    layout: &FileLayout,
    piece_len: u32,
    aligned: bool,
) -> Result<Geometry, GeometryError> {
    let geometry = Geometry::new(layout.total, piece_len)?;
    let filled = || (0..layout.files()).filter_map(|n| layout.span(n)).filter(|span| span.len > 0);
    if !aligned {
        let padding = filled().filter(|span| span.padding);
        return geometry.with_padding(padding.map(|span| span.start..span.start + span.len));
    }
    let len = u64::from(piece_len);
    let tails = filled().filter_map(|span| {
        let tail = span.len % len;
        // The number of a piece fits, or `Geometry::new` had refused.
        (tail > 0).then(|| (PieceIndex(((span.start + span.len) / len) as u32), tail as u32))
    });
    geometry.with_short_pieces(&tails.collect::<Vec<_>>())
}

/// The extents of a run of payload bytes.
#[derive(Clone, Debug)]
pub struct Extents<'a> {
    layout: &'a FileLayout,
    at: u64,
    end: u64,
    next: usize,
}

impl Iterator for Extents<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        if self.at >= self.end {
            return None;
        }
        // The payload ends with a file's end, so there is one that ends after `at`.
        let number = self.layout.filled(self.next)?;
        let span = self.layout.span(number)?;
        let (stop, place) = if self.at < span.start {
            (span.start, Place::Zeros)
        } else {
            self.next += 1;
            let file = Place::File { file: FileIndex(number), offset: self.at - span.start };
            (span.start + span.len, if span.padding { Place::Zeros } else { file })
        };
        let extent = Extent { at: self.at, len: stop.min(self.end) - self.at, place };
        self.at += extent.len;
        Some(extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gaps_and_padding_are_zeros() {
        let layout = FileLayout::new([(5, false), (0, false), (3, true), (2, false)], None).unwrap();
        let extents: Vec<_> = layout.extents(4..9).collect();
        let file = |file, offset| Place::File { file: FileIndex(file), offset };
        assert_eq!(
            extents.iter().map(|e| (e.at, e.len, e.place)).collect::<Vec<_>>(),
            [(4, 1, file(0, 4)), (5, 3, Place::Zeros), (8, 1, file(3, 0)),]
        );
        let layout = FileLayout::new([(5, false), (0, false), (3, false)], Some(8)).unwrap();
        assert_eq!(layout.total_len(), 11);
        assert_eq!(layout.file_range(FileIndex(2)), 8..11);
        assert_eq!(layout.file_at(6), None);
        assert_eq!(layout.extents(0..100).map(|e| e.len).collect::<Vec<_>>(), [5, 3, 3]);
        assert_eq!(layout.extents(11..12).count(), 0);
        let geometry = Geometry::new(11, 8).unwrap();
        assert_eq!(layout.pieces_of_file(FileIndex(2), &geometry), 1..2);
        assert_eq!(layout.files_of_piece(PieceIndex(1), &geometry).collect::<Vec<_>>(), [FileIndex(2)]);
    }

    #[test]
    fn a_geometry_knows_the_padding_of_v1_files_and_the_gaps_of_v2_files() {
        let files = [(5, false), (3, true), (2, false), (6, true)];
        let layout = FileLayout::new(files, None).unwrap();
        let cut = geometry(&layout, 8, false).unwrap();
        assert_eq!((cut.data_len(), cut.padding_len(), cut.piece_data_len(PieceIndex(1))), (7, 9, 2));
        let layout = FileLayout::new([(5, false), (2, false)], Some(8)).unwrap();
        let cut = geometry(&layout, 8, true).unwrap();
        assert_eq!((cut.data_len(), cut.padding_len(), cut.piece_len(PieceIndex(0))), (7, 0, 5));
    }

    #[test]
    fn lengths_that_overflow_are_no_layout() {
        assert!(FileLayout::new([(u64::MAX, false), (1, false)], None).is_none());
        assert!(FileLayout::new([(u64::MAX, false), (1, false)], Some(16)).is_none());
    }

    proptest! {
        #[test]
        fn extents_cover_each_byte_once(
            lens in proptest::collection::vec((0u64..40, any::<bool>()), 0..12),
            align in proptest::option::of(1u32..33),
            start in 0u64..300,
            len in 0u64..300,
        ) {
            let layout = FileLayout::new(lens, align).unwrap();
            let end = (start + len).min(layout.total_len());
            let mut at = start;
            for extent in layout.extents(start..start + len) {
                prop_assert_eq!(extent.at, at);
                prop_assert!(extent.len > 0);
                match extent.place {
                    Place::File { file, offset } => {
                        let range = layout.file_range(file);
                        prop_assert_eq!(range.start + offset, at);
                        prop_assert!(at + extent.len <= range.end);
                        prop_assert_eq!(layout.file_at(at), Some(file));
                    }
                    Place::Zeros => {
                        let real = (0..layout.files()).map(FileIndex).find(|&f| layout.file_range(f).contains(&at));
                        prop_assert!(real.is_none_or(|f| layout.span(f.0).unwrap().padding));
                    }
                }
                at += extent.len;
            }
            prop_assert_eq!(at.max(end), at.max(start));
            prop_assert!(start >= end || at == end);
        }
    }
}
