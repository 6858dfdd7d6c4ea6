//! What is transferred: bytes that are a function of their place, so that a load generator serves them from one MiB of
//! memory, and no two blocks are alike.

use std::io::Write;
use std::path::Path;

use crate::Result;

/// Bytes in a block.
pub(crate) const BLOCK: usize = 16 * 1024;
/// Bytes in a piece of every torrent here.
pub(crate) const PIECE: usize = 1 << 20;
/// Blocks in a piece.
pub(crate) const BLOCKS: usize = PIECE / BLOCK;

/// The bytes that all pieces share; each block begins with a stamp of its own.
pub(crate) struct Payload(Vec<u8>);

/// Bytes that look random (xorshift), eight at a time, the same on every machine.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = [u8; 8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ seed;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
}

impl Payload {
    /// The same on every machine.
    pub(crate) fn new() -> Payload {
        Payload(noise(0).take(PIECE / 8).flatten().collect())
    }

    /// The block with the given number in the whole payload: its stamp, and the rest of it.
    pub(crate) fn block(&self, number: usize) -> ([u8; 8], &[u8]) {
        let stamp = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let begin = number % BLOCKS * BLOCK;
        (stamp, &self.0[begin + stamp.len()..begin + BLOCK])
    }

    /// Writes so many whole pieces to a file.
    pub(crate) fn write(&self, path: &Path, pieces: usize) -> Result {
        let mut out = std::io::BufWriter::with_capacity(PIECE, std::fs::File::create(path)?);
        for number in 0..pieces * BLOCKS {
            let (stamp, rest) = self.block(number);
            out.write_all(&stamp)?;
            out.write_all(rest)?;
        }
        Ok(out.flush()?)
    }

    /// Whether a file holds so many pieces, all right.
    pub(crate) fn check(&self, path: &Path, pieces: usize) -> Result {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.len() != (pieces * PIECE) as u64 {
            return Err(format!("{}: wrong length", path.display()).into());
        }
        let mut file = std::io::BufReader::with_capacity(PIECE, file);
        let mut buf = vec![0; BLOCK];
        for number in 0..pieces * BLOCKS {
            std::io::Read::read_exact(&mut file, &mut buf)?;
            let (stamp, rest) = self.block(number);
            if buf[..8] != stamp || &buf[8..] != rest {
                return Err(format!("{}: block {number} is wrong", path.display()).into());
            }
        }
        Ok(())
    }
}
