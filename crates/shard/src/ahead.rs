//! Reading blocks to where they stay, before their headers are known.
//!
//! A peer that sends blocks mostly sends one after the other: a header of 13 bytes, 16 KiB, a header, 16 KiB. While that
//! goes on, a read offers the socket just this shape, each block a buffer of its own, so that what comes needs no copy.
//! Where something else comes in between, the bytes are looked at in the order they came in, and blocks are copied.

use std::io::IoSliceMut;

use types::BLOCK_LEN;
use wire::PIECE_HEADER_LEN;

use crate::{Block, Pool};

/// Blocks that one read may bring.
pub(crate) const MOST: usize = 32;
/// Slices of such a read: the rest of the block in arrival, and the header and the payload of each that follows.
pub(crate) const SLICES: usize = 1 + 2 * MOST;
/// Bytes of a block with its header.
const STRIDE: usize = PIECE_HEADER_LEN + BLOCK_LEN as usize;

/// Places for blocks that may come.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    places: Vec<Place>,
}

/// Where one message is read to, if it is a whole block.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) header: [u8; PIECE_HEADER_LEN],
    pub(crate) block: Block,
}

/// How many bytes of a read lie in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub(crate) header: usize,
    pub(crate) payload: usize,
}

impl Ahead {
    /// How many places a read of at most `allowed` bytes can fill, in whole or in part.
    pub(crate) fn reach(allowed: usize, wanted: usize) -> usize {
        (allowed / STRIDE).min(wanted).min(MOST)
    }

    /// Puts so many places into `slices`, which has room for them.
    pub(crate) fn offer<'a>(&'a mut self, count: usize, pool: &mut Pool, slices: &mut [IoSliceMut<'a>]) {
        while self.places.len() < count {
            self.places.push(Place { header: [0; PIECE_HEADER_LEN], block: pool.lend(BLOCK_LEN as usize) });
        }
        for (place, pair) in self.places[..count].iter_mut().zip(slices.chunks_exact_mut(2)) {
            pair[0] = IoSliceMut::new(&mut place.header);
            pair[1] = IoSliceMut::new(place.block.as_mut());
        }
    }

    /// The places that a read of so many bytes has filled, each with its share of them.
    pub(crate) fn filled(&mut self, bytes: usize) -> impl Iterator<Item = (&mut Place, Share)> {
        let share = move |n: usize| {
            let here = bytes.saturating_sub(n * STRIDE).min(STRIDE);
            let header = here.min(PIECE_HEADER_LEN);
            Share { header, payload: here - header }
        };
        let places = self.places.iter_mut().enumerate().map(move |(n, place)| (place, share(n)));
        places.take_while(|(_, share)| share.header > 0)
    }

    /// How many places a read of so many bytes has filled whole.
    pub(crate) const fn whole(bytes: usize) -> usize {
        bytes / STRIDE
    }
}

impl Place {
    /// Takes the block out, and puts another buffer in its place.
    pub(crate) fn take(&mut self, pool: &mut Pool) -> Block {
        std::mem::replace(&mut self.block, pool.lend(BLOCK_LEN as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_fall_into_places_in_their_order() {
        let (mut ahead, mut pool) = (Ahead::default(), Pool::new(4));
        let mut slices: [IoSliceMut<'_>; 6] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        ahead.offer(3, &mut pool, &mut slices);
        let offered: Vec<usize> = slices.iter().map(|slice| slice.len()).collect();
        assert_eq!(offered, [13, 16_384, 13, 16_384, 13, 16_384]);
        let mut shares = |bytes| -> Vec<(usize, usize)> {
            ahead.filled(bytes).map(|(_, share)| (share.header, share.payload)).collect()
        };
        assert_eq!(shares(0), []);
        assert_eq!(shares(13), [(13, 0)]);
        assert_eq!(shares(STRIDE), [(13, 16_384)]);
        assert_eq!(shares(STRIDE + 5), [(13, 16_384), (5, 0)]);
        assert_eq!(shares(3 * STRIDE - 1), [(13, 16_384), (13, 16_384), (13, 16_383)]);
        assert_eq!(
            (Ahead::reach(STRIDE - 1, 9), Ahead::reach(9 * STRIDE, 2), Ahead::whole(2 * STRIDE)),
            (0, 2, 2)
        );
    }
}
