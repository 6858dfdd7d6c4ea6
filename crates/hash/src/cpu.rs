//! Proofs that the CPU has an instruction set. Only `detect` builds one, so holding one is the safety argument for
//! calling code compiled for those instructions. On other architectures the proofs are types without values.

macro_rules! proof {
    ($(#[$doc:meta])* $name:ident, $arch:literal, $detected:ident, [$($feature:tt),+]) => {
        $(#[$doc])*
        #[cfg(target_arch = $arch)]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(());

        $(#[$doc])*
        #[cfg(not(target_arch = $arch))]
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum $name {}

        impl $name {
            /// The proof, where this CPU and operating system offer all the features.
            pub(crate) fn detect() -> Option<Self> {
                #[cfg(target_arch = $arch)]
                if $(std::arch::$detected!($feature))&&+ {
                    return Some(Self(()));
                }
                None
            }
        }
    };
}

proof!(
    /// The x86 SHA extensions with the SSE levels that their code uses.
    ShaNi, "x86_64", is_x86_feature_detected, ["sha", "sse2", "ssse3", "sse4.1"]
);
proof!(
    /// AVX2, saved and restored by the operating system.
    Avx2, "x86_64", is_x86_feature_detected, ["avx2"]
);
proof!(
    /// AVX-512 F and BW, saved and restored by the operating system.
    Avx512, "x86_64", is_x86_feature_detected, ["avx512f", "avx512bw"]
);
proof!(
    /// The ARMv8 cryptographic extension with SHA-1 and SHA-256.
    Armv8, "aarch64", is_aarch64_feature_detected, ["neon", "sha2"]
);
