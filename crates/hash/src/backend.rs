//! Which kernels this process uses, and from how many streams each is worth its lanes.

use std::{fmt, sync::OnceLock};

use crate::cpu::{Armv8, Avx2, Avx512, ShaNi};

/// A family of compression kernels. [`Backend::with_kernel`] forces one, for tests and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kernel {
    /// Plain Rust, one stream.
    Portable,
    /// The ARMv8 SHA-2 extension, one stream.
    Armv8,
    /// The x86 SHA extension, one stream.
    ShaNi,
    /// The x86 SHA extension, two streams interleaved.
    ShaNiX2,
    /// AVX2, eight streams.
    Avx2X8,
    /// AVX-512 F and BW, sixteen streams.
    Avx512X16,
}

impl Kernel {
    /// Every kernel, whether or not this CPU can run it.
    pub const ALL: [Self; 6] =
        [Self::Portable, Self::Armv8, Self::ShaNi, Self::ShaNiX2, Self::Avx2X8, Self::Avx512X16];

    /// Whether this CPU can run the kernel.
    pub fn available(self) -> bool {
        Backend::with_kernel(self).is_some()
    }

    /// How many streams one call of the kernel advances.
    pub const fn lanes(self) -> usize {
        match self {
            Self::Portable | Self::Armv8 | Self::ShaNi => 1,
            Self::ShaNiX2 => 2,
            Self::Avx2X8 => 8,
            Self::Avx512X16 => 16,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Portable => "portable",
            Self::Armv8 => "armv8 x1",
            Self::ShaNi => "sha-ni x1",
            Self::ShaNiX2 => "sha-ni x2",
            Self::Avx2X8 => "avx2 x8",
            Self::Avx512X16 => "avx-512 x16",
        })
    }
}

/// The kernel for a stream that is alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum One {
    Portable,
    ShaNi(ShaNi),
    Armv8(Armv8),
}

/// The kernels of one hash function, and the number of ready streams from which each wide one is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) one: One,
    pub(crate) pair: Option<ShaNi>,
    pub(crate) wide8: Option<(Avx2, usize)>,
    pub(crate) wide16: Option<(Avx512, usize)>,
}

impl Plan {
    const PORTABLE: Self = Self { one: One::Portable, pair: None, wide8: None, wide16: None };

    /// How many streams at once the widest kernel takes.
    pub(crate) fn lanes(&self) -> usize {
        match self {
            Self { wide16: Some(_), .. } => 16,
            Self { wide8: Some(_), .. } => 8,
            Self { pair: Some(_), .. } => 2,
            _ => 1,
        }
    }
}

/// A set of kernels that this CPU can run, and the rule that chooses between them.
///
/// The choice by CPU feature, where `n` is the number of streams that have data at the moment:
///
/// | CPU has | SHA-1 | SHA-256 |
/// |---|---|---|
/// | SHA-NI and AVX-512 with full-width units (Intel since Ice Lake; AMD family 1Ah, Zen 5, and later) | x16 from `n` = 6, else x2, x1 | x16 from 12, else x2, x1 |
/// | SHA-NI and AVX-512 in halves (Zen 4) | x16 from 9, x8 from 7, else x2, x1 | x2, x1 |
/// | SHA-NI and AVX2 | x8 from 7, else x2, x1 | x2, x1 |
/// | SHA-NI | x2, x1 | x2, x1 |
/// | AVX-512, no SHA-NI (Skylake-X, Cascade Lake) | x16 from 9, x8 from 2, else portable | the same |
/// | AVX2, no SHA-NI | x8 from 2, else portable | the same |
/// | ARMv8 SHA-2 | x1 | x1 |
/// | none of them | portable | portable |
///
/// A wide kernel takes the same time for one stream as for all its lanes, so `n` is where the useful lanes overtake
/// the next narrower kernel. The numbers rest on measurements on Zen 4, Zen 5 and an Intel server core (see the README).
/// Zen 4 runs a 512-bit operation in two halves: there sixteen lanes of SHA-256 do not overtake SHA-NI, which has two
/// rounds of it in one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    pub(crate) sha1: Plan,
    pub(crate) sha256: Plan,
}

