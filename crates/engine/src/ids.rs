//! Names of things that live in one client.

use std::fmt;

/// A torrent of this client. Given once, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorrentId(pub u32);

/// A connection of one shard: a slot and the count of earlier users of that slot, so that a late result for a
/// closed connection can't reach its successor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl ConnId {
    /// The connection in `slot` after `generation` others.
    pub const fn new(slot: u32, generation: u32) -> ConnId {
        ConnId((generation as u64) << 32 | slot as u64)
    }

    /// Its place in the shard's table.
    pub const fn slot(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// As one number, for a poller's token.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Back from [`ConnId::as_u64`].
    pub const fn from_u64(raw: u64) -> ConnId {
        ConnId(raw)
    }
}

impl fmt::Debug for TorrentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torrent {}", self.0)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn {}.{}", self.slot(), self.0 >> 32)
    }
}
