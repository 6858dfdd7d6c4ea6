//! SHA-1 and SHA-256, one stream and many independent streams at once.
//!
//! A single SHA stream is bound by the latency of its rounds; independent streams are not. So besides the usual
//! streaming hashers this crate feeds many streams through SIMD lanes together, with kernels chosen at run time:
//! AVX-512 (16 streams), SHA-NI (2 interleaved, or 1), AVX2 (8), the ARMv8 SHA-2 extension (1), and portable Rust.
//!
//! It does not start threads or hash one stream in parallel with itself, and only [`sha256_each`] allocates. It is meant for checksums of
//! public data (pieces, blocks, merkle trees), not for keyed or secret input.
//!
//! ```
//! use riverrun_hash as hash;
//!
//! // One stream.
//! let mut state = hash::Sha1::new();
//! state.update(b"ab");
//! state.update(b"c");
//! assert_eq!(state.finalize(), hash::sha1(b"abc"));
//!
//! // Several running streams, each fed its own bytes, together.
//! let (mut a, mut b) = (hash::Sha1::new(), hash::Sha1::new());
//! hash::update_many_sha1(&mut [(&mut a, b"first"), (&mut b, b"second")]);
//! assert_eq!(b.finalize(), hash::sha1(b"second"));
//!
//! // Many whole messages.
//! let mut digests = [[0; 32]; 3];
//! hash::sha256_many(&[b"x", b"yy", b"zzz"], &mut digests);
//! assert_eq!(digests[1], hash::sha256(b"yy"));
//! ```
//!
//! # Which kernel runs
//!
//! [`backend()`] looks at the CPU's features once per process; nothing is timed, so one machine always chooses alike.
//! The number of streams that are ready then decides between the kernels the CPU has; [`Backend`] has the table, and
//! the README the figures it rests on. The wide kernels are about a sixth faster on data aligned to 64 bytes.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod absent;
mod backend;
mod cpu;
mod family;
mod many;
mod sha1;
mod sha256;
mod stream;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::{Backend, Kernel, backend};
pub use family::MAX_LANES;
pub use stream::{Sha1, Sha256};

/// Bytes in the block that both functions compress.
pub const BLOCK_LEN: usize = 64;

/// The SHA-1 digest of `data`.
pub fn sha1(data: &[u8]) -> [u8; 20] {
    backend().sha1(data)
}

/// The SHA-256 digest of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    backend().sha256(data)
}

/// Feeds each running state its own data, many at once through the SIMD lanes.
///
/// The streams may differ in length and in how much they have absorbed. The result equals calling
/// [`Sha1::update`] on each. It pays most with [`Backend::lanes`] streams of similar length.
pub fn update_many_sha1(jobs: &mut [(&mut Sha1, &[u8])]) {
    backend().update_many_sha1(jobs);
}

/// Feeds each running state its own data, as [`update_many_sha1`] does for SHA-1.
pub fn update_many_sha256(jobs: &mut [(&mut Sha256, &[u8])]) {
    backend().update_many_sha256(jobs);
}

/// The SHA-1 digest of each of many independent whole messages.
///
/// # Panics
/// If `messages` and `out` differ in length.
pub fn sha1_many(messages: &[&[u8]], out: &mut [[u8; 20]]) {
    backend().sha1_many(messages, out);
}

/// The SHA-256 digest of each of many independent whole messages, such as the 16 KiB leaves of BEP 52.
///
/// # Panics
/// If `messages` and `out` differ in length.
pub fn sha256_many(messages: &[&[u8]], out: &mut [[u8; 32]]) {
    backend().sha256_many(messages, out);
}

/// As [`sha256_many`] for messages gathered from several places: each digest comes back under the name that its message
/// was given with, in the same order.
///
/// ```
/// let digests = riverrun_hash::sha256_each([("a", &b"one"[..]), ("b", b"two")]);
/// assert_eq!(digests[1], ("b", riverrun_hash::sha256(b"two")));
/// ```
pub fn sha256_each<'a, N>(jobs: impl IntoIterator<Item = (N, &'a [u8])>) -> Vec<(N, [u8; 32])> {
    let (names, messages): (Vec<N>, Vec<&[u8]>) = jobs.into_iter().unzip();
    let mut digests = vec![[0; 32]; messages.len()];
    sha256_many(&messages, &mut digests);
    names.into_iter().zip(digests).collect()
}

/// One level of a BEP 52 merkle tree: `out[i] = SHA-256(nodes[2 * i] || nodes[2 * i + 1])`.
///
/// # Panics
/// If `nodes` is not exactly twice as long as `out`.
pub fn sha256_pairs(nodes: &[[u8; 32]], out: &mut [[u8; 32]]) {
    backend().sha256_pairs(nodes, out);
}
