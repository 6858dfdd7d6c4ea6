//! Which hashes of a v2 file's tree are meant (BEP 52).

use std::fmt;

/// A run of hashes in one layer of a file's hash tree, and how much proof goes with it (BEP 52).
///
/// Any five numbers can come from a peer; [`HashRange::check`] says whether they make sense. A request that does not is
/// answered with a hash reject, so it is no error of decoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRange {
    /// The root of the file's tree (`pieces root` in the metainfo).
    pub root: [u8; 32],
    /// How many layers above the leaves, which are the hashes of 16 KiB blocks, the run lies.
    pub base_layer: u32,
    /// The first hash of the run in its layer; a multiple of `length`.
    pub index: u32,
    /// How many hashes; a power of two, at least 2.
    pub length: u32,
    /// How many layers above the base layer the proof covers.
    pub proof_layers: u32,
}

/// Why a hash request can't be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashRangeError {
    /// Not a power of two, below 2, or over [`HashRange::MAX_LENGTH`].
    #[error("{0} hashes asked for; expected a power of two from 2 to {max}", max = HashRange::MAX_LENGTH)]
    Length(u32),
    /// The index is no multiple of the length.
    #[error("hashes from {index} on asked for, which is no multiple of the length {length}")]
    Alignment {
        /// The first hash.
        index: u32,
        /// How many.
        length: u32,
    },
    /// The run, or its layer, lies outside of the file's tree.
    #[error("hashes asked for beyond the file's tree of {layers} layers")]
    Outside {
        /// How many layers lie above the leaves.
        layers: u32,
    },
    /// More layers of proof than lie above the base layer.
    #[error("{proof_layers} layers of proof asked for where at most {max} exist")]
    ProofLayers {
        /// How many layers of proof.
        proof_layers: u32,
        /// How many there are.
        max: u32,
    },
}

impl HashRange {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 48;
    /// Length of one hash, in bytes.
    pub const HASH_LEN: usize = 32;
    /// Most hashes in one message. BEP 52 advises senders to stop at 512; this leaves room for those that do not.
    pub const MAX_LENGTH: u32 = 8192;

    /// Checks the range against the tree of a file of `file_len` bytes.
    ///
    /// # Errors
    /// The first clause of BEP 52 that it breaks.
    pub fn check(&self, file_len: u64) -> Result<(), HashRangeError> {
        let HashRange { base_layer, index, length, proof_layers, .. } = *self;
        if length < 2 || !length.is_power_of_two() || length > HashRange::MAX_LENGTH {
            return Err(HashRangeError::Length(length));
        }
        if !index.is_multiple_of(length) {
            return Err(HashRangeError::Alignment { index, length });
        }
        let blocks = u128::from(file_len.div_ceil(types::BLOCK_LEN.into()).max(1));
        let layers = blocks.next_power_of_two().trailing_zeros();
        let Some(above) = layers.checked_sub(base_layer) else {
            return Err(HashRangeError::Outside { layers });
        };
        // `above` is at most 50: a layer fits u64 easily.
        if u64::from(index) + u64::from(length) > 1u64 << above {
            return Err(HashRangeError::Outside { layers });
        }
        if proof_layers > above {
            return Err(HashRangeError::ProofLayers { proof_layers, max: above });
        }
        Ok(())
    }

    /// How many hashes answer this range: the run itself, then one uncle for each layer of proof but the first
    /// `log2(length) - 1`, which follow from the run (BEP 52).
    pub const fn expected_hashes(&self) -> u64 {
        let implied = self.length.trailing_zeros().saturating_sub(1);
        self.length as u64 + self.proof_layers.saturating_sub(implied) as u64
    }

    pub(crate) fn read(bytes: &[u8; HashRange::LEN]) -> HashRange {
        let mut root = [0; 32];
        root.copy_from_slice(&bytes[..32]);
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        HashRange {
            root,
            base_layer: number(32),
            index: number(36),
            length: number(40),
            proof_layers: number(44),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root);
        for number in [self.base_layer, self.index, self.length, self.proof_layers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl fmt::Debug for HashRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        let end = u64::from(self.index) + u64::from(self.length);
        write!(f, "… layer {} hashes {}..{end} proof {}", self.base_layer, self.index, self.proof_layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(base_layer: u32, index: u32, length: u32, proof_layers: u32) -> HashRange {
        HashRange { root: [1; 32], base_layer, index, length, proof_layers }
    }

    #[test]
    fn ranges_are_checked_against_the_tree() {
        // 33 blocks make a tree of 64 leaves and 6 layers above them.
        let len = 33 * 16384;
        assert_eq!(range(0, 0, 64, 6).check(len), Ok(()));
        assert_eq!(range(4, 0, 4, 2).check(len), Ok(()));
        assert_eq!(range(0, 32, 32, 0).check(len), Ok(()));
        assert_eq!(range(0, 64, 32, 0).check(len), Err(HashRangeError::Outside { layers: 6 }));
        assert_eq!(range(7, 0, 2, 0).check(len), Err(HashRangeError::Outside { layers: 6 }));
        assert_eq!(range(6, 0, 2, 0).check(len), Err(HashRangeError::Outside { layers: 6 }));
        assert_eq!(range(u32::MAX, 0, 2, 0).check(len), Err(HashRangeError::Outside { layers: 6 }));
        let max = range(4, 0, 2, 3).check(len);
        assert_eq!(max, Err(HashRangeError::ProofLayers { proof_layers: 3, max: 2 }));
        for length in [0, 1, 3, 16384, u32::MAX] {
            assert_eq!(range(0, 0, length, 0).check(len), Err(HashRangeError::Length(length)));
        }
        let odd = range(0, 2, 4, 0).check(len);
        assert_eq!(odd, Err(HashRangeError::Alignment { index: 2, length: 4 }));
    }

    #[test]
    fn extreme_files_do_not_overflow() {
        for len in [0, 1, u64::MAX] {
            for base in [0, 1, 50, u32::MAX] {
                let _ = range(base, 0xffff_fffe, 2, u32::MAX).check(len);
            }
        }
        assert_eq!(range(0, 0, 2, 0).check(0), Err(HashRangeError::Outside { layers: 0 }));
    }

    #[test]
    fn implied_layers_send_no_hash() {
        assert_eq!(range(0, 0, 2, 0).expected_hashes(), 2);
        assert_eq!(range(0, 0, 2, 3).expected_hashes(), 5);
        assert_eq!(range(0, 0, 512, 8).expected_hashes(), 512);
        assert_eq!(range(0, 0, 512, 10).expected_hashes(), 514);
    }
}
