//! Why bytes from a peer are no message.

use std::fmt;

use crate::MessageId;

/// Why bytes from a peer are no handshake or message. Always the peer's doing; the connection can't go on after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer speaks another protocol, or an encrypted one.
    #[error("no BitTorrent handshake: byte {at} is {got:#04x} where {expected:#04x} belongs")]
    Protocol {
        /// Offset of the first wrong byte.
        at: usize,
        /// What came.
        got: u8,
        /// What belongs there (BEP 3).
        expected: u8,
    },
    /// A message has a length that its type does not allow.
    #[error("{id} message of {len} bytes, allowed: {allowed}")]
    Len {
        /// The type of the message.
        id: MessageId,
        /// Its length as announced: the id and all that follows it, in bytes.
        len: u32,
        /// The lengths it may have.
        allowed: Allowed,
    },
}

/// The lengths that a message may have: its id and all that follows it, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Allowed {
    /// This length only.
    Exactly(u32),
    /// These lengths, both ends included.
    Between {
        /// The shortest.
        min: u32,
        /// The longest.
        max: u32,
    },
    /// `min`, or some steps more, up to `max`.
    Steps {
        /// The shortest.
        min: u32,
        /// The distance between one length and the next.
        step: u32,
        /// The longest.
        max: u32,
    },
}

impl Allowed {
    /// Whether `len` is one of them.
    pub const fn contains(&self, len: u32) -> bool {
        match *self {
            Allowed::Exactly(n) => len == n,
            Allowed::Between { min, max } => min <= len && len <= max,
            Allowed::Steps { min, step, max } => min <= len && len <= max && (len - min).is_multiple_of(step),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Exactly(n) => write!(f, "{n}"),
            Allowed::Between { min, max } => write!(f, "{min} to {max}"),
            Allowed::Steps { min, step, max } => write!(f, "{min} to {max} in steps of {step}"),
        }
    }
}
