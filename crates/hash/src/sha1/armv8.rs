//! SHA-1 with the ARMv8 SHA extension, one stream.

use std::arch::aarch64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    aarch64::{load_words, message_words, words},
    cpu::Armv8,
};

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(_: Armv8, state: &mut [u32; 5], data: &[u8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { stream(state, data) }
}

#[target_feature(enable = "neon,sha2")]
fn stream(state: &mut [u32; 5], data: &[u8]) {
    let [a, b, c, d, mut e] = *state;
    let mut abcd = load_words(&[a, b, c, d]);
    for block in data.as_chunks::<BLOCK_LEN>().0 {
        let (abcd_before, e_before) = (abcd, e);
        let mut w = message_words(block);
        // Rounds `4 * g` to `4 * g + 3`; `w` is a ring.
        macro_rules! four_rounds {
            ($function:ident, $k:expr, $($g:literal)*) => {$(
                if $g >= 4 {
                    let sum = vsha1su0q_u32(w[$g & 3], w[($g + 1) & 3], w[($g + 2) & 3]);
                    w[$g & 3] = vsha1su1q_u32(sum, w[($g + 3) & 3]);
                }
                let sum = vaddq_u32(w[$g & 3], vdupq_n_u32($k));
                let next_e = vsha1h_u32(vgetq_lane_u32::<0>(abcd));
                abcd = $function(abcd, e, sum);
                e = next_e;
            )*};
        }
        four_rounds!(vsha1cq_u32, K[0], 0 1 2 3 4);
        four_rounds!(vsha1pq_u32, K[1], 5 6 7 8 9);
        four_rounds!(vsha1mq_u32, K[2], 10 11 12 13 14);
        four_rounds!(vsha1pq_u32, K[3], 15 16 17 18 19);
        abcd = vaddq_u32(abcd, abcd_before);
        e = e.wrapping_add(e_before);
    }
    let [a, b, c, d] = words(abcd);
    *state = [a, b, c, d, e];
}
