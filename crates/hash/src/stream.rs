//! The streaming hashers: buffering, length and padding around the compression functions.

use std::fmt;

use crate::{
    BLOCK_LEN,
    backend::{Backend, backend},
    family::Family,
    sha1::Sha1Family,
    sha256::Sha256Family,
};

/// A running Merkle-Damgard state of `N` words.
#[derive(Clone)]
pub(crate) struct Core<const N: usize> {
    pub(crate) state: [u32; N],
    /// Bytes absorbed so far; the last `len % 64` of them wait in `buf`.
    len: u64,
    buf: [u8; BLOCK_LEN],
}

impl<const N: usize> Core<N> {
    const fn new(iv: [u32; N]) -> Self {
        Self { state: iv, len: 0, buf: [0; BLOCK_LEN] }
    }

    fn buffered(&self) -> usize {
        (self.len % BLOCK_LEN as u64) as usize
    }

    /// Accounts for `data` and keeps what does not fill a block. Returns what is to be compressed into the state, in
    /// this order: the completed buffer, if any, and whole blocks of `data`.
    pub(crate) fn absorb<'a>(&mut self, mut data: &'a [u8]) -> (Option<[u8; BLOCK_LEN]>, &'a [u8]) {
        let have = self.buffered();
        self.len = self.len.wrapping_add(data.len() as u64);
        if have + data.len() < BLOCK_LEN {
            self.buf[have..have + data.len()].copy_from_slice(data);
            return (None, &[]);
        }
        let mut head = None;
        if have > 0 {
            let (fill, rest) = data.split_at(BLOCK_LEN - have);
            self.buf[have..].copy_from_slice(fill);
            head = Some(self.buf);
            data = rest;
        }
        let (body, tail) = data.split_at(data.len() & !(BLOCK_LEN - 1));
        self.buf[..tail.len()].copy_from_slice(tail);
        (head, body)
    }

    fn update<F: Family<N>>(&mut self, backend: &Backend, data: &[u8]) {
        let (head, body) = self.absorb(data);
        if let Some(head) = head {
            F::one(backend, &mut self.state, &head);
        }
        if !body.is_empty() {
            F::one(backend, &mut self.state, body);
        }
    }

    fn finish<F: Family<N>>(&mut self, backend: &Backend) -> [u32; N] {
        let (blocks, used) = padding(&self.buf[..self.buffered()], self.len);
        F::one(backend, &mut self.state, &blocks[..used]);
        std::mem::replace(self, Self::new(F::IV)).state
    }
}

/// The last one or two blocks of a message of `len` bytes that ends in `tail` (less than a block), and their size in
/// bytes: `tail`, a one bit, zeros, and the length in bits as a big-endian `u64`.
pub(crate) fn padding(tail: &[u8], len: u64) -> ([u8; 2 * BLOCK_LEN], usize) {
    let mut blocks = [0; 2 * BLOCK_LEN];
    blocks[..tail.len()].copy_from_slice(tail);
    blocks[tail.len()] = 0x80;
    let used = if tail.len() + 9 <= BLOCK_LEN { BLOCK_LEN } else { 2 * BLOCK_LEN };
    blocks[used - 8..used].copy_from_slice(&len.wrapping_mul(8).to_be_bytes());
    (blocks, used)
}

/// The words of a final state as digest bytes. `D` must be `4 * N`.
pub(crate) fn digest<const N: usize, const D: usize>(state: &[u32; N]) -> [u8; D] {
    const { assert!(D == 4 * N) };
    let mut out = [0; D];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

macro_rules! hasher {
    ($(#[$doc:meta])* $name:ident, $family:ty, $words:literal, $bytes:literal, $update:ident, $title:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) Core<$words>);

        impl $name {
            /// Bytes in a digest.
            pub const DIGEST_LEN: usize = $bytes;

            /// The state of the empty message.
            pub const fn new() -> Self {
                Self(Core::new(<$family>::IV))
            }

            /// Absorbs the next bytes of the message.
            pub fn update(&mut self, data: &[u8]) {
                backend().$update(self, data);
            }

            /// The digest of all that was absorbed.
            pub fn finalize(mut self) -> [u8; $bytes] {
                self.finalize_reset()
            }

            /// The digest of all that was absorbed, leaving the state of the empty message.
            pub fn finalize_reset(&mut self) -> [u8; $bytes] {
                digest(&self.0.finish::<$family>(backend()))
            }

            /// Back to the state of the empty message.
            pub fn reset(&mut self) {
                *self = Self::new();
            }

            /// Bytes absorbed so far.
            pub fn absorbed(&self) -> u64 {
                self.0.len
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($title).field("absorbed", &self.0.len).finish_non_exhaustive()
            }
        }

        impl Backend {
            /// Absorbs the next bytes of one message with this backend's single-stream kernel.
            pub fn $update(&self, state: &mut $name, data: &[u8]) {
                state.0.update::<$family>(self, data);
            }
        }
    };
}

hasher!(
    /// A running SHA-1 (FIPS 180-4): 20-byte digests, no allocation, cheap to clone.
    Sha1, Sha1Family, 5, 20, update_sha1, "Sha1"
);
hasher!(
    /// A running SHA-256 (FIPS 180-4): 32-byte digests, no allocation, cheap to clone.
    Sha256, Sha256Family, 8, 32, update_sha256, "Sha256"
);

impl Backend {
    /// The SHA-1 digest of `data`.
    pub fn sha1(&self, data: &[u8]) -> [u8; 20] {
        let mut core = Core::new(Sha1Family::IV);
        core.update::<Sha1Family>(self, data);
        digest(&core.finish::<Sha1Family>(self))
    }

    /// The SHA-256 digest of `data`.
    pub fn sha256(&self, data: &[u8]) -> [u8; 32] {
        let mut core = Core::new(Sha256Family::IV);
        core.update::<Sha256Family>(self, data);
        digest(&core.finish::<Sha256Family>(self))
    }
}
