//! Hashes the blocks of a batch together: many pieces, one SIMD lane each.

use std::cmp::Reverse;

use hash::{sha256_each, update_many_sha1};

use crate::piece::ActivePiece;

/// Lanes of the widest kernel there is, whatever this machine has: so a run of the simulator is the same everywhere.
pub(crate) const WIDE: usize = hash::MAX_LANES;
/// With fewer pieces it is worth waiting for others. By the log of real passes 8 would save a seventh less
/// hashing, and 16 hardly more.
const WORTH: usize = 12;

/// A piece with blocks in memory from its cursor on.
struct Chain<'p> {
    piece: &'p mut ActivePiece,
    left: usize,
}

/// Feeds what is in memory to the hashes of all these pieces: each leaf that came (BEP 52), and round by
/// round the next in-order block of each piece (BEP 3). Once the pieces with blocks left are too few to fill the lanes, up to
/// `keep` blocks may be left for another time.
pub(crate) fn run(pieces: &mut [&mut ActivePiece], keep: usize) {
    leaves(pieces);
    let chains = pieces.iter_mut().map(|piece| Chain { left: piece.ready(), piece });
    let mut chains: Vec<Chain<'_>> = chains.filter(|chain| chain.left > 0).collect();
    let mut left: usize = chains.iter().map(|chain| chain.left).sum();
    while left > 0 && (chains.len() >= WORTH || left > keep) {
        left -= round(&mut chains);
        chains.retain(|chain| chain.left > 0);
    }
}

/// One block of as many pieces as fill their lanes: of the longest chains, which would be alone at the end.
fn round(chains: &mut [Chain<'_>]) -> usize {
    let len = if chains.len() > WIDE { chains.len() - chains.len() % WIDE } else { chains.len() };
    if len < chains.len() {
        chains.select_nth_unstable_by_key(len - 1, |chain| Reverse(chain.left));
    }
    let mut jobs = Vec::with_capacity(len);
    jobs.extend(chains[..len].iter_mut().filter_map(|chain| chain.piece.sha1_job()));
    update_many_sha1(&mut jobs);
    for chain in &mut chains[..len] {
        chain.piece.sha1_done();
        chain.left -= 1;
    }
    len
}

fn leaves(pieces: &mut [&mut ActivePiece]) {
    let jobs = pieces.iter().enumerate();
    let jobs = jobs.flat_map(|(n, piece)| piece.leaf_jobs().map(move |(at, bytes)| ((n, at), bytes)));
    for ((n, at), digest) in sha256_each(jobs) {
        pieces[n].leaf_done(at, digest);
    }
}
