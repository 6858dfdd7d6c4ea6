//! What the ARMv8 kernels share: loads and stores of whole registers.

use std::arch::aarch64::*;

use crate::BLOCK_LEN;

/// Four words, the first one in lane 0.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load_words(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the reference is valid for reading the four words that this load takes.
    unsafe { vld1q_u32(words.as_ptr()) }
}

/// The four words of a register, lane 0 first.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn words(register: uint32x4_t) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: the array is valid for writing the four words that this store puts there.
    unsafe { vst1q_u32(words.as_mut_ptr(), register) };
    words
}

/// The sixteen big-endian words of a block.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn message_words(block: &[u8; BLOCK_LEN]) -> [uint32x4_t; 4] {
    let mut registers = [vdupq_n_u32(0); 4];
    for (register, bytes) in registers.iter_mut().zip(block.as_chunks::<16>().0) {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        *register = load_words(&words);
    }
    registers
}
