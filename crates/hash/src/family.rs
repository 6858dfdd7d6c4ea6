//! What a hash function gives the scheduler, and the states of its lanes side by side.

use crate::backend::{Backend, Plan};

/// Streams that the widest kernel of any machine takes at once; [`Backend::lanes`] says what this one's takes.
pub const MAX_LANES: usize = 16;

/// States side by side: `words.0[i][lane]` is word `i` of the state in `lane`.
#[repr(C, align(64))]
pub(crate) struct Words<const N: usize>(pub(crate) [[u32; MAX_LANES]; N]);

impl<const N: usize> Words<N> {
    pub(crate) fn get(&self, lane: usize) -> [u32; N] {
        std::array::from_fn(|i| self.0[i][lane])
    }

    pub(crate) fn set(&mut self, lane: usize, state: &[u32; N]) {
        for (row, word) in self.0.iter_mut().zip(state) {
            row[lane] = *word;
        }
    }
}

/// One hash function with a state of `N` words: its initial value and its kernels. Every data slice is a whole number
/// of blocks, and all slices of one call are of one length.
pub(crate) trait Family<const N: usize> {
    /// The initial state.
    const IV: [u32; N];

    /// The kernels of `backend` for this function.
    fn plan(backend: &Backend) -> &Plan;

    /// Advances one stream.
    fn one(backend: &Backend, state: &mut [u32; N], data: &[u8]);

    /// Advances two streams, interleaved where the plan has a kernel for that.
    fn pair(backend: &Backend, states: [&mut [u32; N]; 2], data: [&[u8]; 2]);

    /// Advances the first eight lanes. Does nothing where the plan has no such kernel.
    fn wide8(backend: &Backend, words: &mut Words<N>, data: &[&[u8]; 8]);

    /// Advances all sixteen lanes. Does nothing where the plan has no such kernel.
    fn wide16(backend: &Backend, words: &mut Words<N>, data: &[&[u8]; 16]);
}
