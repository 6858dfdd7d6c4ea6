//! The merkle trees of BEP 52: SHA-256 over blocks of 16 KiB, padded with zeros to a power of two.
//!
//! Level 0 are the leaves (the hashes of the blocks); level `n` has one node for `2^n` of them. What is missing at the
//! end of a level is the [`pad`] of that level: the root of a tree whose leaves are all zeros.
//!
//! ```
//! use riverrun_metainfo::merkle;
//! let leaves = [[1; 32], [2; 32], [3; 32]];
//! let root = merkle::root_of_blocks(&leaves);
//! // The same by way of a layer of nodes that stand for two blocks each.
//! let layer = [merkle::root_of_blocks(&leaves[..2]), merkle::reduce(&leaves[2..], 0, 1)];
//! assert_eq!(merkle::reduce(&layer, 1, 2), root);
//! ```

use std::sync::LazyLock;

use types::BLOCK_LEN;

/// A node of a tree.
pub type Hash = [u8; 32];

/// Levels above the leaves that any tree here can have: more than the longest file needs.
pub const MAX_HEIGHT: u32 = 63;

/// The node of `level` above which all leaves are zeros. Levels beyond [`MAX_HEIGHT`] count as that.
pub fn pad(level: u32) -> Hash {
    static PADS: LazyLock<[Hash; MAX_HEIGHT as usize + 1]> = LazyLock::new(|| {
        let mut pads = [[0; 32]; MAX_HEIGHT as usize + 1];
        for level in 1..pads.len() {
            pads[level] = parent(&pads[level - 1], &pads[level - 1]);
        }
        pads
    });
    PADS[level.min(MAX_HEIGHT) as usize]
}

/// The node above two others.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut out = [[0; 32]];
    hash::sha256_pairs(&[*left, *right], &mut out);
    out[0]
}

/// How many levels a tree over `nodes` nodes has above them: 0 for up to one node.
pub const fn height(nodes: u64) -> u32 {
    if nodes <= 1 { 0 } else { u64::BITS - (nodes - 1).leading_zeros() }
}

/// The level whose nodes stand for one piece of `piece_len` bytes, a power of two of at least 16 KiB.
pub const fn piece_level(piece_len: u32) -> u32 {
    height(piece_len.div_ceil(BLOCK_LEN) as u64)
}

/// The node of level `to` above `nodes` of level `from`, the missing ones at the end being pads.
///
/// Nodes beyond the `2^(to - from)` that such a node has below it are left out.
pub fn reduce(nodes: &[Hash], from: u32, to: u32) -> Hash {
    let to = to.min(MAX_HEIGHT);
    let room = 1usize.checked_shl(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut nodes = nodes[..nodes.len().min(room)].to_vec();
    for level in from..to {
        if nodes.is_empty() {
            return pad(to);
        }
        nodes = level_above(nodes, level);
    }
    nodes.first().copied().unwrap_or_else(|| pad(to))
}

/// The level above `nodes`, which are of `level`.
fn level_above(mut nodes: Vec<Hash>, level: u32) -> Vec<Hash> {
    if !nodes.len().is_multiple_of(2) {
        nodes.push(pad(level));
    }
    let mut above = vec![[0; 32]; nodes.len() / 2];
    hash::sha256_pairs(&nodes, &mut above);
    above
}

/// The root of the smallest tree over the hashes of all blocks of a file.
pub fn root_of_blocks(leaves: &[Hash]) -> Hash {
    reduce(leaves, 0, height(leaves.len() as u64))
}

/// The root of a file of more than one piece from its piece layer: the hash of each piece of `piece_len` bytes.
pub fn root_of_layer(layer: &[Hash], piece_len: u32) -> Hash {
    let level = piece_level(piece_len);
    reduce(layer, level, level + height(layer.len() as u64))
}

/// All nodes of a tree from one level up to the root, kept to answer hash requests (BEP 52).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    base: u32,
    /// From `base` upwards; the last has one node.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over `nodes` of level `base`. Nothing for no nodes.
    pub fn new(nodes: Vec<Hash>, base: u32) -> Option<Tree> {
        let top = base.checked_add(height(nodes.len() as u64)).filter(|top| *top <= MAX_HEIGHT)?;
        if nodes.is_empty() {
            return None;
        }
        let mut levels = vec![nodes];
        for level in base..top {
            let above = level_above(levels[levels.len() - 1].clone(), level);
            levels.push(above);
        }
        Some(Tree { base, levels })
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// The level of the root.
    pub fn top(&self) -> u32 {
        self.base + self.levels.len() as u32 - 1
    }

    /// A node, the pads at the end of each level included; nothing outside the tree.
    pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let nodes = self.levels.get(level.checked_sub(self.base)? as usize)?;
        let width = 1u64.checked_shl(self.top() - level)?;
        let known = usize::try_from(index).ok().and_then(|at| nodes.get(at));
        (index < width).then(|| known.copied().unwrap_or_else(|| pad(level)))
    }

    /// The nodes of `level` from `index` on, `count` of them, pads included. Nothing if they are not all in the tree.
    pub fn nodes(&self, level: u32, index: u64, count: u32) -> Option<Vec<Hash>> {
        (0..u64::from(count)).map(|n| self.node(level, index.checked_add(n)?)).collect()
    }

    /// The uncles that prove the `count` nodes of `level` from `index` on: for each level from the one where the run has
    /// a single root up to below the tree's root, the other child. `count` must be a power of two and `index` a multiple
    /// of it.
    pub fn proof(&self, level: u32, index: u64, count: u32) -> Option<Vec<Hash>> {
        if !count.is_power_of_two() || !index.is_multiple_of(count.into()) {
            return None;
        }
        let bottom = level.checked_add(count.ilog2())?;
        self.node(bottom, index >> count.ilog2())?;
        let mut at = index >> count.ilog2();
        (bottom..self.top()).map(|level| (self.node(level, at ^ 1), at >>= 1).0).collect()
    }
}

