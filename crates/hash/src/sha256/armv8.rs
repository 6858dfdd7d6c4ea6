//! SHA-256 with the ARMv8 SHA extension, one stream.

use std::arch::aarch64::*;

use super::K;
use crate::{
    BLOCK_LEN,
    aarch64::{load_words, message_words, words},
    cpu::Armv8,
};

/// Compresses the whole blocks of `data` into `state`.
pub(super) fn compress(_: Armv8, state: &mut [u32; 8], data: &[u8]) {
    // SAFETY: the proof says that this CPU has the target features of the function.
    unsafe { stream(state, data) }
}

#[target_feature(enable = "neon,sha2")]
fn stream(state: &mut [u32; 8], data: &[u8]) {
    let constants = K.as_chunks::<4>().0;
    let [a, b, c, d, e, f, g, h] = *state;
    let (mut abcd, mut efgh) = (load_words(&[a, b, c, d]), load_words(&[e, f, g, h]));
    for block in data.as_chunks::<BLOCK_LEN>().0 {
        let (abcd_before, efgh_before) = (abcd, efgh);
        let mut w = message_words(block);
        // Rounds `4 * g` to `4 * g + 3`; `w` is a ring.
        macro_rules! four_rounds {
            ($($g:literal)*) => {$(
                if $g >= 4 {
                    let sum = vsha256su0q_u32(w[$g & 3], w[($g + 1) & 3]);
                    w[$g & 3] = vsha256su1q_u32(sum, w[($g + 2) & 3], w[($g + 3) & 3]);
                }
                let sum = vaddq_u32(w[$g & 3], load_words(&constants[$g]));
                let abcd_now = abcd;
                abcd = vsha256hq_u32(abcd, efgh, sum);
                efgh = vsha256h2q_u32(efgh, abcd_now, sum);
            )*};
        }
        four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    let ([a, b, c, d], [e, f, g, h]) = (words(abcd), words(efgh));
    *state = [a, b, c, d, e, f, g, h];
}
