//! Randomness as a value that is handed in.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

/// A source of unguessable bytes. Production forks an [`Rng`] from the system's entropy; only the simulator seeds one.
///
/// Keys, tokens and transaction ids ask for this bound, so that a counter can't take its place by mistake.
pub trait Entropy: rand_core::CryptoRng {}
impl<T: rand_core::CryptoRng> Entropy for T {}

/// The generator of every machine: ChaCha8, so that nothing a peer sees lets it guess what comes next.
///
/// One that was never asked is its seed alone: many machines draw nothing for as long as they rest.
#[derive(Clone, Debug)]
pub struct Rng(State);

#[derive(Clone, Debug)]
enum State {
    Seed([u8; 32]),
    Drawn(Box<ChaCha8Rng>),
}

impl Rng {
    /// A generator that repeats itself for the same seed.
    pub fn from_seed(seed: [u8; 32]) -> Rng {
        Rng(State::Seed(seed))
    }

    /// A generator from a number, for tests and simulations.
    pub fn from_number(seed: u64) -> Rng {
        Rng(State::Drawn(Box::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// The stream of numbers.
    fn stream(&mut self) -> &mut ChaCha8Rng {
        if let State::Seed(seed) = self.0 {
            self.0 = State::Drawn(Box::new(ChaCha8Rng::from_seed(seed)));
        }
        match &mut self.0 {
            State::Drawn(stream) => stream,
            State::Seed(_) => unreachable!("a seed was replaced just above"),
        }
    }

    /// An independent generator for a part of the machine.
    pub fn fork(&mut self) -> Rng {
        Rng::from_seed(self.bytes())
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.stream().fill_bytes(&mut out);
        out
    }

    /// A random number.
    pub fn next_u32(&mut self) -> u32 {
        self.stream().next_u32()
    }

    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        self.stream().next_u64()
    }

    /// A number below `n`; 0 when `n` is 0. Lemire's multiplication: the bias is below 2^-32 and does not matter here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// True once in `n` times on average.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n.max(1) as usize) == 0
    }

    /// A fraction in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// One of `items`, or nothing where there are none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

impl rand_core::TryRng for Rng {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.stream().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.stream().next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.stream().fill_bytes(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Rng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = (Rng::from_number(7), Rng::from_number(7));
        assert_eq!(a.bytes::<64>(), b.bytes::<64>());
        assert_ne!(a.fork().next_u64(), a.next_u64());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        let mut rng = Rng::from_number(1);
        let seen: std::collections::BTreeSet<_> = (0..200).map(|_| rng.below(6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.choose::<u8>(&[]), None);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::from_number(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
