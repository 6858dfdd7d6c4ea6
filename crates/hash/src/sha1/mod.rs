//! SHA-1: constants and the choice of kernel.

mod portable;

#[cfg(not(target_arch = "aarch64"))]
use crate::absent::armv8;
#[cfg(not(target_arch = "x86_64"))]
use crate::absent::{avx2, avx512, sha_ni};
use crate::{
    backend::{Backend, One, Plan},
    family::{Family, Words},
};

#[cfg(target_arch = "aarch64")]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

/// The constant added in each twenty rounds.
const K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// SHA-1 for the scheduler.
pub(crate) struct Sha1Family;

impl Family<5> for Sha1Family {
    const IV: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn plan(backend: &Backend) -> &Plan {
        &backend.sha1
    }

    fn one(backend: &Backend, state: &mut [u32; 5], data: &[u8]) {
        match backend.sha1.one {
            One::Portable => portable::compress(state, data),
            One::ShaNi(proof) => sha_ni::compress(proof, state, data),
            One::Armv8(proof) => armv8::compress(proof, state, data),
        }
    }

    fn pair(backend: &Backend, states: [&mut [u32; 5]; 2], data: [&[u8]; 2]) {
        if let Some(proof) = backend.sha1.pair {
            sha_ni::compress2(proof, states, data);
        } else {
            for (state, data) in states.into_iter().zip(data) {
                Self::one(backend, state, data);
            }
        }
    }

    fn wide8(backend: &Backend, words: &mut Words<5>, data: &[&[u8]; 8]) {
        if let Some((proof, _)) = backend.sha1.wide8 {
            avx2::compress8(proof, words, data);
        }
    }

    fn wide16(backend: &Backend, words: &mut Words<5>, data: &[&[u8]; 16]) {
        if let Some((proof, _)) = backend.sha1.wide16 {
            avx512::compress16(proof, words, data);
        }
    }
}
