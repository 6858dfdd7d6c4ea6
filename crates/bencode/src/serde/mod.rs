//! Serde both ways.
//!
//! Rust and bencode meet so: integers and `bool` (0, 1) are integers; `str`, `char` and bytes are strings; structs and
//! maps are dictionaries, sorted when written; a field that is `None` is left out; an enum is its variant's name, or a
//! dictionary of that one key. Floats and `()` have no bencode.
//!
//! A `Vec<u8>` is a list of integers to serde. For byte strings take [`ByteBuf`], or `#[serde(with =
//! "riverrun_bencode::serde::bytes")]`; for a value kept exactly as read, [`RawValue`] or [`RawRef`].
//!
//! Serde recurses, so no more than [`MAX_DEPTH`] containers may be open, in either direction.
//!
//! ```
//! use riverrun_bencode::serde::{ByteBuf, RawRef, bytes};
//! use riverrun_bencode::{from_bytes, to_vec};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Torrent<'a> {
//!     #[serde(borrow)]
//!     info: RawRef<'a>,
//!     #[serde(with = "bytes")]
//!     id: [u8; 3],
//!     #[serde(default)]
//!     url: Option<ByteBuf>,
//! }
//! let torrent: Torrent = from_bytes(b"d2:id3:xyz4:infod1:ai1eee")?;
//! assert_eq!(torrent.info.0, b"d1:ai1ee");
//! assert_eq!(to_vec(&torrent)?, b"d2:id3:xyz4:infod1:ai1eee");
//! # Ok::<(), riverrun_bencode::serde::Error>(())
//! ```
mod byte_strings;
mod de;
mod key;
mod ser;

pub use byte_strings::{ByteBuf, FromBytes, RawRef, RawValue, bytes};
pub use de::{from_bytes, from_bytes_with, from_node};
pub use ser::to_vec;

/// Lists and dictionaries that may be open at once in [`from_bytes`] and [`to_vec`].
pub const MAX_DEPTH: usize = 128;

/// Why serde failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not bencode or exceed a limit.
    #[error(transparent)]
    Decode(#[from] crate::Error),
    /// The value does not fit the type.
    #[error("{}{message}{}", Prefix(path), Suffix(*offset))]
    Data {
        /// What does not fit.
        message: String,
        /// Keys and indexes on the way to the value, as in `info.files[2].length`.
        path: String,
        /// Offset of the value in the input, where there is an input.
        offset: Option<usize>,
    },
    /// More than [`MAX_DEPTH`] containers are open.
    #[error("the value is nested deeper than the limit of {MAX_DEPTH}")]
    TooDeep,
    /// The type has no bencode.
    #[error("{0} cannot be written as bencode")]
    Unsupported(&'static str),
}

struct Prefix<'a>(&'a str);

impl std::fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

struct Suffix(Option<usize>);

impl std::fmt::Display for Suffix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, ", at byte {offset}"))
    }
}

impl Error {
    /// Longest path kept, in bytes; hostile keys can be long.
    const PATH: usize = 256;
    /// Longest part of a key shown, in bytes.
    const KEY: usize = 40;

    fn message(message: impl std::fmt::Display) -> Self {
        Self::Data { message: message.to_string(), path: String::new(), offset: None }
    }

    /// Adds the place, unless a deeper one is known.
    fn at(mut self, place: usize) -> Self {
        if let Self::Data { offset: offset @ None, .. } = &mut self {
            *offset = Some(place);
        }
        self
    }

    fn under_key(self, key: &[u8]) -> Self {
        let shown = &key[..key.len().min(Self::KEY)];
        self.under(|| shown.escape_ascii().to_string())
    }

    fn under_index(self, index: usize) -> Self {
        self.under(|| format!("[{index}]"))
    }

    fn under(mut self, step: impl FnOnce() -> String) -> Self {
        if let Self::Data { path, .. } = &mut self
            && path.len() < Self::PATH
        {
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            *path = format!("{}{dot}{path}", step());
        }
        self
    }
}

impl ::serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::message(message)
    }
}

impl ::serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::message(message)
    }
}
