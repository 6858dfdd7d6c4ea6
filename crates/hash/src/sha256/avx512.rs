//! SHA-256 of sixteen streams with AVX-512: each register holds one word of all streams.

use std::arch::x86_64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    cpu::Avx512,
    family::Words,
    x86::{load_row512, load512, store_row512, transpose16},
};

/// Compresses equally many blocks into each of the sixteen lanes.
pub(super) fn compress16(_: Avx512, words: &mut Words<8>, data: &[&[u8]; 16]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { lanes(words, data) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn lanes(words: &mut Words<8>, data: &[&[u8]; 16]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut state = [_mm512_setzero_si512(); 8];
    for (register, row) in state.iter_mut().zip(&words.0) {
        *register = load_row512(row);
    }
    for block in 0..blocks[0].len() {
        macro_rules! load {
            ($($lane:literal)*) => {
                [$(_mm512_shuffle_epi8(load512(&blocks[$lane][block]), big_endian)),*]
            };
        }
        let w = transpose16(load!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15));
        rounds(&mut state, w);
    }
    for (register, row) in state.iter().zip(&mut words.0) {
        store_row512(row, *register);
    }
}

/// All sixty-four rounds. `w` is a ring of the last sixteen words of the message schedule.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rounds(state: &mut [__m512i; 8], mut w: [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (turn, k) in K.as_chunks::<16>().0.iter().enumerate() {
        macro_rules! round {
            ($($t:literal)*) => {$(
                let sum1 = xor3(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
                let choose = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
                let input = _mm512_add_epi32(_mm512_add_epi32(h, _mm512_set1_epi32(k[$t] as i32)), w[$t]);
                let t1 = _mm512_add_epi32(_mm512_add_epi32(input, choose), sum1);
                let sum0 = xor3(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
                let majority = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
                let t2 = _mm512_add_epi32(sum0, majority);
                (a, b, c, d, e, f, g, h) = (_mm512_add_epi32(t1, t2), a, b, c, _mm512_add_epi32(d, t1), e, f, g);
            )*};
        }
        // The schedule words for the next turn, each replacing the one that no later word needs.
        macro_rules! expand {
            ($($t:literal)*) => {$(
                let (x, y) = (w[($t + 1) & 15], w[($t + 14) & 15]);
                let s0 = xor3(_mm512_ror_epi32::<7>(x), _mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x));
                let s1 = xor3(_mm512_ror_epi32::<17>(y), _mm512_ror_epi32::<19>(y), _mm512_srli_epi32::<10>(y));
                let sum = _mm512_add_epi32(_mm512_add_epi32(w[$t], w[($t + 9) & 15]), s0);
                w[$t] = _mm512_add_epi32(sum, s1);
            )*};
        }
        if turn > 0 {
            expand!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    for (before, after) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *before = _mm512_add_epi32(*before, after);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}