/// Whether `nodes`, the run of `level` that begins at `index`, hash together with `uncles` to `root`.
///
/// The number of nodes must be a power of two, and `index` a multiple of it, as in a hash request of BEP 52.
pub fn check(root: &Hash, level: u32, index: u64, nodes: &[Hash], uncles: &[Hash]) -> bool {
    let count = nodes.len() as u64;
    if !count.is_power_of_two() || !index.is_multiple_of(count) || uncles.len() > MAX_HEIGHT as usize {
        return false;
    }
    let run = count.ilog2();
    let Some(bottom) = level.checked_add(run).filter(|bottom| *bottom <= MAX_HEIGHT) else { return false };
    let (mut at, mut node) = (index >> run, reduce(nodes, level, bottom));
    for uncle in uncles {
        node = if at.is_multiple_of(2) { parent(&node, uncle) } else { parent(uncle, &node) };
        at >>= 1;
    }
    // A proof that stops below the root would accept a node of another place.
    at == 0 && node == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: every leaf written out, halves hashed recursively.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                hash::sha256(&[naive(left), naive(right)].concat())
            }
        }
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| hash::sha256(&i.to_be_bytes())).collect()
    }

    #[test]
    fn heights_and_levels() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(height), [0, 0, 1, 2, 2, 3]);
        assert_eq!([1 << 14, 1 << 15, 1 << 20].map(piece_level), [0, 1, 6]);
        assert_eq!(pad(1), hash::sha256(&[0; 64]));
        assert_eq!(reduce(&[], 0, 3), pad(3));
        assert_eq!(root_of_blocks(&[]), [0; 32]);
    }

    #[test]
    fn a_proof_fits_one_place_only() {
        let tree = Tree::new(leaves(11), 0).unwrap();
        let proof = tree.proof(0, 8, 2).unwrap();
        assert_eq!(proof.len(), 3);
        let run = tree.nodes(0, 8, 2).unwrap();
        assert!(check(&tree.root(), 0, 8, &run, &proof));
        assert!(!check(&tree.root(), 0, 10, &run, &proof));
        assert!(!check(&tree.root(), 0, 24, &run, &proof));
        assert!(!check(&tree.root(), 0, 8, &run, &proof[..2]));
        assert!(!check(&tree.root(), 0, 8, &run[..1], &proof));
        assert!(!check(&tree.root(), 0, 8, &[], &proof));
        assert_eq!(tree.proof(0, 1, 2), None);
        assert_eq!(tree.proof(0, 16, 2), None);
        assert_eq!(tree.node(0, 15), Some([0; 32]));
    }

    proptest! {
        #[test]
        fn any_way_up_gives_the_same_root(n in 1usize..70, piece_level in 0u32..4) {
            let leaves = leaves(n);
            let mut full = leaves.clone();
            full.resize(n.next_power_of_two(), [0; 32]);
            let root = naive(&full);
            prop_assert_eq!(root_of_blocks(&leaves), root);
            prop_assert_eq!(Tree::new(leaves.clone(), 0).unwrap().root(), root);
            let per = 1usize << piece_level;
            if n > per {
                let layer: Vec<_> = leaves.chunks(per).map(|c| reduce(c, 0, piece_level)).collect();
                prop_assert_eq!(root_of_layer(&layer, BLOCK_LEN << piece_level), root);
            }
        }

        #[test]
        fn every_proof_checks(n in 1usize..70, at in 0u64..70, run in 0u32..4) {
            let tree = Tree::new(leaves(n), 2).unwrap();
            let index = at >> run << run;
            if let Some(proof) = tree.proof(2, index, 1 << run) {
                let nodes = tree.nodes(2, index, 1 << run).unwrap();
                prop_assert!(check(&tree.root(), 2, index, &nodes, &proof));
                let mut bad = nodes;
                bad[0][0] ^= 1;
                prop_assert!(!check(&tree.root(), 2, index, &bad, &proof));
            } else {
                prop_assert!(index + (1 << run) > n.next_power_of_two() as u64);
            }
        }
    }
}
