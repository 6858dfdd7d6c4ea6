//! SHA-256 of eight streams with AVX2: each register holds one word of all streams.

use std::arch::x86_64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    cpu::Avx2,
    family::Words,
    x86::{big_endian256, load_row256, load256, rotate_left256, store_row256, transpose8},
};

/// Compresses equally many blocks into each of the first eight lanes.
pub(super) fn compress8(_: Avx2, words: &mut Words<8>, data: &[&[u8]; 8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { lanes(words, data) }
}

#[target_feature(enable = "avx2")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn lanes(words: &mut Words<8>, data: &[&[u8]; 8]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    let mut state = [_mm256_setzero_si256(); 8];
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

/// All sixty-four rounds. `w` is a ring of the last sixteen words of the message schedule.
#[inline]
#[target_feature(enable = "avx2")]
fn rounds(state: &mut [__m256i; 8], mut w: [__m256i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (turn, k) in K.as_chunks::<16>().0.iter().enumerate() {
        macro_rules! round {
            ($($t:literal)*) => {$(
                let sum1 = xor3(rotate_left256::<26, 6>(e), rotate_left256::<21, 11>(e), rotate_left256::<7, 25>(e));
                let chosen = choose(e, f, g);
                let input = _mm256_add_epi32(_mm256_add_epi32(h, _mm256_set1_epi32(k[$t] as i32)), w[$t]);
                let t1 = _mm256_add_epi32(_mm256_add_epi32(input, chosen), sum1);
                let sum0 = xor3(rotate_left256::<30, 2>(a), rotate_left256::<19, 13>(a), rotate_left256::<10, 22>(a));
                let most = majority(a, b, c);
                let t2 = _mm256_add_epi32(sum0, most);
                (a, b, c, d, e, f, g, h) = (_mm256_add_epi32(t1, t2), a, b, c, _mm256_add_epi32(d, t1), e, f, g);
            )*};
        }
        // The schedule words for the next turn, each replacing the one that no later word needs.
        macro_rules! expand {
            ($($t:literal)*) => {$(
                let (x, y) = (w[($t + 1) & 15], w[($t + 14) & 15]);
                let s0 = xor3(rotate_left256::<25, 7>(x), rotate_left256::<14, 18>(x), _mm256_srli_epi32::<3>(x));
                let s1 = xor3(rotate_left256::<15, 17>(y), rotate_left256::<13, 19>(y), _mm256_srli_epi32::<10>(y));
                let sum = _mm256_add_epi32(_mm256_add_epi32(w[$t], w[($t + 9) & 15]), s0);
                w[$t] = _mm256_add_epi32(sum, s1);
            )*};
        }
        if turn > 0 {
            expand!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    for (before, after) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *before = _mm256_add_epi32(*before, after);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(x, _mm256_xor_si256(y, z))
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)))
}
