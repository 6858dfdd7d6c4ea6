//! SHA-1 with the x86 SHA extension: one stream, or two interleaved. One stream leaves the unit idle most of the time,
//! because every four rounds wait for the four before; a second stream fills the gaps.

use std::arch::x86_64::*;

use crate::{
    BLOCK_LEN,
    cpu::ShaNi,
    x86::{load128, words128},
};

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(_: ShaNi, state: &mut [u32; 5], data: &[u8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { streams([state], [data]) }
}

/// Compresses equally many blocks into each of two states.
pub(super) fn compress2(_: ShaNi, states: [&mut [u32; 5]; 2], data: [&[u8]; 2]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { streams(states, data) }
}

#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn streams<const L: usize>(states: [&mut [u32; 5]; L], data: [&[u8]; L]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    // The instructions want `a` in the highest word, and the message words in the same order.
    let big_endian = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let mut abcd = [_mm_setzero_si128(); L];
    let mut e = [_mm_setzero_si128(); L];
    for l in 0..L {
        let [a, b, c, d, last] = states[l].map(|word| word as i32);
        abcd[l] = _mm_set_epi32(a, b, c, d);
        e[l] = _mm_set_epi32(last, 0, 0, 0);
    }
    for block in 0..blocks[0].len() {
        let (abcd_before, e_before) = (abcd, e);
        let mut w = [[_mm_setzero_si128(); 4]; L];
        for l in 0..L {
            for (w, bytes) in w[l].iter_mut().zip(blocks[l][block].as_chunks::<16>().0) {
                *w = _mm_shuffle_epi8(load128(bytes), big_endian);
            }
            // The first four rounds add `e` itself, all later ones the rotated `a` of four rounds ago.
            let first = _mm_add_epi32(e[l], w[l][0]);
            e[l] = abcd[l];
            abcd[l] = _mm_sha1rnds4_epu32::<0>(abcd[l], first);
        }
        // Rounds `4 * g` to `4 * g + 3`; `e` holds the state of four rounds ago, `w` is a ring.
        macro_rules! four_rounds {
            ($function:literal: $($g:literal)*) => {$(
                for l in 0..L {
                    if $g >= 4 {
                        let sum = _mm_sha1msg1_epu32(w[l][$g & 3], w[l][($g + 1) & 3]);
                        let sum = _mm_xor_si128(sum, w[l][($g + 2) & 3]);
                        w[l][$g & 3] = _mm_sha1msg2_epu32(sum, w[l][($g + 3) & 3]);
                    }
                    let sum = _mm_sha1nexte_epu32(e[l], w[l][$g & 3]);
                    e[l] = abcd[l];
                    abcd[l] = _mm_sha1rnds4_epu32::<$function>(abcd[l], sum);
                }
            )*};
        }
        four_rounds!(0: 1 2 3 4);
        four_rounds!(1: 5 6 7 8 9);
        four_rounds!(2: 10 11 12 13 14);
        four_rounds!(3: 15 16 17 18 19);
        for l in 0..L {
            e[l] = _mm_sha1nexte_epu32(e[l], e_before[l]);
            abcd[l] = _mm_add_epi32(abcd[l], abcd_before[l]);
        }
    }
    for (l, state) in states.into_iter().enumerate() {
        let [d, c, b, a] = words128(abcd[l]);
        *state = [a, b, c, d, words128(e[l])[3]];
    }
}
