//! SHA-1 of eight streams with AVX2: each register holds one word of all streams.

use std::arch::x86_64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    cpu::Avx2,
    family::Words,
    x86::{big_endian256, load_row256, load256, rotate_left256, store_row256, transpose8},
};

/// Compresses equally many blocks into each of the first eight lanes.
pub(super) fn compress8(_: Avx2, words: &mut Words<5>, data: &[&[u8]; 8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { lanes(words, data) }
}

#[target_feature(enable = "avx2")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn lanes(words: &mut Words<5>, data: &[&[u8]; 8]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    let mut state = [_mm256_setzero_si256(); 5];
    for (register, row) in state.iter_mut().zip(&words.0) {
        *register = load_row256(row);
    }
    for block in 0..blocks[0].len() {
        let mut w = [_mm256_setzero_si256(); 16];
        for (half, w) in w.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            for (w, blocks) in w.iter_mut().zip(&blocks) {
                *w = big_endian256(load256(&blocks[block].as_chunks::<32>().0[half]));
            }
            *w = transpose8(*w);
        }
        rounds(&mut state, w);
    }
    for (register, row) in state.iter().zip(&mut words.0) {
        store_row256(row, *register);
    }
}

/// All eighty rounds. `w` is a ring of the last sixteen words of the message schedule.
#[inline]
#[target_feature(enable = "avx2")]
fn rounds(state: &mut [__m256i; 5], mut w: [__m256i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    macro_rules! rounds {
        ($function:ident, $k:expr, $($t:literal)*) => {$(
            if $t >= 16 {
                let sum = _mm256_xor_si256(w[($t + 13) & 15], w[($t + 8) & 15]);
                let sum = _mm256_xor_si256(sum, _mm256_xor_si256(w[($t + 2) & 15], w[$t & 15]));
                w[$t & 15] = rotate_left256::<1, 31>(sum);
            }
            let input = _mm256_add_epi32(_mm256_add_epi32(e, $k), w[$t & 15]);
            let mixed = $function(b, c, d);
            let sum = _mm256_add_epi32(_mm256_add_epi32(input, mixed), rotate_left256::<5, 27>(a));
            (a, b, c, d, e) = (sum, a, rotate_left256::<30, 2>(b), c, d);
        )*};
    }
    let k = K.map(|k| _mm256_set1_epi32(k as i32));
    rounds!(choose, k[0], 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    rounds!(parity, k[1], 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    rounds!(majority, k[2], 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
    rounds!(parity, k[3], 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
    for (before, after) in state.iter_mut().zip([a, b, c, d, e]) {
        *before = _mm256_add_epi32(*before, after);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn parity(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    _mm256_xor_si256(b, _mm256_xor_si256(c, d))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(b, c), _mm256_and_si256(d, _mm256_or_si256(b, c)))
}
