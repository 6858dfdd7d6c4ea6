//! The canonical encoder.

use std::fmt::Display;
use std::io::Write;
use std::ops::Range;

use crate::document::{Node, parse};
use crate::options::{IntWidth, Options};

/// What an [`Encoder`] was misused for. `offset` is the length of the output at that point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A key is not greater than the one before it.
    #[error("a dictionary key is not greater than the key before it, at output byte {offset}")]
    KeyOrder {
        /// Bytes written before it.
        offset: usize,
    },
    /// A value in a dictionary without its key.
    #[error("a dictionary value has no key, at output byte {offset}")]
    MissingKey {
        /// Bytes written before it.
        offset: usize,
    },
    /// A key outside of a dictionary, or after a key.
    #[error("a key stands where a value is due, at output byte {offset}")]
    UnexpectedKey {
        /// Bytes written before it.
        offset: usize,
    },
    /// `end` without an open container, or after a key.
    #[error("there is nothing to end, at output byte {offset}")]
    UnexpectedEnd {
        /// Bytes written before it.
        offset: usize,
    },
    /// A second value at the top.
    #[error("a second value follows the first, at output byte {offset}")]
    SecondValue {
        /// Bytes written before it.
        offset: usize,
    },
    /// Bytes given to [`Encoder::raw`] are not one bencoded value.
    #[error("raw bytes are not one bencoded value, at output byte {offset}")]
    InvalidRaw {
        /// Bytes written before it.
        offset: usize,
    },
    /// `finish` with no value, or with a container still open.
    #[error("the value is not complete, at output byte {offset}")]
    Incomplete {
        /// Bytes written.
        offset: usize,
    },
}

/// Writes one canonical value. Misuse is remembered and reported by [`Encoder::finish`], so that calls chain.
///
/// ```
/// let mut encoder = riverrun_bencode::Encoder::new();
/// encoder.begin_dict();
/// encoder.key("length").int(5);
/// encoder.key("path").begin_list().bytes("a").bytes("b").end();
/// encoder.end();
/// assert_eq!(encoder.finish()?, b"d6:lengthi5e4:pathl1:a1:bee");
/// # Ok::<(), riverrun_bencode::EncodeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    stack: Vec<Open>,
    error: Option<EncodeError>,
    complete: bool,
}

#[derive(Clone, Debug)]
enum Open {
    List,
    Dict { last_key: Option<Range<usize>>, pending: bool },
}

impl Encoder {
    /// An encoder with nothing written.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for `bytes` bytes of output.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.value(|out| write_int(out, value))
    }

    /// Writes an integer. Readers that keep integers as `i64` refuse values above `i64::MAX`.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.value(|out| write_int(out, value))
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.value(|out| write_bytes(out, bytes.as_ref()))
    }

    /// Writes one value that is already encoded, as it is. It may be of any depth, and need not be canonical.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        let any = Options::lenient()
            .max_depth(usize::MAX)
            .max_len(usize::MAX)
            .max_tokens(usize::MAX)
            .int_width(IntWidth::Digits(usize::MAX))
            .trailing(true);
        if parse(encoded, &any).is_ok_and(|document| document.rest().is_empty()) {
            self.value(|out| out.extend_from_slice(encoded))
        } else {
            self.fail(EncodeError::InvalidRaw { offset: self.out.len() })
        }
    }

    /// Writes a decoded value, as it was read.
    pub fn node(&mut self, node: Node<'_, '_>) -> &mut Self {
        self.value(|out| out.extend_from_slice(node.raw()))
    }

    /// Writes an owned value.
    pub fn owned(&mut self, value: &crate::Value) -> &mut Self {
        self.value(|out| value.encode_into(out))
    }

    /// Begins a list; its items follow, then [`Encoder::end`].
    pub fn begin_list(&mut self) -> &mut Self {
        self.begin(b'l', Open::List)
    }

    /// Begins a dictionary; [`Encoder::key`] and a value follow for each entry, in ascending order of the keys, then
    /// [`Encoder::end`].
    pub fn begin_dict(&mut self) -> &mut Self {
        self.begin(b'd', Open::Dict { last_key: None, pending: false })
    }

    /// Writes the key of the value that follows.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        let key = key.as_ref();
        let offset = self.out.len();
        let Some(Open::Dict { last_key, pending: pending @ false }) = self.stack.last_mut() else {
            return self.fail(EncodeError::UnexpectedKey { offset });
        };
        if last_key.clone().is_some_and(|last| self.out[last] >= *key) {
            return self.fail(EncodeError::KeyOrder { offset });
        }
        if self.error.is_none() {
            *pending = true;
            write_bytes(&mut self.out, key);
            *last_key = Some(self.out.len() - key.len()..self.out.len());
        }
        self
    }

    /// Ends the innermost open list or dictionary.
    pub fn end(&mut self) -> &mut Self {
        if self.error.is_some() {
            return self;
        }
        match self.stack.pop() {
            Some(Open::List | Open::Dict { pending: false, .. }) => {
                self.out.push(b'e');
                self.value_done();
                self
            }
            _ => self.fail(EncodeError::UnexpectedEnd { offset: self.out.len() }),
        }
    }

    /// The encoded value.
    ///
    /// # Errors
    /// The first misuse of the encoder, or [`EncodeError::Incomplete`].
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.error {
            Some(error) => Err(error),
            None if self.complete => Ok(self.out),
            None => Err(EncodeError::Incomplete { offset: self.out.len() }),
        }
    }

    fn begin(&mut self, byte: u8, open: Open) -> &mut Self {
        if self.may_write() {
            self.out.push(byte);
            self.stack.push(open);
        }
        self
    }

    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        if self.may_write() {
            write(&mut self.out);
            self.value_done();
        }
        self
    }

    fn may_write(&mut self) -> bool {
        let offset = self.out.len();
        match self.stack.last() {
            None if self.complete => self.fail(EncodeError::SecondValue { offset }),
            Some(Open::Dict { pending: false, .. }) => self.fail(EncodeError::MissingKey { offset }),
            _ => self,
        };
        self.error.is_none()
    }

    fn value_done(&mut self) {
        match self.stack.last_mut() {
            Some(Open::Dict { pending, .. }) => *pending = false,
            Some(Open::List) => {}
            None => self.complete = true,
        }
    }

    /// Keeps the first error.
    fn fail(&mut self, error: EncodeError) -> &mut Self {
        self.error.get_or_insert(error);
        self
    }
}

pub(crate) fn write_int(out: &mut Vec<u8>, value: impl Display) {
    write!(out, "i{value}e").expect("writing to a Vec does not fail");
}

pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write!(out, "{}:", bytes.len()).expect("writing to a Vec does not fail");
    out.extend_from_slice(bytes);
}
