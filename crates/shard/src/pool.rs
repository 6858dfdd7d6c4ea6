//! Buffers of one block each, recycled.

use types::BLOCK_LEN;

/// An owned buffer for one block of 16 KiB, of which the first [`Block::len`] bytes count.
pub struct Block {
    bytes: Box<[u8]>,
    len: usize,
}

/// A bounded set of block buffers. Buffers are made on demand and kept for the next use.
///
/// A pool buffer waits for disk or hash only, never for a peer: the block that a connection is receiving lies
/// in a buffer that is lent beyond the limit (one for each connection at most, and 32 that the next read offers), and counts
/// from when it is whole.
#[derive(Debug)]
pub struct Pool {
    free: Vec<Block>,
    out: usize,
    limit: usize,
}

impl Block {
    fn new() -> Block {
        Block { bytes: vec![0; BLOCK_LEN as usize].into_boxed_slice(), len: 0 }
    }

    /// How many bytes count.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte counts.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets the first `len` bytes count, at most a whole block.
    pub fn set_len(&mut self, len: usize) {
        self.len = len.min(self.bytes.len());
    }

    /// Lets `len` bytes count, those beyond the present ones as zeros.
    pub(crate) fn stretch(&mut self, len: usize) {
        let end = len.min(self.bytes.len());
        if let Some(tail) = self.bytes.get_mut(self.len..end) {
            tail.fill(0);
        }
        self.set_len(len);
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({})", self.len)
    }
}

impl Pool {
    /// A pool of at most `limit` buffers.
    pub fn new(limit: usize) -> Pool {
        Pool { free: Vec::new(), out: 0, limit }
    }

    /// A buffer of `len` bytes, or None where all are out.
    pub fn take(&mut self, len: usize) -> Option<Block> {
        if self.out >= self.limit {
            return None;
        }
        let mut block = self.free.pop().unwrap_or_else(Block::new);
        block.set_len(len);
        self.out += 1;
        Some(block)
    }

    /// Takes a buffer back.
    pub fn give(&mut self, block: Block) {
        self.out = self.out.saturating_sub(1);
        self.free.push(block);
    }

    /// A buffer of `len` bytes for a block in arrival. It counts once [`Pool::admit`] is called for it.
    pub(crate) fn lend(&mut self, len: usize) -> Block {
        let mut block = self.free.pop().unwrap_or_else(Block::new);
        block.set_len(len);
        block
    }

    /// A lent buffer is whole: it counts from now on.
    pub(crate) fn admit(&mut self) {
        self.out += 1;
    }

    /// Takes a lent buffer back that was never admitted.
    pub(crate) fn unlend(&mut self, block: Block) {
        self.free.push(block);
    }

    /// Whether at least half of the buffers are out.
    pub(crate) fn is_half_used(&self) -> bool {
        self.out * 2 >= self.limit
    }

    /// Whether so many buffers are free that it pays to wake those who wait for one.
    pub(crate) fn has_room(&self) -> bool {
        self.left() >= (self.limit / 16).max(1)
    }

    /// How many buffers are out.
    pub fn out(&self) -> usize {
        self.out
    }

    /// How many more may be taken.
    pub fn left(&self) -> usize {
        self.limit - self.out.min(self.limit)
    }

    /// Gives memory of idle buffers back to the system, down to `keep` of them.
    pub fn shrink(&mut self, keep: usize) {
        self.free.truncate(keep);
        self.free.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_buffers_come_back() {
        let mut pool = Pool::new(2);
        let (a, b) = (pool.take(10).unwrap(), pool.take(99_999).unwrap());
        assert_eq!((a.len(), b.len(), pool.left()), (10, BLOCK_LEN as usize, 0));
        assert!(pool.take(1).is_none());
        pool.give(a);
        assert_eq!(pool.take(3).unwrap().as_ref().len(), 3);
    }
}
