//! A set of pieces in the layout of the wire (BEP 3): the high bit of the first byte is piece 0.

use std::fmt;

/// A set of numbers below a fixed length, most significant bit first.
///
/// Spare bits at the end are always zero. Counting is kept up to date, so [`Bitfield::count`] costs nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bitfield {
    bytes: Vec<u8>,
    len: u32,
    count: u32,
}

/// Why bytes from a peer are no bitfield for this many pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BitfieldError {
    /// The number of bytes does not fit the number of pieces.
    Len {
        /// Bytes that came.
        got: usize,
        /// Bytes that fit.
        expected: usize,
    },
    /// A bit beyond the last piece is set.
    SpareBit,
}

impl fmt::Display for BitfieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BitfieldError::Len { got, expected } => {
                write!(f, "bitfield of {got} bytes where {expected} are expected")
            }
            BitfieldError::SpareBit => f.write_str("bitfield with a spare bit set"),
        }
    }
}

impl std::error::Error for BitfieldError {}

impl Bitfield {
    /// An empty set over `len` numbers.
    pub fn new(len: u32) -> Bitfield {
        Bitfield { bytes: vec![0; len.div_ceil(8) as usize], len, count: 0 }
    }

    /// The full set over `len` numbers.
    pub fn full(len: u32) -> Bitfield {
        let mut bytes = vec![0xff; len.div_ceil(8) as usize];
        if let (Some(last), spare @ 1..) = (bytes.last_mut(), bytes_spare(len)) {
            *last = 0xff << spare;
        }
        Bitfield { bytes, len, count: len }
    }

    /// Reads the wire form of a set over `len` numbers.
    pub fn from_bytes(bytes: &[u8], len: u32) -> Result<Bitfield, BitfieldError> {
        let expected = len.div_ceil(8) as usize;
        if bytes.len() != expected {
            return Err(BitfieldError::Len { got: bytes.len(), expected });
        }
        let mask = !(0xffu32 << bytes_spare(len)) as u8;
        if bytes.last().is_some_and(|last| last & mask != 0) {
            return Err(BitfieldError::SpareBit);
        }
        let count = bytes.iter().map(|b| b.count_ones()).sum();
        Ok(Bitfield { bytes: bytes.to_vec(), len, count })
    }

    /// The wire form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many numbers it ranges over.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether it ranges over nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many numbers are in the set.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether every number is in the set. True for a set over nothing.
    pub const fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Whether `i` is in the set; false beyond its range.
    pub fn get(&self, i: u32) -> bool {
        i < self.len && self.bytes[(i / 8) as usize] & (0x80 >> (i % 8)) != 0
    }

    /// Puts `i` in. Returns whether it was new; beyond the range nothing happens.
    pub fn insert(&mut self, i: u32) -> bool {
        if i >= self.len || self.get(i) {
            return false;
        }
        self.bytes[(i / 8) as usize] |= 0x80 >> (i % 8);
        self.count += 1;
        true
    }

    /// Takes `i` out. Returns whether it was in.
    pub fn remove(&mut self, i: u32) -> bool {
        if !self.get(i) {
            return false;
        }
        self.bytes[(i / 8) as usize] &= !(0x80 >> (i % 8));
        self.count -= 1;
        true
    }

    /// The numbers in the set, ascending.
    pub fn ones(&self) -> Ones<'_> {
        Ones { bytes: &self.bytes, at: 0, byte: self.bytes.first().copied().unwrap_or(0) }
    }

    /// The numbers below [`Bitfield::len`] that are not in the set, ascending.
    pub fn zeros(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|&i| !self.get(i))
    }

    /// Whether some number is in `self` and not in `other`. Numbers beyond the shorter one count as not in it.
    pub fn has_beyond(&self, other: &Bitfield) -> bool {
        self.bytes.iter().enumerate().any(|(i, b)| b & !other.bytes.get(i).copied().unwrap_or(0) != 0)
    }
}

/// How many bits of the last byte lie beyond `len`.
const fn bytes_spare(len: u32) -> u32 {
    (8 - len % 8) % 8
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.len)
    }
}

impl FromIterator<bool> for Bitfield {
    fn from_iter<I: IntoIterator<Item = bool>>(iter: I) -> Bitfield {
        let bits: Vec<bool> = iter.into_iter().collect();
        let mut out = Bitfield::new(bits.len() as u32);
        for (i, _) in bits.iter().enumerate().filter(|(_, b)| **b) {
            out.insert(i as u32);
        }
        out
    }
}

/// The numbers in a [`Bitfield`], ascending.
#[derive(Clone, Debug)]
pub struct Ones<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
}

impl Iterator for Ones<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.byte == 0 {
            self.at += 1;
            // Long gaps are passed eight bytes at a time.
            while self.bytes.get(self.at..self.at + 8).is_some_and(|gap| gap == [0; 8]) {
                self.at += 8;
            }
            self.byte = *self.bytes.get(self.at)?;
        }
        let bit = self.byte.leading_zeros();
        self.byte &= !(0x80 >> bit);
        Some(self.at as u32 * 8 + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout_is_that_of_the_wire() {
        let mut b = Bitfield::new(10);
        assert!(b.insert(0) && b.insert(9) && !b.insert(9) && !b.insert(10));
        assert_eq!(b.as_bytes(), [0x80, 0x40]);
        assert_eq!(b.ones().collect::<Vec<_>>(), [0, 9]);
        assert_eq!(Bitfield::full(10).as_bytes(), [0xff, 0xc0]);
        assert_eq!(Bitfield::full(8).as_bytes(), [0xff]);
    }

    #[test]
    fn wrong_lengths_and_spare_bits_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff], 10), Err(BitfieldError::Len { got: 1, expected: 2 }));
        assert_eq!(Bitfield::from_bytes(&[0xff, 0xe0], 10), Err(BitfieldError::SpareBit));
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 10).unwrap().is_full());
        assert!(Bitfield::from_bytes(&[], 0).unwrap().is_full());
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(len in 0u32..200, ops in proptest::collection::vec((any::<bool>(), 0u32..220), 0..300)) {
            let (mut bits, mut model) = (Bitfield::new(len), std::collections::BTreeSet::new());
            for (put, i) in ops {
                if put {
                    prop_assert_eq!(bits.insert(i), i < len && model.insert(i));
                } else {
                    prop_assert_eq!(bits.remove(i), model.remove(&i));
                }
            }
            prop_assert_eq!(bits.count() as usize, model.len());
            prop_assert_eq!(bits.ones().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(&Bitfield::from_bytes(bits.as_bytes(), len).unwrap(), &bits);
            let rest = (0..len).any(|i| !model.contains(&i));
            prop_assert_eq!(Bitfield::full(len).has_beyond(&bits), rest);
        }
    }
}
