//! SHA-256 in plain Rust, one stream.

use super::K;
use crate::BLOCK_LEN;

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(state: &mut [u32; 8], data: &[u8]) {
    let (blocks, _) = data.as_chunks::<BLOCK_LEN>();
    for block in blocks {
        compress_block(state, block);
    }
}

fn compress_block(state: &mut [u32; 8], block: &[u8; BLOCK_LEN]) {
    let mut w = [0; 16];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut s = *state;
    for (turn, k) in K.as_chunks::<16>().0.iter().enumerate() {
        sixteen_rounds(&mut s, &mut w, k, turn > 0);
    }
    for (word, add) in state.iter_mut().zip(s) {
        *word = word.wrapping_add(add);
    }
}

/// Sixteen rounds. `w` is a ring of the last sixteen words of the message schedule; `expand` says whether its words
/// are to be replaced by the next sixteen on the way.
#[inline(always)]
fn sixteen_rounds(s: &mut [u32; 8], w: &mut [u32; 16], k: &[u32; 16], expand: bool) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *s;
    for t in 0..16 {
        if expand {
            let (x, y) = (w[(t + 1) & 15], w[(t + 14) & 15]);
            let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
            let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
            w[t] = w[t].wrapping_add(s0).wrapping_add(w[(t + 9) & 15]).wrapping_add(s1);
        }
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choose = g ^ (e & (f ^ g));
        let t1 = h.wrapping_add(sum1).wrapping_add(choose).wrapping_add(k[t]).wrapping_add(w[t]);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) | (c & (a | b));
        let t2 = sum0.wrapping_add(majority);
        (a, b, c, d, e, f, g, h) = (t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g);
    }
    *s = [a, b, c, d, e, f, g, h];
}
