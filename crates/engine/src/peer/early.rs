//! What a peer says about its pieces while nobody here knows how many there are.

use types::{Bitfield, PieceIndex, limits};

use crate::Fault;
use crate::picker::Pieces;

/// Kept as it came, within what the largest torrent takes, and understood later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early {
    all: bool,
    bits: Vec<u8>,
    /// How many bytes its bitfield had.
    len: Option<usize>,
}

impl Early {
    /// It has a piece.
    pub(crate) fn have(&mut self, piece: PieceIndex) -> Result<(), Fault> {
        if piece.0 >= limits::PIECES {
            return Err(Fault::PieceOutOfRange);
        }
        let at = piece.as_usize() / 8;
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= 0x80 >> (piece.0 % 8);
        Ok(())
    }

    /// It has these pieces. A later bitfield only adds.
    pub(crate) fn bitfield(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() > limits::PIECES.div_ceil(8) as usize || self.len.is_some_and(|len| len != bytes.len())
        {
            return Err(Fault::BadBitfield);
        }
        self.len = Some(bytes.len());
        if self.bits.len() < bytes.len() {
            self.bits.resize(bytes.len(), 0);
        }
        self.bits.iter_mut().zip(bytes).for_each(|(old, new)| *old |= new);
        Ok(())
    }

    /// It has everything.
    pub(crate) fn have_all(&mut self) {
        self.all = true;
    }

    /// What it said, of a torrent of so many pieces.
    ///
    /// # Errors
    /// It named pieces that are not there, or its bitfield was of another length.
    pub(crate) fn understand(self, pieces: u32) -> Result<Pieces, Fault> {
        let len = pieces.div_ceil(8) as usize;
        if self.len.is_some_and(|said| said != len) {
            return Err(Fault::BadBitfield);
        }
        let mut bits = self.bits;
        if bits.len() > len {
            return Err(Fault::PieceOutOfRange);
        }
        bits.resize(len, 0);
        let fault = if self.len.is_some() { Fault::BadBitfield } else { Fault::PieceOutOfRange };
        let bits = Bitfield::from_bytes(&bits, pieces).map_err(|_| fault)?;
        Ok(if self.all || bits.is_full() { Pieces::All } else { Pieces::Some(bits) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(early: Early, pieces: u32) -> Result<Vec<u32>, Fault> {
        match early.understand(pieces)? {
            Pieces::All => Ok((0..pieces).collect()),
            Pieces::Some(bits) => Ok(bits.ones().collect()),
        }
    }

    #[test]
    fn what_was_said_is_understood_later() {
        assert_eq!(said(Early::default(), 9), Ok(vec![]));
        let mut early = Early::default();
        early.bitfield(&[0x80, 0]).unwrap();
        early.have(PieceIndex(8)).unwrap();
        assert_eq!(said(early.clone(), 9), Ok(vec![0, 8]));
        early.bitfield(&[0x40, 0]).unwrap();
        assert_eq!(said(early.clone(), 9), Ok(vec![0, 1, 8]));
        assert_eq!(said(early.clone(), 17), Err(Fault::BadBitfield));
        assert_eq!(said(early.clone(), 8), Err(Fault::BadBitfield));
        early.have_all();
        assert_eq!(said(early, 9), Ok((0..9).collect()));
    }

    #[test]
    fn nonsense_is_a_fault_and_memory_is_bounded() {
        let mut early = Early::default();
        assert_eq!(early.have(PieceIndex(limits::PIECES)), Err(Fault::PieceOutOfRange));
        early.have(PieceIndex(limits::PIECES - 1)).unwrap();
        assert_eq!(early.bits.len(), limits::PIECES as usize / 8);
        assert_eq!(said(early.clone(), 9), Err(Fault::PieceOutOfRange));
        assert_eq!(early.bitfield(&vec![0; limits::PIECES as usize / 8 + 1]), Err(Fault::BadBitfield));
        let mut early = Early::default();
        early.bitfield(&[0xff]).unwrap();
        assert_eq!(early.bitfield(&[0xff, 0]), Err(Fault::BadBitfield));
        assert_eq!(said(early, 7), Err(Fault::BadBitfield), "a spare bit");
    }
}
