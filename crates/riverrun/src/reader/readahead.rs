//! How far ahead of a reader the swarm is asked.

use std::fmt;
use std::sync::Arc;

/// The least that a growing readahead asks for ahead.
const LEAST: u64 = 128 << 10;
/// The default for the most.
const MOST: u64 = 32 << 20;

/// Where a reader stands, for a readahead that is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReadPosition {
    /// The next byte that is read, from the start of the file or torrent.
    pub position: u64,
    /// Length of what can be read.
    pub len: u64,
    /// Bytes read one after the other since the reader began or sought.
    pub contiguous: u64,
}

type Compute = dyn Fn(ReadPosition) -> u64 + Send + Sync;

/// How many bytes beyond a read the swarm is asked for. The pieces that those bytes lie in are fetched, and
/// no others.
#[derive(Clone)]
#[non_exhaustive]
pub enum Readahead {
    /// Twice what was read one after the other since the last seek: at least 128 KiB, and at most `most`. The
    /// default, with a `most` of 32 MiB.
    Growing {
        /// The most, in bytes.
        most: u64,
    },
    /// Always so many bytes. 0 fetches what a read asks for and no more.
    Fixed(u64),
    /// What a function says.
    Computed(Arc<Compute>),
}

impl Readahead {
    /// What `compute` says each time that the reader reads. It runs inside the read, so it should be quick.
    pub fn computed(compute: impl Fn(ReadPosition) -> u64 + Send + Sync + 'static) -> Readahead {
        Readahead::Computed(Arc::new(compute))
    }

    pub(super) fn bytes(&self, at: ReadPosition) -> u64 {
        match self {
            Readahead::Growing { most } => at.contiguous.saturating_mul(2).max(LEAST).min(*most),
            Readahead::Fixed(bytes) => *bytes,
            Readahead::Computed(compute) => compute(at),
        }
    }
}

impl Default for Readahead {
    fn default() -> Readahead {
        Readahead::Growing { most: MOST }
    }
}

impl fmt::Debug for Readahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Readahead::Growing { most } => write!(f, "Growing {{ most: {most} }}"),
            Readahead::Fixed(bytes) => write!(f, "Fixed({bytes})"),
            Readahead::Computed(_) => f.write_str("Computed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_was_read_and_stops_at_its_most() {
        let at = |contiguous| ReadPosition { position: 0, len: 1 << 40, contiguous };
        let growing = Readahead::default();
        assert_eq!([0, 100_000, 1 << 40].map(|n| growing.bytes(at(n))), [LEAST, 200_000, MOST]);
        assert_eq!(Readahead::Growing { most: 7 }.bytes(at(0)), 7);
        assert_eq!(Readahead::computed(|at| at.contiguous + 1).bytes(at(4)), 5);
    }
}
