//! Pieces that are begun: which of their blocks are free, asked for, or here.

use types::{Bitfield, BlockIndex};

use crate::ConnId;

/// One block of a piece that is begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockState {
    /// Nobody is asked for it.
    Free,
    /// So many peers are asked for it.
    Asked(u8),
    /// It has arrived.
    Here,
    /// It is padding (BEP 47): known zeros that nobody is asked for.
    Padding,
}

/// A piece that is begun.
#[derive(Debug)]
pub(crate) struct Partial {
    blocks: Vec<BlockState>,
    /// Blocks that are no padding.
    real: u32,
    free: u32,
    here: u32,
    /// The peer that began it; others leave it alone while there is enough else to do.
    pub(crate) owner: Option<ConnId>,
    /// After a failed hash: only the owner may be asked, so that the next verdict is about one peer.
    pub(crate) exclusive: bool,
    /// Who sent each block that is here, by position in `senders`.
    from: Vec<u8>,
    senders: Vec<ConnId>,
    /// Who sent a block of an earlier attempt, which failed.
    pub(crate) suspects: Vec<ConnId>,
}

impl Partial {
    /// A piece of `blocks` blocks, all free but those that are padding.
    pub(crate) fn new(blocks: u32, is_padding: impl Fn(BlockIndex) -> bool) -> Partial {
        let state = |n| if is_padding(BlockIndex(n)) { BlockState::Padding } else { BlockState::Free };
        let blocks: Vec<BlockState> = (0..blocks).map(state).collect();
        let real = blocks.iter().filter(|state| **state == BlockState::Free).count() as u32;
        Partial {
            from: vec![u8::MAX; blocks.len()],
            blocks,
            real,
            free: real,
            here: 0,
            owner: None,
            exclusive: false,
            senders: Vec::new(),
            suspects: Vec::new(),
        }
    }

    /// Marks blocks that lie on the disk from an earlier run.
    pub(crate) fn restore(&mut self, stored: &Bitfield) {
        for block in stored.ones().map(BlockIndex) {
            if self.state(block).is_some_and(|state| state != BlockState::Padding) {
                self.set(block, BlockState::Here);
            }
        }
    }

    pub(crate) fn state(&self, block: BlockIndex) -> Option<BlockState> {
        self.blocks.get(block.as_usize()).copied()
    }

    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    pub(crate) fn here(&self) -> u32 {
        self.here
    }

    /// Whether every block is here, and only the hash is waited for.
    pub(crate) fn is_whole(&self) -> bool {
        self.here == self.real
    }

    /// Whether nothing of it is asked for or here.
    pub(crate) fn is_untouched(&self) -> bool {
        self.free == self.real
    }

    /// Blocks in this state, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (BlockIndex, BlockState)> + '_ {
        self.blocks.iter().enumerate().map(|(i, state)| (BlockIndex(i as u32), *state))
    }

    /// One more peer is asked.
    pub(crate) fn ask(&mut self, block: BlockIndex) {
        let next = match self.state(block) {
            Some(BlockState::Free) => BlockState::Asked(1),
            Some(BlockState::Asked(n)) => BlockState::Asked(n.saturating_add(1)),
            _ => return,
        };
        self.set(block, next);
    }

    /// One fewer peer is asked.
    pub(crate) fn release(&mut self, block: BlockIndex) {
        let next = match self.state(block) {
            Some(BlockState::Asked(n)) if n > 1 => BlockState::Asked(n - 1),
            Some(BlockState::Asked(_)) => BlockState::Free,
            _ => return,
        };
        self.set(block, next);
    }

    /// The block has arrived. Returns how many peers were asked for it, or None where it is a second copy.
    pub(crate) fn receive(&mut self, block: BlockIndex, from: ConnId) -> Option<u8> {
        let asked = match self.state(block)? {
            BlockState::Here | BlockState::Padding => return None,
            BlockState::Asked(n) => n,
            BlockState::Free => 0,
        };
        self.set(block, BlockState::Here);
        let sender = self.senders.iter().position(|s| *s == from).unwrap_or_else(|| {
            self.senders.push(from);
            self.senders.len() - 1
        });
        // More than 254 senders of one piece share the last number: blame then falls on nobody for those
        // blocks.
        self.from[block.as_usize()] = u8::try_from(sender).unwrap_or(u8::MAX);
        Some(asked)
    }

    /// Everyone who sent a block of it.
    pub(crate) fn senders(&self) -> &[ConnId] {
        &self.senders
    }

    /// Whether blocks came from an earlier run, or from more senders than are told apart.
    pub(crate) fn has_unknown_sender(&self) -> bool {
        self.blocks.iter().zip(&self.from).any(|(state, from)| *state == BlockState::Here && *from == u8::MAX)
    }

    /// Everything is free again, after a failed hash.
    pub(crate) fn restart(&mut self) {
        let real = self.blocks.iter_mut().filter(|state| **state != BlockState::Padding);
        real.for_each(|state| *state = BlockState::Free);
        self.from.fill(u8::MAX);
        (self.free, self.here) = (self.real, 0);
        self.suspects.append(&mut self.senders);
        self.suspects.sort_unstable();
        self.suspects.dedup();
        self.owner = None;
        self.exclusive = true;
    }

    fn set(&mut self, block: BlockIndex, next: BlockState) {
        let slot = &mut self.blocks[block.as_usize()];
        self.free -= u32::from(*slot == BlockState::Free);
        self.here -= u32::from(*slot == BlockState::Here);
        self.free += u32::from(next == BlockState::Free);
        self.here += u32::from(next == BlockState::Here);
        *slot = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_every_change() {
        let conn = ConnId::new(0, 0);
        let mut partial = Partial::new(3, |_| false);
        partial.ask(BlockIndex(0));
        partial.ask(BlockIndex(0));
        partial.ask(BlockIndex(1));
        partial.release(BlockIndex(1));
        assert_eq!((partial.free(), partial.here()), (2, 0));
        assert_eq!(partial.receive(BlockIndex(0), conn), Some(2));
        assert_eq!(partial.receive(BlockIndex(0), conn), None);
        assert_eq!(partial.receive(BlockIndex(9), conn), None);
        assert_eq!((partial.free(), partial.here(), partial.senders()), (2, 1, &[conn][..]));
        partial.restart();
        assert!(partial.is_untouched() && partial.exclusive && partial.senders().is_empty());
    }

    #[test]
    fn padding_is_neither_free_nor_here_and_has_no_sender() {
        let conn = ConnId::new(0, 0);
        let mut partial = Partial::new(4, |block| block.0 >= 2);
        assert!(partial.is_untouched());
        assert_eq!((partial.free(), partial.receive(BlockIndex(3), conn)), (2, None));
        partial.ask(BlockIndex(2));
        partial.restore(&[false, true, true, false].into_iter().collect());
        assert_eq!((partial.free(), partial.here(), partial.is_whole()), (1, 1, false));
        partial.receive(BlockIndex(0), conn);
        assert!(partial.is_whole());
        partial.restart();
        assert!(partial.is_untouched() && partial.free() == 2);
        assert_eq!(partial.state(BlockIndex(2)), Some(BlockState::Padding));
    }

    #[test]
    fn what_an_earlier_run_left_has_no_sender() {
        let mut partial = Partial::new(2, |_| false);
        partial.restore(&[true, true, true].into_iter().collect());
        assert!(partial.is_whole() && partial.has_unknown_sender());
    }
}
