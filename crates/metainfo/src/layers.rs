//! The `piece layers` of v2 torrents: the hash of every piece of every file that has more than one (BEP 52).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::merkle::{self, Hash};

/// Why a piece layer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// No file has this merkle root.
    #[error("this piece layer belongs to no file of the torrent")]
    NoSuchFile,
    /// The number of hashes is not the number of pieces of the file.
    #[error("the piece layer has {got} bytes, but its file needs {expected}")]
    Len {
        /// Bytes that came.
        got: u64,
        /// 32 for each piece.
        expected: u64,
    },
    /// The hashes do not add up to the file's root.
    #[error("the piece layer does not hash to the merkle root of its file")]
    Root,
}

/// The piece layers known, by the root of their file. Each was checked against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layers(BTreeMap<Hash, Arc<[Hash]>>);

impl Layers {
    pub(crate) const NONE: Layers = Layers(BTreeMap::new());

    /// Adds the layer of a file of `pieces` pieces of `piece_len` bytes, if it is right.
    pub(crate) fn add(
        &mut self,
        root: &Hash,
        layer: &[u8],
        pieces: u64,
        piece_len: u32,
    ) -> Result<(), LayerError> {
        let (got, expected) = (layer.len() as u64, pieces * 32);
        if got != expected {
            return Err(LayerError::Len { got, expected });
        }
        if self.0.contains_key(root) {
            return Ok(());
        }
        let (hashes, _) = layer.as_chunks::<32>();
        if merkle::root_of_layer(hashes, piece_len) != *root {
            return Err(LayerError::Root);
        }
        self.0.insert(*root, hashes.into());
        Ok(())
    }

    pub(crate) fn get(&self, root: &Hash) -> Option<&Arc<[Hash]>> {
        self.0.get(root)
    }

    /// All of them, ascending by root.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&Hash, &Arc<[Hash]>)> {
        self.0.iter()
    }
}
