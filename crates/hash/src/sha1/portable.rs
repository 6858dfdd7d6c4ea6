//! SHA-1 in plain Rust, one stream.

use super::K;
use crate::BLOCK_LEN;

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(state: &mut [u32; 5], data: &[u8]) {
    let (blocks, _) = data.as_chunks::<BLOCK_LEN>();
    for block in blocks {
        compress_block(state, block);
    }
}

fn compress_block(state: &mut [u32; 5], block: &[u8; BLOCK_LEN]) {
    let mut w = [0; 16];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut s = *state;
    rounds::<0>(&mut s, &mut w, |b, c, d| d ^ (b & (c ^ d)));
    rounds::<1>(&mut s, &mut w, |b, c, d| b ^ c ^ d);
    rounds::<2>(&mut s, &mut w, |b, c, d| (b & c) | (d & (b | c)));
    rounds::<3>(&mut s, &mut w, |b, c, d| b ^ c ^ d);
    for (word, add) in state.iter_mut().zip(s) {
        *word = word.wrapping_add(add);
    }
}

/// Rounds `20 * Q` to `20 * Q + 19`. `w` is a ring of the last sixteen words of the message schedule.
#[inline(always)]
fn rounds<const Q: usize>(s: &mut [u32; 5], w: &mut [u32; 16], f: impl Fn(u32, u32, u32) -> u32) {
    let [mut a, mut b, mut c, mut d, mut e] = *s;
    for t in 20 * Q..20 * Q + 20 {
        if t >= 16 {
            let next = w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ w[t & 15];
            w[t & 15] = next.rotate_left(1);
        }
        let sum = a.rotate_left(5).wrapping_add(f(b, c, d)).wrapping_add(e);
        let sum = sum.wrapping_add(K[Q]).wrapping_add(w[t & 15]);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    *s = [a, b, c, d, e];
}
