//! A hash map that resists floods and replays.

// The one place that may name the std map: here its hasher is keyed from the generator that was handed in.
#![allow(clippy::disallowed_types)]

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::Rng;

/// A hash map whose order and collisions follow a key drawn from the machine's own [`Rng`]: a stranger can't aim at its
/// buckets, and one seed gives one order.
pub type KeyedMap<K, V> = HashMap<K, V, KeyedState>;

/// Makes the hashers of a [`KeyedMap`].
#[derive(Clone, Debug)]
pub struct KeyedState {
    key: [u64; 2],
}

impl KeyedState {
    /// A state with a key of its own.
    pub fn new(rng: &mut Rng) -> KeyedState {
        KeyedState { key: [rng.next_u64(), rng.next_u64()] }
    }
}

impl BuildHasher for KeyedState {
    type Hasher = Keyed;

    fn build_hasher(&self) -> Keyed {
        let [a, b] = self.key;
        // The initial constants are SipHash's own: they only have to be unlike each other.
        Keyed {
            v: [
                a ^ 0x736f_6d65_7073_6575,
                b ^ 0x646f_7261_6e64_6f6d,
                a ^ 0x6c79_6765_6e65_7261,
                b ^ 0x7465_6462_7974_6573,
            ],
            len: 0,
        }
    }
}

/// SipHash-1-3 over whole words; what is hashed here are short keys of fixed shape.
#[derive(Clone, Debug)]
pub struct Keyed {
    v: [u64; 4],
    len: u64,
}

impl Keyed {
    fn round(&mut self) {
        let v = &mut self.v;
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[1]);
        v[0] = v[0].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].rotate_left(32);
    }

    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
    }
}

impl Hasher for Keyed {
    fn write(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        let mut end = self.clone();
        end.word(self.len);
        end.v[2] ^= 0xff;
        (0..3).for_each(|_| end.round());
        end.v[0] ^ end.v[1] ^ end.v[2] ^ end.v[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_follows_the_seed() {
        let fill = |seed| {
            let mut map = KeyedMap::with_hasher(KeyedState::new(&mut Rng::from_number(seed)));
            map.extend((0..64u32).map(|i| (i, i)));
            map.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(fill(1), fill(1));
        assert_ne!(fill(1), fill(2));
    }
}
