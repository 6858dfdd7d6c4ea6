//! SHA-256 with the x86 SHA extension: one stream, or two interleaved. One stream leaves the unit idle part of the
//! time, because every two rounds wait for the two before; a second stream fills the gaps.

use std::arch::x86_64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    cpu::ShaNi,
    x86::{load_words128, load128, words128},
};

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(_: ShaNi, state: &mut [u32; 8], data: &[u8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { streams([state], [data]) }
}

/// Compresses equally many blocks into each of two states.
pub(super) fn compress2(_: ShaNi, states: [&mut [u32; 8]; 2], data: [&[u8]; 2]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { streams(states, data) }
}

#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[allow(clippy::needless_range_loop, reason = "the block number indexes every stream alike")]
fn streams<const L: usize>(states: [&mut [u32; 8]; L], data: [&[u8]; L]) {
    let blocks = data.map(|data| data.as_chunks::<BLOCK_LEN>().0);
    let constants = K.as_chunks::<4>().0;
    let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut abef = [_mm_setzero_si128(); L];
    let mut cdgh = [_mm_setzero_si128(); L];
    for l in 0..L {
        let [a, b, c, d, e, f, g, h] = states[l].map(|word| word as i32);
        abef[l] = _mm_set_epi32(a, b, e, f);
        cdgh[l] = _mm_set_epi32(c, d, g, h);
    }
    for block in 0..blocks[0].len() {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut w = [[_mm_setzero_si128(); 4]; L];
        for l in 0..L {
            for (w, bytes) in w[l].iter_mut().zip(blocks[l][block].as_chunks::<16>().0) {
                *w = _mm_shuffle_epi8(load128(bytes), big_endian);
            }
        }
        // Rounds `4 * g` to `4 * g + 3`; `w` is a ring.
        macro_rules! four_rounds {
            ($($g:literal)*) => {$(
                for l in 0..L {
                    if $g >= 4 {
                        let sum = _mm_sha256msg1_epu32(w[l][$g & 3], w[l][($g + 1) & 3]);
                        let seven_ago = _mm_alignr_epi8::<4>(w[l][($g + 3) & 3], w[l][($g + 2) & 3]);
                        let sum = _mm_add_epi32(sum, seven_ago);
                        w[l][$g & 3] = _mm_sha256msg2_epu32(sum, w[l][($g + 3) & 3]);
                    }
                    let sum = _mm_add_epi32(w[l][$g & 3], load_words128(&constants[$g]));
                    cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], sum);
                    abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32::<0x0e>(sum));
                }
            )*};
        }
        four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for l in 0..L {
            abef[l] = _mm_add_epi32(abef[l], abef_before[l]);
            cdgh[l] = _mm_add_epi32(cdgh[l], cdgh_before[l]);
        }
    }
    for (l, state) in states.into_iter().enumerate() {
        let ([f, e, b, a], [h, g, d, c]) = (words128(abef[l]), words128(cdgh[l]));
        *state = [a, b, c, d, e, f, g, h];
    }
}
