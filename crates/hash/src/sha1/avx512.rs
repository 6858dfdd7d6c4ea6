//! SHA-1 of sixteen streams with AVX-512: each register holds one word of all streams.

use std::arch::x86_64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    cpu::Avx512,
    family::Words,
    x86::{load_row512, load512, store_row512, transpose16},
};

/// Compresses equally many blocks into each of the sixteen lanes.
pub(super) fn compress16(_: Avx512, words: &mut Words<5>, data: &[&[u8]; 16]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { lanes(words, data) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn lanes(words: &mut Words<5>, data: &[&[u8]; 16]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut state = [_mm512_setzero_si512(); 5];
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

/// All eighty rounds. `w` is a ring of the last sixteen words of the message schedule.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rounds(state: &mut [__m512i; 5], mut w: [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    // `$function` is the truth table of the three-input function of b, c and d.
    macro_rules! rounds {
        ($function:literal, $k:expr, $($t:literal)*) => {$(
            if $t >= 16 {
                let sum = _mm512_xor_si512(w[($t + 13) & 15], w[($t + 8) & 15]);
                let sum = _mm512_ternarylogic_epi32::<0x96>(sum, w[($t + 2) & 15], w[$t & 15]);
                w[$t & 15] = _mm512_rol_epi32::<1>(sum);
                if $t % 4 == 0 {
                    keep_order(&mut a, &mut w[$t & 15]);
                }
            }
            let input = _mm512_add_epi32(_mm512_add_epi32(e, $k), w[$t & 15]);
            let mixed = _mm512_ternarylogic_epi32::<$function>(b, c, d);
            let sum = _mm512_add_epi32(_mm512_add_epi32(input, mixed), _mm512_rol_epi32::<5>(a));
            (a, b, c, d, e) = (sum, a, _mm512_rol_epi32::<30>(b), c, d);
        )*};
    }
    let k = K.map(|k| _mm512_set1_epi32(k as i32));
    rounds!(0xca, k[0], 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    rounds!(0x96, k[1], 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    rounds!(0xe8, k[2], 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
    rounds!(0x96, k[3], 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
    for (before, after) in state.iter_mut().zip([a, b, c, d, e]) {
        *before = _mm512_add_epi32(*before, after);
    }
}

/// Makes each of two registers depend on the other, without an instruction. Otherwise the compiler computes the whole
/// message schedule before the first round and spills it, which costs a sixth of the speed.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep_order(x: &mut __m512i, y: &mut __m512i) {
    // SAFETY: the assembly is a comment: it changes no register, flag or memory.
    unsafe {
        std::arch::asm!(
            "/* {0} {1} */",
            inout(zmm_reg) * x,
            inout(zmm_reg) * y,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}
