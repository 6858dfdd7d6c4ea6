//! A set of pieces in the layout of the wire (BEP 3): the high bit of the first byte is piece 0.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A set of numbers below a fixed length, most significant bit first.
///
/// Spare bits at the end are always zero. Counting is kept up to date, so [`Bitfield::count`] costs nothing. The bits take
/// memory where they differ: a set that is new or full takes 24 bytes in all.
#[derive(Clone, Default)]
pub struct Bitfield {
    /// The wire form. None where all bits are alike: then `count`, which is 0 or `len`, says which they are. It goes when
    /// the set becomes full, as that of a seed stays so; a set that was emptied keeps it, as it may be filled again.
    bytes: Option<Box<[u8]>>,
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
    pub const fn new(len: u32) -> Bitfield {
        Bitfield { bytes: None, len, count: 0 }
    }

    /// The full set over `len` numbers.
    pub const fn full(len: u32) -> Bitfield {
        Bitfield { bytes: None, len, count: len }
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
        let mixed = count > 0 && count < len;
        Ok(Bitfield { bytes: mixed.then(|| bytes.into()), len, count })
    }

    /// The wire form. It is made for a set whose bits are all alike, and borrowed from any other.
    pub fn as_bytes(&self) -> Cow<'_, [u8]> {
        match &self.bytes {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(uniform(self.len, self.count > 0).into()),
        }
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
        i < self.len
            && match &self.bytes {
                Some(bytes) => bytes[(i / 8) as usize] & (0x80 >> (i % 8)) != 0,
                None => self.count > 0,
            }
    }

    /// Puts `i` in. Returns whether it was new; beyond the range nothing happens.
    pub fn insert(&mut self, i: u32) -> bool {
        if i >= self.len || self.get(i) {
            return false;
        }
        let bytes = self.bytes.get_or_insert_with(|| uniform(self.len, false));
        bytes[(i / 8) as usize] |= 0x80 >> (i % 8);
        self.count += 1;
        if self.count == self.len {
            self.bytes = None;
        }
        true
    }

    /// Takes `i` out. Returns whether it was in.
    pub fn remove(&mut self, i: u32) -> bool {
        if !self.get(i) {
            return false;
        }
        let bytes = self.bytes.get_or_insert_with(|| uniform(self.len, true));
        bytes[(i / 8) as usize] &= !(0x80 >> (i % 8));
        self.count -= 1;
        true
    }

    /// The numbers in the set, ascending.
    pub fn ones(&self) -> Ones<'_> {
        match &self.bytes {
            Some(bytes) => Ones { bytes, at: 0, byte: bytes.first().copied().unwrap_or(0), all: 0..0 },
            None => Ones { bytes: &[], at: 0, byte: 0, all: 0..self.count },
        }
    }

    /// The numbers below [`Bitfield::len`] that are not in the set, ascending.
    pub fn zeros(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|&i| !self.get(i))
    }

    /// Whether some number is in `self` and not in `other`. Numbers beyond the shorter one count as not in it.
    pub fn has_beyond(&self, other: &Bitfield) -> bool {
        match (&self.bytes, &other.bytes) {
            (Some(ours), Some(theirs)) => {
                ours.iter().enumerate().any(|(i, b)| b & !theirs.get(i).copied().unwrap_or(0) != 0)
            }
            // A set without bytes holds what lies below its count.
            (Some(_), None) => self.count > other.count || self.ones().any(|i| i >= other.count),
            (None, Some(_)) => (0..self.count).any(|i| !other.get(i)),
            (None, None) => self.count > other.count,
        }
    }
}

impl PartialEq for Bitfield {
    fn eq(&self, other: &Bitfield) -> bool {
        // Where all bits are alike, the count says it all; else both have bytes.
        let alike = self.count == 0 || self.is_full();
        (self.len, self.count) == (other.len, other.count) && (alike || self.bytes == other.bytes)
    }
}

impl Eq for Bitfield {}