/// The kernels that suit this CPU, detected at the first call and the same ever after.
pub fn backend() -> &'static Backend {
    static CHOSEN: OnceLock<Backend> = OnceLock::new();
    CHOSEN.get_or_init(Backend::detect)
}

impl Backend {
    /// Looks at the CPU's features and chooses; see the table above.
    fn detect() -> Self {
        Self::choose(one(), ShaNi::detect(), Avx2::detect(), Avx512::detect(), full_width_avx512())
    }

    fn choose(
        one: One,
        sha_ni: Option<ShaNi>,
        avx2: Option<Avx2>,
        avx512: Option<Avx512>,
        full_width_avx512: bool,
    ) -> Self {
        if sha_ni.is_some() {
            let pairs = Plan { one, pair: sha_ni, wide8: None, wide16: None };
            let from8 = avx2.map(|proof| (proof, 7));
            let from16 = |from| avx512.map(|proof| (proof, from));
            return if full_width_avx512 {
                Self {
                    sha1: Plan { wide16: from16(6), ..pairs },
                    sha256: Plan { wide16: from16(12), ..pairs },
                }
            } else {
                Self { sha1: Plan { wide8: from8, wide16: from16(9), ..pairs }, sha256: pairs }
            };
        }
        let plan = |from8| Plan {
            one,
            pair: None,
            wide8: avx2.map(|proof| (proof, from8)),
            wide16: avx512.map(|proof| (proof, if avx2.is_some() { 9 } else { from8 })),
        };
        Self { sha1: plan(2), sha256: plan(2) }
    }

    /// A backend that sends everything it can through `kernel`, or `None` where the CPU cannot run it.
    ///
    /// The wide kernels then run even for one stream among dead lanes when called through the `_many` functions;
    /// lone streams (`update`, `sha1`, `sha256`) use the portable kernel beside them.
    pub fn with_kernel(kernel: Kernel) -> Option<Self> {
        let plain = Plan::PORTABLE;
        let plan = match kernel {
            Kernel::Portable => plain,
            Kernel::Armv8 => Plan { one: One::Armv8(Armv8::detect()?), ..plain },
            Kernel::ShaNi => Plan { one: One::ShaNi(ShaNi::detect()?), ..plain },
            Kernel::ShaNiX2 => {
                let proof = ShaNi::detect()?;
                Plan { one: One::ShaNi(proof), pair: Some(proof), ..plain }
            }
            Kernel::Avx2X8 => Plan { wide8: Some((Avx2::detect()?, 1)), ..plain },
            Kernel::Avx512X16 => Plan { wide16: Some((Avx512::detect()?, 1)), ..plain },
        };
        Some(Self { sha1: plan, sha256: plan })
    }

    /// How many streams at once are worthwhile: the lanes of the widest kernel in use, 1 to 16. Fewer are never slower
    /// for each byte than a single one.
    pub fn lanes(&self) -> usize {
        self.sha1.lanes().max(self.sha256.lanes())
    }
}

/// Whether this is an x86 core known to run a 512-bit operation in one piece. No feature bit says so; vendor and
/// family do. All of Intel's do so with integers, which is all that hashing needs.
#[cfg(target_arch = "x86_64")]
fn full_width_avx512() -> bool {
    use std::arch::x86_64::__cpuid;
    // SAFETY: every x86-64 CPU has the CPUID instruction with leaves 0 and 1.
    #[allow(unused_unsafe, reason = "a safe function in newer toolchains")]
    let (vendor, version) = unsafe { (__cpuid(0), __cpuid(1).eax) };
    // The extended family counts on from family 15.
    let family = if version >> 8 & 0xf == 0xf { 15 + (version >> 20 & 0xff) } else { version >> 8 & 0xf };
    match (vendor.ebx, vendor.edx, vendor.ecx) {
        INTEL => true,
        AMD => family >= 0x1a,
        _ => false,
    }
}

