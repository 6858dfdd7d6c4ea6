//! Hashes the blocks of a pass together: many pieces, one SIMD lane each.

use hash::{sha256_each, update_many_sha1};

use crate::piece::ActivePiece;

/// Feeds what is in memory to the hashes of all these pieces: each leaf that came (BEP 52), and round by
/// round the next in-order block of each piece (BEP 3).
pub(crate) fn run(pieces: &mut [&mut ActivePiece]) {
    leaves(pieces);
    loop {
        let mut jobs = Vec::with_capacity(pieces.len());
        jobs.extend(pieces.iter_mut().filter_map(|piece| piece.sha1_job()));
        if jobs.is_empty() {
            return;
        }
        update_many_sha1(&mut jobs);
        for piece in pieces.iter_mut() {
            // Nothing has moved since the jobs were made: the same pieces have one.
            if piece.sha1_job().is_some() {
                piece.sha1_done();
            }
        }
    }
}

fn leaves(pieces: &mut [&mut ActivePiece]) {
    let jobs = pieces.iter().enumerate();
    let jobs = jobs.flat_map(|(n, piece)| piece.leaf_jobs().map(move |(at, bytes)| ((n, at), bytes)));
    for ((n, at), digest) in sha256_each(jobs) {
        pieces[n].leaf_done(at, digest);
    }
}
