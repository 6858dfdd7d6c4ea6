//! Errors and warnings of the decoder.

use std::fmt;

/// Why bytes were refused, and where.
///
/// ```
/// use riverrun_bencode::{Options, parse};
/// let error = parse(b"d1:bi1e1:ai2ee", &Options::strict()).unwrap_err();
/// assert_eq!(error.to_string(), "dictionary keys are not in ascending order, at byte 7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind}, at byte {offset}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Offset in the input of the offending byte, or of the start of the token it belongs to. In a
    /// [`Stream`](crate::Stream) it counts from the first byte ever fed.
    pub offset: usize,
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends inside a value, or is empty.
    #[error("the input ends before the value is complete")]
    UnexpectedEnd,
    /// A string is longer than what is left of the input.
    #[error("a string of {length} bytes runs past the end of the input")]
    StringPastEnd {
        /// The length the string claims, in bytes.
        length: usize,
    },
    /// A byte that cannot stand here.
    #[error("unexpected byte 0x{0:02x} (expected a digit, `i`, `l`, `d` or the `e` of an open container)")]
    UnexpectedByte(u8),
    /// The length of a string is not digits followed by `:`.
    #[error("the length of a string is not a number followed by `:`")]
    InvalidLength,
    /// The length of a string has more digits than any length can.
    #[error("the length of a string is too large to be real")]
    LengthOverflow,
    /// An integer is not `i`, an optional `-`, digits, `e`.
    #[error("an integer is not of the form `i<digits>e`")]
    InvalidInteger,
    /// An integer is wider than [`Options::int_width`](crate::Options::int_width).
    #[error("an integer is wider than the reader allows")]
    IntegerTooWide,
    /// A dictionary key is not a string.
    #[error("a dictionary key is not a string")]
    KeyNotString,
    /// A dictionary ends after a key.
    #[error("a dictionary ends after a key without its value")]
    MissingValue,
    /// More lists and dictionaries are open than [`Options::max_depth`](crate::Options::max_depth).
    #[error("the value is nested deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The value is longer than [`Options::max_len`](crate::Options::max_len).
    #[error("the value is longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The value has more tokens than [`Options::max_tokens`](crate::Options::max_tokens).
    #[error("the value has more tokens than the limit of {limit}")]
    TooManyTokens {
        /// The limit.
        limit: usize,
    },
    /// A deviation from canonical bencode, in strict mode.
    #[error("{0}")]
    NotCanonical(WarningKind),
}

/// A deviation from canonical bencode: an error in strict mode, a warning in lenient mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// A key is smaller than the key before it.
    #[error("dictionary keys are not in ascending order")]
    UnsortedKeys,
    /// A key appears twice in one dictionary. Lookup finds the first.
    #[error("a dictionary key appears twice")]
    DuplicateKey,
    /// A number, or the length of a string, begins with a needless zero.
    #[error("a number has a leading zero")]
    LeadingZero,
    /// The integer is `-0`.
    #[error("an integer is minus zero")]
    MinusZero,
    /// Bytes follow the value.
    #[error("there is data after the value")]
    TrailingData,
}

/// One accepted deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// What deviates.
    pub kind: WarningKind,
    /// Offset in the input of the key, number or trailing data.
    pub offset: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.offset)
    }
}

/// The deviations accepted while decoding in lenient mode: the first [`Warnings::KEPT`] in full, a count of all, and
/// which kinds occurred. Hostile input cannot make it grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    first: Vec<Warning>,
    total: usize,
    kinds: u8,
}

impl Warnings {
    /// How many warnings are kept with their offsets.
    pub const KEPT: usize = 16;

    /// True if the input was canonical.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many deviations there were, the ones not kept included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// True if a deviation of this kind occurred, kept or not.
    #[must_use]
    pub fn contains(&self, kind: WarningKind) -> bool {
        self.kinds & bit(kind) != 0
    }

    /// The first deviations, in the order in which they were met.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Warning> + '_ {
        self.first.iter().copied()
    }

    pub(crate) fn push(&mut self, kind: WarningKind, offset: usize) {
        self.total += 1;
        self.kinds |= bit(kind);
        if self.first.len() < Self::KEPT {
            self.first.push(Warning { kind, offset });
        }
    }
}

const fn bit(kind: WarningKind) -> u8 {
    1 << kind as u8
}
