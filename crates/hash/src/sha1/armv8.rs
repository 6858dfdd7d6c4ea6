//! One stream; the portable rounds stand in for the instructions.

use super::portable;
use crate::cpu::Armv8;

pub(super) fn compress(_: Armv8, state: &mut [u32; 5], data: &[u8]) {
    portable::compress(state, data);
}
