//! Lanes side by side; the portable rounds stand in for the instructions.

use super::portable;
use crate::{cpu::Avx512, many::Words};

pub(super) fn compress16(_: Avx512, words: &mut Words<8>, data: &[&[u8]; 16]) {
    for (lane, data) in data.iter().enumerate() {
        let mut state = words.get(lane);
        portable::compress(&mut state, data);
        words.set(lane, &state);
    }
}
