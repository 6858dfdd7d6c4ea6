//! The block table of one torrent: its active pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::ConnId;
use metainfo::{Info, Mismatch};
use types::{Bitfield, BlockIndex, BlockRef, Geometry, PieceIndex};

use crate::digests::Digests;
use crate::piece::{ActivePiece, End, ZEROS};
use crate::reread::Reread;
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

/// A token for tests of what comes after the block table.
#[cfg(test)]
pub(crate) fn stored_for_test(piece: u32) -> StoredPiece {
    StoredPiece(PieceIndex(piece))
}

/// How a piece ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Stored(StoredPiece),
    /// It is about to be stored, and failed before: these sent the blocks that were wrong.
    Judged(PieceIndex, Vec<ConnId>),
    /// It was right when it was hashed; a failed sync may have lost it since.
    Suspect(PieceIndex),
    Failed {
        piece: PieceIndex,
        why: Mismatch,
        /// Some of what was hashed went over the disk, so that the disk may be to blame.
        read_back: bool,
    },
}

/// The active pieces of one torrent.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// None while the torrent's content is not known: then there are no pieces.
    info: Option<Arc<Info>>,
    geometry: Geometry,
    /// Pieces that are right. A copy that was under way when its piece got there must not be written over it.
    have: Bitfield,
    active: BTreeMap<PieceIndex, ActivePiece>,
    /// Pieces with something to do at the end of the batch.
    touched: BTreeSet<PieceIndex>,
    /// Pieces that ended without a block.
    ended: Vec<Ended>,
    digests: Digests,
}

impl Blocks {
    /// The table of a torrent whose content is not known: it takes no block.
    pub(crate) fn empty() -> Blocks {
        let (active, touched, ended) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let (have, digests) = (Bitfield::new(0), Digests::default());
        Blocks { info: None, geometry: Geometry::EMPTY, have, active, touched, ended, digests }
    }

    /// A table in which the pieces of `have` are right and the blocks of `unhashed` lie stored; all of these
    /// are hashed again.
    pub(crate) fn new(
        info: Arc<Info>,
        geometry: Geometry,
        have: Bitfield,
        unhashed: &[(PieceIndex, Bitfield)],
    ) -> Blocks {
        let info = Some(info);
        let (active, touched, ended) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let mut blocks = Blocks { info, geometry, have, active, touched, ended, digests: Digests::default() };
        blocks.judge_padding();
        for (piece, stored) in unhashed {
            let open = blocks.geometry.piece_data_len(*piece) > 0 && !blocks.have.get(piece.0);
            if open
                && stored.count() > 0
                && let Some(active) = blocks.begin(*piece, Some(stored))
            {
                blocks.active.insert(*piece, active);
                blocks.touched.insert(*piece);
            }
        }
        blocks
    }

    /// Pieces of padding from end to end end here and now: what they hash to is known without a block. Zeros
    /// of one length are hashed once.
    fn judge_padding(&mut self) {
        let Some(info) = self.info.clone() else { return };
        let mut zeros: Option<(u32, [u8; 20])> = None;
        for piece in self.geometry.padding_pieces().filter(|piece| !self.have.get(piece.0)) {
            let len = self.geometry.piece_len(piece);
            let digest = match zeros {
                Some((known, digest)) if known == len => digest,
                _ => sha1_of_zeros(len),
            };
            zeros = Some((len, digest));
            self.ended.push(match info.piece_hash(piece).verify(Some(digest), None) {
                Ok(verified) => Ended::Stored(StoredPiece(verified.piece())),
                Err(why) => Ended::Failed { piece, why, read_back: false },
            });
        }
    }

    fn begin(&self, piece: PieceIndex, stored: Option<&Bitfield>) -> Option<ActivePiece> {
        let hash = self.info.as_ref()?.piece_hash(piece);
        let active = ActivePiece::new(hash, &self.geometry, stored);
        Some(if self.digests.knows(piece) { active.with_digests() } else { active })
    }

    /// Replaces the set of pieces that are right, after a recheck. Pieces that are half done begin anew: what
    /// their running hashes have seen need not be on the disk any more.
    pub(crate) fn replace_have(&mut self, have: Bitfield, pool: &mut Pool) {
        self.have = have;
        self.digests.clear();
        self.clear(pool);
        self.judge_padding();
    }

