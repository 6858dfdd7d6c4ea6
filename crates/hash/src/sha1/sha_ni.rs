//! Two streams at a time; the portable rounds stand in for the instructions.

use super::portable;
use crate::cpu::ShaNi;

pub(super) fn compress(_: ShaNi, state: &mut [u32; 5], data: &[u8]) {
    portable::compress(state, data);
}

pub(super) fn compress2(_: ShaNi, states: [&mut [u32; 5]; 2], data: [&[u8]; 2]) {
    for (state, data) in states.into_iter().zip(data) {
        portable::compress(state, data);
    }
}
