//! Bytes with several holders.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// What bytes can lie in: a buffer, a mapped file.
pub trait BytesHolder: Send + Sync {
    /// The bytes of `part`, always the same ones while it lives. None beyond its end.
    fn part(&self, part: Range<usize>) -> Option<&[u8]>;
}

impl BytesHolder for Vec<u8> {
    fn part(&self, part: Range<usize>) -> Option<&[u8]> {
        self.get(part)
    }
}

/// Bytes that several parts of a program hold without a copy for each. A clone costs a counter.
///
/// It may be a run of something larger, which lives as long as any holder: so a large dictionary can stay in the file
/// that it was read from.
#[derive(Clone)]
pub struct SharedBytes(Buffer);

#[derive(Clone)]
enum Buffer {
    Whole(Arc<[u8]>),
    /// The range is inside the holder.
    Part(Arc<dyn BytesHolder>, Range<u32>),
}

impl SharedBytes {
    /// The bytes of `part`, without a copy of them. `None` where the holder has fewer, or they begin or end beyond the
    /// first 4 GiB.
    ///
    /// ```
    /// let bytes = riverrun_types::SharedBytes::part_of(b"a long file".to_vec(), 2..6).unwrap();
    /// assert_eq!(&bytes[..], b"long");
    /// assert!(riverrun_types::SharedBytes::part_of(vec![1], 0..2).is_none());
    /// ```
    pub fn part_of(holder: impl BytesHolder + 'static, part: Range<usize>) -> Option<SharedBytes> {
        SharedBytes::part_of_shared(Arc::new(holder), part)
    }

    /// As [`SharedBytes::part_of`], of what others hold as well.
    pub fn part_of_shared(holder: Arc<dyn BytesHolder>, part: Range<usize>) -> Option<SharedBytes> {
        holder.part(part.clone())?;
        let (start, end) = (u32::try_from(part.start).ok()?, u32::try_from(part.end).ok()?);
        Some(SharedBytes(Buffer::Part(holder, start..end)))
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
            // It was there when this was made.
            Buffer::Part(holder, part) => {
                holder.part(part.start as usize..part.end as usize).unwrap_or_default()
            }
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
