//! What a piece must hash to, and the token that says it did.

use types::{BLOCK_LEN, PieceIndex};

use crate::merkle::{self, Hash};

/// The hashes that one piece must have. Only [`crate::Info::piece_hash`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub(crate) piece: PieceIndex,
    pub(crate) v1: Option<[u8; 20]>,
    pub(crate) v2: Option<V2Expected>,
}

/// The v2 side of a piece: a node of its file's merkle tree (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V2Expected {
    pub(crate) hash: Hash,
    pub(crate) data_len: u32,
    pub(crate) level: u32,
}

impl V2Expected {
    /// The node: from the piece layer, or the root of a file of a single piece.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Bytes of the piece that belong to the file, which alone are hashed. In a hybrid torrent padding may follow.
    pub fn data_len(&self) -> u32 {
        self.data_len
    }

    /// How many leaves there are to hash: one for each block of 16 KiB, the last of them perhaps short.
    pub fn leaves(&self) -> u32 {
        self.data_len.div_ceil(BLOCK_LEN)
    }

    /// How many bytes leaf `n` is the SHA-256 of; 0 beyond the last.
    pub fn leaf_len(&self, n: u32) -> u32 {
        self.data_len.saturating_sub(n.saturating_mul(BLOCK_LEN)).min(BLOCK_LEN)
    }

    /// The level of the node above the leaves. Leaves that are missing below it are zeros.
    pub fn level(&self) -> u32 {
        self.level
    }
}

/// Proof that the bytes of a piece were hashed and are right. Made by [`Expected::verify`] alone.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedPiece {
    piece: PieceIndex,
}

impl VerifiedPiece {
    /// Which piece.
    pub fn piece(&self) -> PieceIndex {
        self.piece
    }
}

/// Why a piece is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The SHA-1 differs from the one in `pieces`.
    #[error("piece {0} does not have its SHA-1 hash")]
    V1(PieceIndex),
    /// The merkle node differs from the one in the piece layer or the file's root.
    #[error("piece {0} does not have its v2 merkle hash")]
    V2(PieceIndex),
    /// The SHA-1 and the merkle node of a hybrid torrent can't both be right: one passed, one failed. The torrent
    /// itself is bad, and no peer is to blame.
    #[error("piece {0} has one of its two hashes but not the other: the torrent is inconsistent")]
    Inconsistent(PieceIndex),
    /// A digest that is needed was not given, or the wrong number of leaves.
    #[error("piece {0} was not hashed in the way its torrent asks for")]
    NotHashed(PieceIndex),
    /// The torrent says nothing about what this piece must hash to: its piece layer is missing.
    #[error("nothing is known of the hash of piece {0}")]
    Unknown(PieceIndex),
}

impl Expected {
    /// Which piece.
    pub fn piece(&self) -> PieceIndex {
        self.piece
    }

    /// The SHA-1 of the whole piece, padding files included (BEP 3).
    pub fn v1(&self) -> Option<&[u8; 20]> {
        self.v1.as_ref()
    }

    /// The v2 side (BEP 52). Missing as long as the piece layer of its file is.
    pub fn v2(&self) -> Option<&V2Expected> {
        self.v2.as_ref()
    }

    /// Whether there is anything to check the piece against.
    pub fn is_known(&self) -> bool {
        self.v1.is_some() || self.v2.is_some()
    }

    /// Compares the digests of the bytes that came: the SHA-1 of the piece, and the SHA-256 of each of its leaves (see
    /// [`V2Expected::leaves`]). Each side that is expected must be given and must pass; the others are not looked at.
    ///
    /// # Errors
    /// [`Mismatch`] says which side failed.
    pub fn verify(&self, v1: Option<[u8; 20]>, leaves: Option<&[Hash]>) -> Result<VerifiedPiece, Mismatch> {
        let piece = self.piece;
        let v1 = match (self.v1, v1) {
            (None, _) => None,
            (Some(expected), Some(got)) => Some(expected == got),
            (Some(_), None) => return Err(Mismatch::NotHashed(piece)),
        };
        let v2 = match (&self.v2, leaves) {
            (None, _) => None,
            (Some(expected), Some(got)) if got.len() == expected.leaves() as usize => {
                Some(merkle::reduce(got, 0, expected.level) == expected.hash)
            }
            (Some(_), _) => return Err(Mismatch::NotHashed(piece)),
        };
        match (v1, v2) {
            (None, None) => Err(Mismatch::Unknown(piece)),
            (Some(true), Some(false)) | (Some(false), Some(true)) => Err(Mismatch::Inconsistent(piece)),
            (Some(false), _) => Err(Mismatch::V1(piece)),
            (_, Some(false)) => Err(Mismatch::V2(piece)),
            (Some(true) | None, Some(true) | None) => Ok(VerifiedPiece { piece }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_that_is_expected_must_pass() {
        let piece = PieceIndex(3);
        let leaves = [[7; 32], [8; 32], [9; 32]];
        let v2 = V2Expected { hash: merkle::reduce(&leaves, 0, 2), data_len: 2 * BLOCK_LEN + 5, level: 2 };
        assert_eq!((v2.leaves(), v2.leaf_len(1), v2.leaf_len(2), v2.leaf_len(3)), (3, BLOCK_LEN, 5, 0));
        let both = Expected { piece, v1: Some([1; 20]), v2: Some(v2) };
        assert_eq!(both.verify(Some([1; 20]), Some(&leaves)).unwrap().piece(), piece);
        assert_eq!(both.verify(Some([2; 20]), Some(&leaves)), Err(Mismatch::Inconsistent(piece)));
        assert_eq!(both.verify(Some([1; 20]), Some(&[[0; 32]; 3])), Err(Mismatch::Inconsistent(piece)));
        assert_eq!(both.verify(Some([2; 20]), Some(&[[0; 32]; 3])), Err(Mismatch::V1(piece)));
        assert_eq!(both.verify(Some([1; 20]), None), Err(Mismatch::NotHashed(piece)));
        assert_eq!(both.verify(None, Some(&leaves)), Err(Mismatch::NotHashed(piece)));
        assert_eq!(both.verify(Some([1; 20]), Some(&leaves[..2])), Err(Mismatch::NotHashed(piece)));
        let v2_only = Expected { v1: None, ..both.clone() };
        assert!(v2_only.verify(None, Some(&leaves)).is_ok());
        assert_eq!(v2_only.verify(None, Some(&[[0; 32]; 3])), Err(Mismatch::V2(piece)));
        let unknown = Expected { piece, v1: None, v2: None };
        assert_eq!(unknown.verify(Some([1; 20]), Some(&leaves)), Err(Mismatch::Unknown(piece)));
        assert!(!unknown.is_known());
    }
}
