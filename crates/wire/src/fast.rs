//! Which pieces a starting peer may have while it is choked (BEP 6, "allowed fast set generation").

use std::net::Ipv4Addr;

use types::{InfoHash, PieceIndex};

/// The size of the set that BEP 6 proposes.
pub const ALLOWED_FAST_SIZE: usize = 10;
/// Largest set made: larger ones give away more than they help.
pub const MAX_ALLOWED_FAST: usize = 100;

/// The allowed fast set of the peer at `ip`: `size` different pieces of a torrent of `pieces` pieces, in canonical order,
/// so that a smaller set is the beginning of a larger one. Every peer computes the same (BEP 6).
///
/// It is all pieces where there are no more than `size`, and at most [`MAX_ALLOWED_FAST`]. For IPv6 the BEP has no set.
/// The work is bounded: a set that would take too long to fill, because it is nearly the whole torrent, ends early.
///
/// `sha1` is handed in: this crate does not hash.
pub fn allowed_fast(
    ip: Ipv4Addr,
    info_hash: InfoHash,
    pieces: u32,
    size: usize,
    mut sha1: impl FnMut(&[u8]) -> [u8; 20],
) -> Vec<PieceIndex> {
    let size = size.min(MAX_ALLOWED_FAST);
    if pieces as usize <= size {
        return (0..pieces).map(PieceIndex).collect();
    }
    let [a, b, c, _] = ip.octets();
    let mut seed = [0; 24];
    seed[..3].copy_from_slice(&[a, b, c]);
    seed[4..].copy_from_slice(info_hash.as_bytes());
    let mut out = Vec::with_capacity(size);
    let mut digest = sha1(&seed);
    // Each digest draws five pieces: to draw all but one of n pieces takes about n * ln(n) draws.
    for _ in 0..4 * size {
        for word in digest.as_chunks::<4>().0 {
            let piece = PieceIndex(u32::from_be_bytes(*word) % pieces);
            if out.len() < size && !out.contains(&piece) {
                out.push(piece);
            }
        }
        if out.len() == size {
            break;
        }
        digest = sha1(&digest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    fn set(pieces: u32, size: usize) -> Vec<u32> {
        let hash = |bytes: &[u8]| Sha1::digest(bytes).into();
        let set = allowed_fast(Ipv4Addr::new(80, 4, 4, 200), InfoHash([0xaa; 20]), pieces, size, hash);
        set.into_iter().map(|piece| piece.0).collect()
    }

    #[test]
    fn examples_of_bep_6() {
        assert_eq!(set(1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(set(1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
    }

    #[test]
    fn row_06_a_set_of_50_000_pieces_takes_a_few_digests() {
        let mut digests = 0;
        let hash = |bytes: &[u8]| {
            digests += 1;
            Sha1::digest(bytes).into()
        };
        let set = allowed_fast(Ipv4Addr::new(80, 4, 4, 200), InfoHash([0xaa; 20]), 50_000, 10, hash);
        assert_eq!(set.len(), 10);
        assert!(digests <= 4, "{digests}");
        let neighbour = Ipv4Addr::new(80, 4, 4, 7);
        let same = allowed_fast(neighbour, InfoHash([0xaa; 20]), 50_000, 10, |b| Sha1::digest(b).into());
        assert_eq!(set, same, "the last byte of the address does not count");
    }

    #[test]
    fn small_torrents_and_large_sets_end() {
        assert_eq!(set(0, 10), []);
        assert_eq!(set(3, 10), [0, 1, 2]);
        assert_eq!(set(11, 10).len(), 10);
        assert_eq!(set(1000, 0), []);
        assert_eq!(set(u32::MAX, usize::MAX).len(), MAX_ALLOWED_FAST);
    }

    #[test]
    fn a_hash_that_never_moves_ends_too() {
        let set = allowed_fast(Ipv4Addr::LOCALHOST, InfoHash([0; 20]), 1000, 10, |_| [7; 20]);
        assert_eq!(set.len(), 1);
    }
}
