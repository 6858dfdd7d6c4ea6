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
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    // Spelled out, because the ring of schedule words stays in registers only with constant indices.
    macro_rules! rounds {
        ($function:expr, $k:expr, $($t:literal)*) => {$(
            if $t >= 16 {
                let next = w[($t + 13) & 15] ^ w[($t + 8) & 15] ^ w[($t + 2) & 15] ^ w[$t & 15];
                w[$t & 15] = next.rotate_left(1);
            }
            let sum = e.wrapping_add($k).wrapping_add(w[$t & 15]).wrapping_add($function(b, c, d));
            (a, b, c, d, e) = (sum.wrapping_add(a.rotate_left(5)), a, b.rotate_left(30), c, d);
        )*};
    }
    rounds!(choose, K[0], 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    rounds!(parity, K[1], 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    rounds!(majority, K[2], 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
    rounds!(parity, K[3], 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

#[inline(always)]
fn choose(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

#[inline(always)]
fn parity(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

#[inline(always)]
fn majority(b: u32, c: u32, d: u32) -> u32 {
    (b & c) | (d & (b | c))
}
