//! The block table of one torrent: its active pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metainfo::Info;
use types::{Bitfield, BlockIndex, BlockRef, Geometry, PieceIndex};

use crate::piece::{ActivePiece, End};
use crate::{Block, Pool};

/// A piece that passed its hash and whose every write has returned. Built by the block table alone.
#[derive(PartialEq, Eq, Debug)]
pub struct StoredPiece(PieceIndex);

impl StoredPiece {
    /// Which piece.
    pub fn index(&self) -> PieceIndex {
        self.0
    }
}

/// How a piece ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Stored(StoredPiece),
    Failed(PieceIndex),
}

/// The active pieces of one torrent.
#[derive(Debug)]
pub(crate) struct Blocks {
    info: Arc<Info>,
    geometry: Geometry,
    active: BTreeMap<PieceIndex, ActivePiece>,
    /// Pieces with something to do at the end of the pass.
    touched: BTreeSet<PieceIndex>,
}

impl Blocks {
    /// A table in which the blocks of `unhashed` lie stored; all of them are hashed again.
    pub(crate) fn new(info: Arc<Info>, geometry: Geometry, unhashed: &[(PieceIndex, Bitfield)]) -> Blocks {
        let mut blocks = Blocks { info, geometry, active: BTreeMap::new(), touched: BTreeSet::new() };
        for (piece, stored) in unhashed {
            if blocks.geometry.has_piece(*piece) && stored.count() > 0 {
                let active = blocks.begin(*piece, Some(stored));
                blocks.active.insert(*piece, active);
                blocks.touched.insert(*piece);
            }
        }
        blocks
    }

    fn begin(&self, piece: PieceIndex, stored: Option<&Bitfield>) -> ActivePiece {
        ActivePiece::new(self.info.piece_hash(piece), self.geometry.blocks_in(piece), stored)
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether the end of the pass has work here.
    pub(crate) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// A whole block came. Answers it back where it is not needed.
    pub(crate) fn arrive(&mut self, run: BlockRef, block: Block) -> Option<Block> {
        let Some(at) = self.geometry.exact_block(run) else { return Some(block) };
        if !self.active.contains_key(&run.piece) {
            let piece = self.begin(run.piece, None);
            self.active.insert(run.piece, piece);
        }
        let Some(piece) = self.active.get_mut(&run.piece) else { return Some(block) };
        let back = piece.arrive(at.as_usize(), block);
        if back.is_none() {
            self.touched.insert(run.piece);
        }
        back
    }

    /// A write of blocks from payload byte `offset` on has returned. What is not needed goes back to the pool.
    pub(crate) fn written(&mut self, mut offset: u64, blocks: Vec<Block>, pool: &mut Pool) {
        for block in blocks {
            let (place, keep) = (self.locate(offset), !pool.is_half_used());
            offset += block.len() as u64;
            let back = match place.and_then(|(piece, at)| Some((self.active.get_mut(&piece)?, piece, at))) {
                Some((active, piece, at)) => {
                    self.touched.insert(piece);
                    active.written(at.as_usize(), block, keep)
                }
                None => Some(block),
            };
            back.into_iter().for_each(|block| pool.give(block));
        }
    }

    /// A block was read back.
    pub(crate) fn read_back(&mut self, offset: u64, block: Block, pool: &mut Pool) {
        let place = self.locate(offset);
        let back = match place.and_then(|(piece, at)| Some((self.active.get_mut(&piece)?, piece, at))) {
            Some((active, piece, at)) => {
                self.touched.insert(piece);
                active.read_back(at.as_usize(), block)
            }
            None => Some(block),
        };
        back.into_iter().for_each(|block| pool.give(block));
    }

    fn locate(&self, offset: u64) -> Option<(PieceIndex, BlockIndex)> {
        let piece = self.geometry.piece_at(offset)?;
        let begin = offset - self.geometry.piece_range(piece).start;
        Some((piece, BlockIndex((begin / u64::from(types::BLOCK_LEN)) as u32)))
    }

    /// The pieces with something to hash.
    pub(crate) fn touched(&mut self) -> impl Iterator<Item = &mut ActivePiece> {
        let touched = &self.touched;
        self.active.iter_mut().filter(|(piece, _)| touched.contains(piece)).map(|(_, active)| active)
    }

    /// The end of the pass, after the lanes: judges pieces, answers what ended, and hands `write` each block that has to
    /// be written, with its payload byte, in payload order.
    pub(crate) fn settle(&mut self, pool: &mut Pool, mut write: impl FnMut(u64, Block)) -> Vec<Ended> {
        let mut ended = Vec::new();
        for &index in &self.touched {
            let Some(piece) = self.active.get_mut(&index) else { continue };
            let start = self.geometry.piece_range(index).start;
            piece.settle(pool);
            for (at, block) in piece.to_write() {
                write(start + at as u64 * u64::from(types::BLOCK_LEN), block);
            }
            match piece.end() {
                Some(End::Stored(verified)) => ended.push(Ended::Stored(StoredPiece(verified.piece()))),
                Some(End::Failed) => ended.push(Ended::Failed(index)),
                None => continue,
            }
            if let Some(piece) = self.active.remove(&index) {
                piece.clear(pool);
            }
        }
        ended
    }

    /// Hands `read` each block that has to be read back now, with its payload byte and a buffer, as far as the pool
    /// goes. What it can't take stays touched, for the next pass.
    pub(crate) fn read_backs(&mut self, pool: &mut Pool, mut read: impl FnMut(u64, Block)) {
        let mut wait = BTreeSet::new();
        for index in std::mem::take(&mut self.touched) {
            let Some(piece) = self.active.get_mut(&index) else { continue };
            let wanted: Vec<usize> = piece.to_read().collect();
            for at in wanted {
                let run = self.geometry.block(index, BlockIndex(at as u32));
                let Some(block) = pool.take(run.len as usize) else {
                    wait.insert(index);
                    break;
                };
                piece.reading(at);
                read(self.geometry.offset_of(run), block);
            }
        }
        self.touched = wait;
    }

    /// The blocks of unfinished pieces that lie on the disk.
    pub(crate) fn unhashed(&self) -> Vec<(PieceIndex, Bitfield)> {
        let stored = self.active.iter().map(|(index, piece)| (*index, piece.on_disk()));
        stored.filter(|(_, blocks)| blocks.count() > 0).collect()
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.touched.clear();
        std::mem::take(&mut self.active).into_values().for_each(|piece| piece.clear(pool));
    }
}