/// The wire form of a set over `len` numbers that holds all of them, or none.
#[cold]
fn uniform(len: u32, all: bool) -> Box<[u8]> {
    let mut bytes = vec![if all { 0xff } else { 0 }; len.div_ceil(8) as usize];
    if let Some(last) = bytes.last_mut() {
        *last <<= bytes_spare(len);
    }
    bytes.into()
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
    /// What is left of a full set, which has no bytes.
    all: Range<u32>,
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
            let Some(byte) = self.bytes.get(self.at) else { return self.all.next() };
            self.byte = *byte;
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
        assert_eq!(*b.as_bytes(), [0x80, 0x40]);
        assert_eq!(b.ones().collect::<Vec<_>>(), [0, 9]);
        assert_eq!(*Bitfield::full(10).as_bytes(), [0xff, 0xc0]);
        assert_eq!(*Bitfield::full(8).as_bytes(), [0xff]);
        assert_eq!(*Bitfield::new(9).as_bytes(), [0, 0]);
        assert_eq!(*Bitfield::full(0).as_bytes(), [0u8; 0]);
    }

    #[test]
    fn wrong_lengths_and_spare_bits_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff], 10), Err(BitfieldError::Len { got: 1, expected: 2 }));
        assert_eq!(Bitfield::from_bytes(&[0xff, 0xe0], 10), Err(BitfieldError::SpareBit));
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 10).unwrap().is_full());
        assert!(Bitfield::from_bytes(&[], 0).unwrap().is_full());
    }

    #[test]
    fn a_set_of_bits_that_are_alike_has_no_bytes() {
        assert_eq!(size_of::<Bitfield>(), 24);
        let mut b = Bitfield::new(12);
        assert!(b.bytes.is_none());
        (0..11).for_each(|i| assert!(b.insert(i) && b.bytes.is_some()));
        assert!(b.insert(11) && b.bytes.is_none() && b == Bitfield::full(12));
        assert!(b.remove(3) && b.bytes.is_some() && !b.get(3) && b.get(11));
        assert!(b.insert(3) && b.bytes.is_none());
        for same in [[0, 0], [0xff, 0xf0]] {
            assert!(Bitfield::from_bytes(&same, 12).unwrap().bytes.is_none());
        }
    }

    type Model = std::collections::BTreeSet<u32>;

    /// What each method says of a set that holds what `model` holds.
    fn check(bits: &Bitfield, model: &Model) -> Result<(), TestCaseError> {
        let len = bits.len();
        prop_assert_eq!(bits.count() as usize, model.len());
        prop_assert_eq!(bits.is_full(), model.len() == len as usize);
        prop_assert!((0..len + 9).all(|i| bits.get(i) == model.contains(&i)));
        prop_assert_eq!(bits.ones().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        prop_assert!(bits.zeros().eq((0..len).filter(|i| !model.contains(i))));
        let mut wire = vec![0; len.div_ceil(8) as usize];
        model.iter().for_each(|i| wire[(i / 8) as usize] |= 0x80 >> (i % 8));
        prop_assert_eq!(&*bits.as_bytes(), &*wire);
        prop_assert_eq!(&Bitfield::from_bytes(&wire, len).unwrap(), bits);
        prop_assert_eq!(&(0..len).map(|i| model.contains(&i)).collect::<Bitfield>(), bits);
        let mixed = (1..len).contains(&bits.count());
        // A set that was emptied may keep its bytes.
        prop_assert!(bits.bytes.is_some() == mixed || bits.count() == 0);
        Ok(())
    }

    /// One change, or all or none at once.
    #[derive(Clone, Copy, Debug)]
    enum Op {
        Put(u32),
        Take(u32),
        Fill,
        Drain,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let one = prop_oneof![
            20 => (0u32..40).prop_map(Op::Put),
            20 => (0u32..40).prop_map(Op::Take),
            1 => Just(Op::Fill),
            1 => Just(Op::Drain),
        ];
        proptest::collection::vec(one, 0..60)
    }

    fn play(bits: &mut Bitfield, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
        let len = bits.len();
        let mut put = |bits: &mut Bitfield, i| (bits.insert(i), i < len && model.insert(i));
        match op {
            Op::Put(i) => {
                let (got, expected) = put(bits, i);
                prop_assert_eq!(got, expected);
            }
            Op::Fill => (0..len).for_each(|i| _ = put(bits, i)),
            Op::Take(i) => prop_assert_eq!(bits.remove(i), model.remove(&i)),
            Op::Drain => (0..len).for_each(|i| assert_eq!(bits.remove(i), model.remove(&i))),
        }
        check(bits, model)
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(len in 0u32..34, full in any::<bool>(), ops in ops()) {
            let (mut bits, mut model) = (Bitfield::new(len), Model::new());
            if full {
                (bits, model) = (Bitfield::full(len), (0..len).collect());
            }
            check(&bits, &model)?;
            for op in ops {
                play(&mut bits, &mut model, op)?;
            }
        }

        #[test]
        fn a_long_set_behaves_like_one(len in 100u32..400, put in proptest::collection::vec(0u32..400, 0..90)) {
            let mut bits = Bitfield::new(len);
            put.iter().for_each(|&i| _ = bits.insert(i));
            check(&bits, &put.into_iter().filter(|&i| i < len).collect())?;
        }

        #[test]
        fn sets_compare_by_what_they_hold(lens in [0u32..34, 0..34], same in any::<bool>(), all in [ops(), ops()]) {
            let mut pairs = Vec::new();
            for (len, ops) in [lens[0], lens[usize::from(!same)]].into_iter().zip(all) {
                let (mut bits, mut model) = (Bitfield::new(len), Model::new());
                for op in ops {
                    play(&mut bits, &mut model, op)?;
                }
                pairs.push((bits, model));
            }
            for (a, a_model) in &pairs {
                for (b, b_model) in &pairs {
                    prop_assert_eq!(a == b, a.len() == b.len() && a_model == b_model);
                    prop_assert_eq!(a.has_beyond(b), !a_model.is_subset(b_model));
                }
                for (fixed, holds) in [(Bitfield::new(20), 0), (Bitfield::full(20), 20)] {
                    prop_assert_eq!(a.has_beyond(&fixed), a_model.iter().any(|&i| i >= holds));
                    prop_assert_eq!(fixed.has_beyond(a), (0..holds).any(|i| !a_model.contains(&i)));
                }
            }
        }
    }
}