    /// Gives back what is kept in memory for holes to be filled: it can be read back.
    pub(crate) fn rest(&mut self, pool: &mut Pool) {
        self.active.values_mut().for_each(|piece| piece.rest(pool));
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether the end of the batch has work here.
    pub(crate) fn is_touched(&self) -> bool {
        !self.touched.is_empty() || !self.ended.is_empty()
    }

    /// How many pieces the end of the batch has work with.
    pub(crate) fn touched_count(&self) -> usize {
        self.touched.len()
    }

    /// A whole block came. Answers it back where it is not needed.
    pub(crate) fn arrive(&mut self, run: BlockRef, from: Option<ConnId>, mut block: Block) -> Option<Block> {
        let Some(at) = self.geometry.exact_block(run) else { return Some(block) };
        if self.have.get(run.piece.0) {
            return Some(block);
        }
        if !self.active.contains_key(&run.piece) {
            let Some(piece) = self.begin(run.piece, None) else { return Some(block) };
            self.active.insert(run.piece, piece);
        }
        let Some(piece) = self.active.get_mut(&run.piece) else { return Some(block) };
        blank_padding(&self.geometry, run, &mut block);
        let back = piece.arrive(at.as_usize(), from, block);
        if back.is_none() {
            self.touched.insert(run.piece);
        }
        back
    }

    /// A write of blocks from payload byte `offset` on has returned. What is not needed goes back to the
    /// pool.
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

    /// A block could not be read back. Answers its piece where that is still waited for.
    pub(crate) fn unreadable(&mut self, offset: u64) -> Option<PieceIndex> {
        let (piece, at) = self.locate(offset)?;
        self.active.get_mut(&piece)?.unreadable(at.as_usize());
        Some(piece)
    }

    /// A piece is in doubt: it does not count before [`Blocks::reread`] and its hash. Whether it did until
    /// now.
    pub(crate) fn doubt(&mut self, piece: PieceIndex) -> bool {
        self.have.remove(piece.0)
    }

    /// Whether the piece is right.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.have.get(piece.0)
    }

    /// Reads back what lies unhashed of a piece; all of it where none of it is active.
    pub(crate) fn reread(&mut self, piece: PieceIndex, how: Reread) {
        if self.have.get(piece.0) || !self.geometry.has_piece(piece) {
            return;
        }
        if !self.active.contains_key(&piece) {
            let active = match how {
                Reread::Hash => self.begin(piece, Some(&Bitfield::full(self.geometry.blocks_in(piece)))),
                Reread::Rewrite => {
                    let hash = self.info.as_ref().map(|info| info.piece_hash(piece));
                    hash.map(|hash| ActivePiece::to_rewrite(hash, &self.geometry))
                }
            };
            let Some(active) = active else { return };
            self.active.insert(piece, active);
        }
        self.touched.insert(piece);
    }

    /// Whether blocks of this piece are being read back, or wait for a buffer to be, or for the lanes.
    pub(crate) fn is_reading(&self, piece: PieceIndex) -> bool {
        self.touched.contains(&piece) || self.active.get(&piece).is_some_and(ActivePiece::is_reading)
    }

    /// A sync has failed: what was written of unfinished pieces may be lost.
    pub(crate) fn sync_failed(&mut self) {
        self.active.values_mut().for_each(ActivePiece::sync_failed);
    }

    /// Whether a piece waits for this write: one from before a recheck is not to be tried again.
    pub(crate) fn is_writing(&self, mut offset: u64, blocks: &[Block]) -> bool {
        blocks.iter().any(|block| {
            let place = self.locate(offset);
            offset += block.len() as u64;
            place.is_some_and(|(piece, at)| {
                self.active.get(&piece).is_some_and(|active| active.is_writing(at.as_usize()))
            })
        })
    }

    fn locate(&self, offset: u64) -> Option<(PieceIndex, BlockIndex)> {
        let run = self.geometry.run_at(offset, types::BLOCK_LEN)?;
        Some((run.piece, BlockIndex(run.begin / types::BLOCK_LEN)))
    }

