//! Bytes with several holders.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that several parts of a program hold without a copy for each. A clone costs a counter.
///
/// It may be a run of a larger buffer, which lives as long as any holder: so a large dictionary can stay in the file
/// that it was read from.
#[derive(Clone)]
pub struct SharedBytes(Buffer);

#[derive(Clone)]
enum Buffer {
    Whole(Arc<[u8]>),
    /// The range is inside the buffer.
    Part(Arc<Vec<u8>>, Range<usize>),
}

impl SharedBytes {
    /// The bytes of `part`, without a copy of them. `None` where the buffer is shorter.
    ///
    /// ```
    /// let bytes = riverrun_types::SharedBytes::part_of(b"a long file".to_vec(), 2..6).unwrap();
    /// assert_eq!(&bytes[..], b"long");
    /// assert!(riverrun_types::SharedBytes::part_of(vec![1], 0..2).is_none());
    /// ```
    pub fn part_of(buffer: Vec<u8>, part: Range<usize>) -> Option<SharedBytes> {
        buffer.get(part.clone())?;
        Some(SharedBytes(Buffer::Part(Arc::new(buffer), part)))
    }
}

impl Default for SharedBytes {
    /// No bytes.
    fn default() -> SharedBytes {
        SharedBytes(Buffer::Whole(Arc::default()))
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Buffer::Whole(bytes) => bytes,
            Buffer::Part(buffer, part) => &buffer[part.clone()],
        }
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> SharedBytes {
        SharedBytes(Buffer::Whole(bytes.into()))
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> SharedBytes {
        SharedBytes(Buffer::Whole(bytes.into()))
    }
}

impl From<Arc<[u8]>> for SharedBytes {
    fn from(bytes: Arc<[u8]>) -> SharedBytes {
        SharedBytes(Buffer::Whole(bytes))
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &SharedBytes) -> bool {
        **self == **other
    }
}

impl Eq for SharedBytes {}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
