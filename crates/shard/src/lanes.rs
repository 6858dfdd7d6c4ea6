//! Hashes the blocks of a pass together: many pieces, one SIMD lane each.

use hash::{sha256_many, update_many_sha1};

use crate::piece::ActivePiece;

/// Feeds what is in memory to the hashes of all these pieces: each leaf that came (BEP 52), and round by round the next
/// in-order block of each piece (BEP 3).
pub(crate) fn run(pieces: &mut [&mut ActivePiece]) {
    leaves(pieces);
    loop {
        let mut jobs: Vec<_> = pieces.iter_mut().filter_map(|piece| piece.sha1_job()).collect();
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
    let mut names = Vec::new();
    let mut messages: Vec<&[u8]> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        for (at, bytes) in piece.leaf_jobs() {
            names.push((n, at));
            messages.push(bytes);
        }
    }
    let mut digests = vec![[0; 32]; messages.len()];
    sha256_many(&messages, &mut digests);
    for ((n, at), digest) in names.into_iter().zip(digests) {
        pieces[n].leaf_done(at, digest);
    }
}
