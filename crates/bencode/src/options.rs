//! What a decoder accepts and how much of it.

/// Whether deviations from canonical bencode (BEP 3) are errors or warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Every deviation is an error: whatever decodes re-encodes to the same bytes.
    Strict,
    /// The deviations of [`WarningKind`](crate::WarningKind) are accepted and reported in
    /// [`Document::warnings`](crate::Document::warnings).
    Lenient,
}

/// How wide an integer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntWidth {
    /// The value must fit an `i64`.
    I64,
    /// Any value of at most this many digits (leading zeros counted, sign not). Values outside `i64` are read with
    /// [`Node::as_u64`](crate::Node::as_u64) or as text with [`Node::int_text`](crate::Node::int_text).
    Digits(usize),
}

/// Limits and strictness of a decoder. All limits hold before memory is taken for what they limit.
///
/// ```
/// use riverrun_bencode::Options;
/// let options = Options::lenient().max_len(1 << 20).max_depth(16);
/// assert_eq!(options.max_depth, 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Strict or lenient.
    pub mode: Mode,
    /// Lists and dictionaries open at once. 1 allows a flat list; 0 only a string or an integer.
    pub max_depth: usize,
    /// Bytes of one value. Values above `u32::MAX` count as `u32::MAX`.
    pub max_len: usize,
    /// Tokens of one value: each string, key, integer, list and dictionary is one. A token costs 24 bytes of memory.
    pub max_tokens: usize,
    /// Width of integers.
    pub int_width: IntWidth,
    /// Bytes after the value are allowed and left alone, without a warning (`ut_metadata`, BEP 9). `max_len` then
    /// bounds the value, not the input.
    pub trailing: bool,
}

impl Options {
    /// Strict; depth 64, 16 MiB, 2 million tokens, `i64` integers, nothing after the value.
    #[must_use]
    pub const fn strict() -> Self {
        Self {
            mode: Mode::Strict,
            max_depth: 64,
            max_len: 16 << 20,
            max_tokens: 2_000_000,
            int_width: IntWidth::I64,
            trailing: false,
        }
    }

    /// Lenient, with the limits of [`Options::strict`].
    #[must_use]
    pub const fn lenient() -> Self {
        Self { mode: Mode::Lenient, ..Self::strict() }
    }

    /// Sets [`Options::max_depth`].
    #[must_use]
    pub const fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets [`Options::max_len`], in bytes.
    #[must_use]
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Sets [`Options::max_tokens`].
    #[must_use]
    pub const fn max_tokens(mut self, tokens: usize) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Sets [`Options::int_width`].
    #[must_use]
    pub const fn int_width(mut self, width: IntWidth) -> Self {
        self.int_width = width;
        self
    }

    /// Sets [`Options::trailing`].
    #[must_use]
    pub const fn trailing(mut self, allowed: bool) -> Self {
        self.trailing = allowed;
        self
    }

    /// `max_len` as the decoder applies it: offsets are kept as `u32`.
    pub(crate) const fn len_limit(&self) -> usize {
        const CEILING: usize = u32::MAX as usize;
        if self.max_len > CEILING { CEILING } else { self.max_len }
    }

    /// `max_tokens` as the decoder applies it: token numbers are kept as `u32`.
    pub(crate) const fn token_limit(&self) -> usize {
        const CEILING: usize = u32::MAX as usize - 1;
        if self.max_tokens > CEILING { CEILING } else { self.max_tokens }
    }
}

impl Default for Options {
    /// [`Options::strict`].
    fn default() -> Self {
        Self::strict()
    }
}
