//! Byte strings in one piece of memory.

use crate::encoded::encode_bytes;

/// A short list of byte strings, which takes one block of memory instead of one for each: bencoded strings one after the
/// other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    pub(crate) fn new<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Packed {
        Packed(strings.flat_map(encode_bytes).collect())
    }

    /// Bytes of memory.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let colon = rest.iter().position(|byte| *byte == b':')?;
            let len = rest[..colon].iter().fold(0, |len, digit| len * 10 + usize::from(digit - b'0'));
            let (string, tail) = rest[colon + 1..].split_at(len);
            rest = tail;
            Some(string)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(strings in proptest::collection::vec("[:0-9a]{0,12}", 0..8)) {
            let strings: Vec<&[u8]> = strings.iter().map(String::as_bytes).collect();
            let packed = Packed::new(strings.iter().copied());
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), strings);
        }
    }
}