    /// The pieces with something to hash.
    pub(crate) fn touched(&mut self) -> impl Iterator<Item = &mut ActivePiece> {
        let touched = &self.touched;
        self.active.iter_mut().filter(|(piece, _)| touched.contains(piece)).map(|(_, active)| active)
    }

    /// The end of the batch, after the lanes: judges pieces, answers what ended, and hands `write` each block
    /// that has to be written, with its payload byte, in payload order.
    pub(crate) fn settle(&mut self, pool: &mut Pool, mut write: impl FnMut(u64, Block)) -> Vec<Ended> {
        let mut ended = std::mem::take(&mut self.ended);
        let judged =
            ended.iter().filter_map(|end| if let Ended::Stored(it) = end { Some(it.0) } else { None });
        judged.for_each(|piece| {
            self.have.insert(piece.0);
        });
        for &index in &self.touched {
            let Some(piece) = self.active.get_mut(&index) else { continue };
            let start = self.geometry.piece_range(index).start;
            piece.settle(pool);
            for (at, block) in piece.take_writes() {
                write(start + at as u64 * u64::from(types::BLOCK_LEN), block);
            }
            match piece.end() {
                Some(End::Stored(verified)) => {
                    self.have.insert(index.0);
                    let judged = self.digests.passed(index, |at| piece.digest(at));
                    ended.extend(judged.map(|guilty| Ended::Judged(index, guilty)));
                    ended.push(Ended::Stored(StoredPiece(verified.piece())));
                }
                Some(End::Suspect) => ended.push(Ended::Suspect(index)),
                Some(End::Failed { read_back: false, .. }) if piece.wants_inspection() => {
                    let inspected = piece.to_inspect(&self.geometry);
                    std::mem::replace(piece, inspected).clear(pool);
                    continue;
                }
                Some(End::Failed { why, read_back }) => {
                    if !read_back {
                        self.digests.failed(index, piece.attempt());
                    }
                    ended.push(Ended::Failed { piece: index, why, read_back });
                }
                None => continue,
            }
            if let Some(piece) = self.active.remove(&index) {
                piece.clear(pool);
            }
        }
        ended
    }

    /// Hands `read` each block that has to be read back now, with its payload byte and a buffer, as far as
    /// the pool goes, but of no piece that is to `rest`. What it can't take stays touched, for the next batch, and so does what waits
    /// for the lanes.
    pub(crate) fn read_backs(
        &mut self,
        pool: &mut Pool,
        rest: impl Fn(PieceIndex) -> bool,
        mut read: impl FnMut(u64, Block),
    ) {
        let mut wait = BTreeSet::new();
        for index in std::mem::take(&mut self.touched) {
            let Some(piece) = self.active.get_mut(&index) else { continue };
            if piece.waits_for_lanes() {
                wait.insert(index);
            }
            if rest(index) {
                continue;
            }
            let wanted: Vec<usize> = piece.read_backs().collect();
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

    /// The blocks that can be read of the unfinished pieces in these payload bytes.
    pub(crate) fn readable(&self, bytes: std::ops::Range<u64>) -> Vec<(PieceIndex, Bitfield)> {
        let pieces = self.geometry.pieces_of(bytes.start..bytes.end.min(self.geometry.total_len()));
        let active = self.active.range(PieceIndex(pieces.start)..PieceIndex(pieces.end));
        active.map(|(index, piece)| (*index, piece.readable())).collect()
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.touched.clear();
        self.ended.clear();
        std::mem::take(&mut self.active).into_values().for_each(|piece| piece.clear(pool));
    }
}

/// Padding inside a block counts as the zeros that it is on the disk, whatever the peer sent (BEP 47).
fn blank_padding(geometry: &Geometry, run: BlockRef, block: &mut Block) {
    let start = geometry.offset_of(run);
    for padding in geometry.padding_of(start..start + u64::from(run.len)) {
        block.as_mut()[(padding.start - start) as usize..(padding.end - start) as usize].fill(0);
    }
}

fn sha1_of_zeros(len: u32) -> [u8; 20] {
    let mut state = hash::Sha1::new();
    for begin in (0..len).step_by(ZEROS.len()) {
        state.update(&ZEROS[..(len - begin).min(types::BLOCK_LEN) as usize]);
    }
    state.finalize()
}

#[cfg(test)]
mod tests;
