//! Lanes side by side; the portable rounds stand in for the instructions.

use super::portable;
use crate::{cpu::Avx2, many::Words};

pub(super) fn compress8(_: Avx2, words: &mut Words<8>, data: &[&[u8]; 8]) {
    for (lane, data) in data.iter().enumerate() {
        let mut state = words.get(lane);
        portable::compress(&mut state, data);
        words.set(lane, &state);
    }
}