/// "GenuineIntel" as CPUID leaf 0 returns it in EBX, EDX and ECX.
#[cfg(target_arch = "x86_64")]
const INTEL: (u32, u32, u32) =
    (u32::from_le_bytes(*b"Genu"), u32::from_le_bytes(*b"ineI"), u32::from_le_bytes(*b"ntel"));

/// "AuthenticAMD", likewise.
#[cfg(target_arch = "x86_64")]
const AMD: (u32, u32, u32) =
    (u32::from_le_bytes(*b"Auth"), u32::from_le_bytes(*b"enti"), u32::from_le_bytes(*b"cAMD"));

#[cfg(not(target_arch = "x86_64"))]
fn full_width_avx512() -> bool {
    false
}

fn one() -> One {
    match (ShaNi::detect(), Armv8::detect()) {
        (Some(proof), _) => One::ShaNi(proof),
        (_, Some(proof)) => One::Armv8(proof),
        _ => One::Portable,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, from)) = self.wide16 {
            write!(f, "{} from {from} streams, ", Kernel::Avx512X16)?;
        }
        if let Some((_, from)) = self.wide8 {
            write!(f, "{} from {from} streams, ", Kernel::Avx2X8)?;
        }
        if self.pair.is_some() {
            write!(f, "{}, ", Kernel::ShaNiX2)?;
        }
        let one = match self.one {
            One::Portable => Kernel::Portable,
            One::ShaNi(_) => Kernel::ShaNi,
            One::Armv8(_) => Kernel::Armv8,
        };
        write!(f, "{one}")
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA-1: {}; SHA-256: {}", self.sha1, self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What any CPU that has no more than this one would choose.
    fn choices() -> Vec<Backend> {
        let mut all = Vec::new();
        for bits in 0..16 {
            let has = |bit: u32| bits >> bit & 1 == 1;
            let sha_ni = ShaNi::detect().filter(|_| has(0));
            let avx2 = Avx2::detect().filter(|_| has(1));
            let avx512 = Avx512::detect().filter(|_| has(2));
            let one = sha_ni.map_or(One::Portable, One::ShaNi);
            all.push(Backend::choose(one, sha_ni, avx2, avx512, has(3)));
        }
        all
    }

    #[test]
    fn every_choice_computes_the_same() {
        let portable = Backend::with_kernel(Kernel::Portable).expect("runs anywhere");
        let data: Vec<u8> = (0..20_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let messages: Vec<&[u8]> =
            (0..40).map(|i| &data[i..][..if i % 5 == 0 { 9000 } else { i * 97 }]).collect();
        let nodes: Vec<[u8; 32]> = messages.iter().map(|message| portable.sha256(message)).collect();
        for backend in choices() {
            for count in 0..=40 {
                let mut digests = vec![[0; 20]; count];
                backend.sha1_many(&messages[..count], &mut digests);
                assert!(
                    digests.iter().zip(&messages).all(|(d, m)| *d == portable.sha1(m)),
                    "{backend}, {count}"
                );
                let mut digests = vec![[0; 32]; count];
                backend.sha256_many(&messages[..count], &mut digests);
                assert_eq!(digests, nodes[..count], "{backend}, {count}");
            }
            for parents in 0..=20 {
                let mut out = vec![[0; 32]; parents];
                backend.sha256_pairs(&nodes[..2 * parents], &mut out);
                let expected = nodes.chunks(2).map(|pair| portable.sha256(pair.as_flattened()));
                assert!(out.into_iter().zip(expected).all(|(o, e)| o == e), "{backend}, {parents}");
            }
        }
    }
}
