//! Bounds on lists, and what is said where one is crossed.

/// Bounds on what a list may make us hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most ranges, before merging. One takes 12 bytes (IPv4) or 48 (IPv6) while the list is built.
    pub ranges: usize,
    /// Longest line, in bytes; longer ones count as bad.
    pub line_len: usize,
    /// Most bytes of different names kept. Ranges whose name no longer fits have none.
    pub name_bytes: usize,
    /// Most bytes that a compressed list may grow to.
    pub text_len: usize,
}

impl Default for Limits {
    /// 4 million ranges, lines of 4 KiB, 64 MiB of names, 512 MiB of text.
    fn default() -> Limits {
        Limits { ranges: 4_000_000, line_len: 4096, name_bytes: 64 << 20, text_len: 512 << 20 }
    }
}

/// Why a list can't be built.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More ranges than [`Limits::ranges`].
    #[error("over {limit} ranges; raise the limit or use a shorter list")]
    TooManyRanges {
        /// The limit.
        limit: usize,
    },
    /// Compressed text that is damaged.
    #[error("damaged gzip data: {reason}")]
    Gzip {
        /// What the decoder says.
        reason: String,
    },
    /// Compressed text that grows over [`Limits::text_len`].
    #[error("gzip data of over {limit} bytes of text")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}
