//! What is to be hashed, and the digests that were.

use types::{BLOCK_LEN, Bitfield, Geometry, PieceIndex};

use crate::create::builder::{Builder, Entry};
use crate::create::{CreateError, encode};
use crate::file::FileIndex;
use crate::info::Version;
use crate::layout::{Extents, FileLayout};
use crate::limits::Limits;
use crate::merkle::{self, Hash};
use crate::metainfo::Metainfo;

/// The blocks of one piece that a v2 torrent hashes: those of the one file that has bytes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaves {
    data_len: u32,
    level: u32,
}

impl Leaves {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.data_len.div_ceil(BLOCK_LEN)
    }

    /// How many bytes of the file are in the piece. They come first in it.
    pub fn data_len(&self) -> u32 {
        self.data_len
    }

    /// How many bytes leaf `n` is the SHA-256 of; 0 beyond the last.
    pub fn len(&self, n: u32) -> u32 {
        self.data_len.saturating_sub(n.saturating_mul(BLOCK_LEN)).min(BLOCK_LEN)
    }

    /// Whether there are none. Never so.
    pub fn is_empty(&self) -> bool {
        self.data_len == 0
    }
}

/// The pieces of a new torrent, and the digests given so far. Digests may come in any order.
#[derive(Clone, Debug)]
pub struct HashPlan {
    builder: Builder,
    files: Vec<Entry>,
    layout: FileLayout,
    geometry: Geometry,
    v1: Vec<[u8; 20]>,
    v2: Vec<Hash>,
    has_v1: Bitfield,
    has_v2: Bitfield,
    /// Digests still to come.
    missing: u64,
}

impl HashPlan {
    pub(crate) fn new(
        builder: Builder,
        files: Vec<Entry>,
        layout: FileLayout,
        geometry: Geometry,
    ) -> HashPlan {
        let pieces = geometry.pieces();
        let (v1, v2) = (builder.version.has_v1(), builder.version.has_v2());
        let size = |wanted| if wanted { pieces } else { 0 };
        HashPlan {
            builder,
            files,
            layout,
            geometry,
            v1: vec![[0; 20]; size(v1) as usize],
            v2: vec![[0; 32]; size(v2) as usize],
            has_v1: Bitfield::new(size(v1)),
            has_v2: Bitfield::new(size(v2)),
            missing: u64::from(size(v1)) + u64::from(size(v2)),
        }
    }

    /// The version of the format.
    pub fn version(&self) -> Version {
        self.builder.version
    }

    /// The pieces. Each is to be hashed once, see [`HashPlan::set_v1`] and [`HashPlan::set_v2_leaves`].
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Where the bytes of the pieces are, in files of the torrent's order, padding included.
    pub fn layout(&self) -> &FileLayout {
        &self.layout
    }

    /// The bytes of a piece. Those of [`Place::Zeros`](crate::Place::Zeros) are padding, which v1 hashes as zeros.
    pub fn extents(&self, piece: PieceIndex) -> Extents<'_> {
        self.layout.extents(self.geometry.piece_range(piece))
    }

    /// The number, in the order in which the builder was told of them, of the file that the layout calls `file`; none
    /// for padding.
    pub fn source(&self, file: FileIndex) -> Option<usize> {
        self.files.get(file.as_usize())?.source
    }

    /// The leaves of a piece; none for v1 torrents.
    pub fn leaves(&self, piece: PieceIndex) -> Option<Leaves> {
        if !self.version().has_v2() {
            return None;
        }
        let file = self.layout.files_of_piece(piece, &self.geometry).next()?;
        let range = self.layout.file_range(file);
        let left = range.end - self.geometry.piece_range(piece).start;
        let piece_len = self.geometry.nominal_piece_len();
        let len = range.end - range.start;
        let level = match len <= piece_len.into() {
            true => merkle::height(len.div_ceil(BLOCK_LEN.into())),
            false => merkle::piece_level(piece_len),
        };
        Some(Leaves { data_len: left.min(piece_len.into()) as u32, level })
    }

    /// Gives the SHA-1 of a piece: all of its extents, padding as zeros.
    ///
    /// # Errors
    /// [`CreateError::UnexpectedDigest`] if there is no such piece or the torrent has no v1 part.
    pub fn set_v1(&mut self, piece: PieceIndex, digest: [u8; 20]) -> Result<(), CreateError> {
        let slot = self.v1.get_mut(piece.as_usize()).ok_or(CreateError::UnexpectedDigest(piece))?;
        *slot = digest;
        self.missing -= u64::from(self.has_v1.insert(piece.0));
        Ok(())
    }

    /// Gives the SHA-256 of each leaf of a piece, see [`HashPlan::leaves`].
    ///
    /// # Errors
    /// [`CreateError::UnexpectedDigest`] if there is no such piece, the torrent has no v2 part, or the number of leaves
    /// is wrong.
    pub fn set_v2_leaves(&mut self, piece: PieceIndex, leaves: &[Hash]) -> Result<(), CreateError> {
        let expected = self.leaves(piece).filter(|l| l.count() as usize == leaves.len());
        let expected = expected.ok_or(CreateError::UnexpectedDigest(piece))?;
        let slot = self.v2.get_mut(piece.as_usize()).ok_or(CreateError::UnexpectedDigest(piece))?;
        *slot = merkle::reduce(leaves, 0, expected.level);
        self.missing -= u64::from(self.has_v2.insert(piece.0));
        Ok(())
    }

    /// How many digests are still to come.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The torrent. It was read back under the default limits, so that readers will take it.
    ///
    /// # Errors
    /// [`CreateError::Missing`] before all digests were given; [`CreateError::Unreadable`] for a torrent that is too
    /// large.
    pub fn finish(self) -> Result<Metainfo, CreateError> {
        if self.missing > 0 {
            return Err(CreateError::Missing(self.missing));
        }
        let mut layers = Vec::new();
        let roots = self.roots(&mut layers);
        let pieces = self.version().has_v1().then(|| self.v1.as_flattened());
        let info =
            encode::info(&self.builder, &self.files, &roots, self.geometry.nominal_piece_len(), pieces);
        let bytes = encode::metainfo(&self.builder, info, layers);
        Metainfo::from_bytes(&bytes, &Limits::default()).map_err(CreateError::Unreadable)
    }

    /// The merkle root of each file, and the piece layers of those of more than one piece.
    fn roots(&self, layers: &mut Vec<(Hash, Vec<u8>)>) -> Vec<Option<Hash>> {
        let piece_len = self.geometry.nominal_piece_len();
        let mut roots = Vec::with_capacity(self.files.len());
        for (n, file) in (0u32..).zip(&self.files) {
            if !self.version().has_v2() || file.len == 0 || file.attributes.padding {
                roots.push(None);
                continue;
            }
            let pieces = self.layout.pieces_of_file(FileIndex(n), &self.geometry);
            let layer = &self.v2[pieces.start as usize..pieces.end as usize];
            if let [only] = layer {
                roots.push(Some(*only));
            } else {
                let root = merkle::root_of_layer(layer, piece_len);
                layers.push((root, layer.concat()));
                roots.push(Some(root));
            }
        }
        roots
    }
}
