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
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let constants = K.as_chunks::<16>().0;
    let mut b_c = b ^ c;
    // Spelled out, because the ring of schedule words is quick only with constant indices.
    macro_rules! rounds {
        ($k:ident: $($t:literal)*) => {$(
            // Each sum of three rotations is built from the inside out, which needs fewer copies.
            let sum1 = ((e.rotate_right(14) ^ e).rotate_right(5) ^ e).rotate_right(6);
            let choose = g ^ (e & (f ^ g));
            let t1 = h.wrapping_add($k[$t]).wrapping_add(w[$t]).wrapping_add(choose).wrapping_add(sum1);
            let sum0 = ((a.rotate_right(9) ^ a).rotate_right(11) ^ a).rotate_right(2);
            // The majority of a, b and c; `a ^ b` is the next round's `b ^ c`.
            let a_b = a ^ b;
            let majority = b ^ (a_b & b_c);
            b_c = a_b;
            (a, b, c, d, e, f, g, h) = (t1.wrapping_add(sum0).wrapping_add(majority), a, b, c, d.wrapping_add(t1), e, f, g);
        )*};
    }
    macro_rules! expand {
        ($($t:literal)*) => {$(
            w[$t] = expand(w[$t], w[($t + 1) & 15], w[($t + 9) & 15], w[($t + 14) & 15]);
        )*};
    }
    let k = &constants[0];
    rounds!(k: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for k in &constants[1..] {
        expand!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(k: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(add);
    }
}

/// The next word of the message schedule from those 16, 15, 7 and 2 rounds ago.
#[inline(always)]
fn expand(ago16: u32, ago15: u32, ago7: u32, ago2: u32) -> u32 {
    let s0 = ago15.rotate_right(7) ^ ago15.rotate_right(18) ^ (ago15 >> 3);
    let s1 = ago2.rotate_right(17) ^ ago2.rotate_right(19) ^ (ago2 >> 10);
    ago16.wrapping_add(s0).wrapping_add(ago7).wrapping_add(s1)
}
