//! Stand-ins for the kernels of other architectures. They take a proof that has no values there, so none can be called.
#![allow(dead_code, reason = "each architecture uses the part that it lacks")]

/// Stand-in for the x86 SHA extension kernels.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod sha_ni {
    use crate::cpu::ShaNi;

    pub(crate) fn compress<const N: usize>(proof: ShaNi, _: &mut [u32; N], _: &[u8]) {
        match proof {}
    }

    pub(crate) fn compress2<const N: usize>(proof: ShaNi, _: [&mut [u32; N]; 2], _: [&[u8]; 2]) {
        match proof {}
    }
}

/// Stand-in for the AVX2 kernels.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod avx2 {
    use crate::{cpu::Avx2, family::Words};

    pub(crate) fn compress8<const N: usize>(proof: Avx2, _: &mut Words<N>, _: &[&[u8]; 8]) {
        match proof {}
    }
}

/// Stand-in for the AVX-512 kernels.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod avx512 {
    use crate::{cpu::Avx512, family::Words};

    pub(crate) fn compress16<const N: usize>(proof: Avx512, _: &mut Words<N>, _: &[&[u8]; 16]) {
        match proof {}
    }
}

/// Stand-in for the ARMv8 kernels.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) mod armv8 {
    use crate::cpu::Armv8;

    pub(crate) fn compress<const N: usize>(proof: Armv8, _: &mut [u32; N], _: &[u8]) {
        match proof {}
    }
}
