//! One torrent of a shard: its brain, its blocks, its disk work.

use std::collections::BTreeSet;

use engine::{Arrival, ConnId, Fault, Input, TorrentId, WaitReason};
use types::{Bitfield, BlockRef, InfoHash, InfoHashes, PieceIndex, Rng, Time};
use wire::{FrameLimits, Reserved};

use crate::blocks::{Blocks, Ended};
use crate::disk::{Back, Disk, News};
use crate::sync::Durability;
use crate::{Added, Block, DiskOp, Pool};

/// One torrent of a shard.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: TorrentId,
    /// None when the torrent is leaving and waits for its disk work to end.
    pub(crate) brain: Option<engine::Torrent>,
    pub(crate) blocks: Blocks,
    pub(crate) disk: Disk,
    pub(crate) durability: Durability,
    pub(crate) limits: FrameLimits,
    pub(crate) conns: BTreeSet<ConnId>,
    /// What the brain waits for.
    pub(crate) wait: (Time, WaitReason),
    names: InfoHashes,
}

impl Member {
    pub(crate) fn new(added: Added, now: Time, rng: Rng) -> Member {
        let Added { id, info, params } = added;
        let geometry = params.geometry.clone();
        let limits = FrameLimits { pieces: Some(geometry.pieces()), ..FrameLimits::default() };
        Member {
            id,
            blocks: Blocks::new(info, geometry, params.have.clone(), &params.unhashed),
            names: params.hashes,
            brain: Some(engine::Torrent::new(params, now, rng)),
            disk: Disk::new(),
            durability: Durability::new(),
            limits,
            conns: BTreeSet::new(),
            wait: (Time::NEVER, WaitReason::Idle),
        }
    }

    /// Its names on the wire.
    pub(crate) fn names(&self) -> impl Iterator<Item = InfoHash> + use<> {
        self.names.wire_names()
    }

    /// The name it is dialed under.
    pub(crate) fn name(&self) -> InfoHash {
        self.names.primary()
    }

    /// What its handshakes say that we can do.
    pub(crate) fn reserved(&self) -> Reserved {
        engine::reserved(&self.names)
    }

    /// Tells the brain. An error is the peer's; the brain has forgotten the connection.
    pub(crate) fn tell(&mut self, now: Time, input: Input<'_>) -> Result<(), Fault> {
        self.brain.as_mut().map_or(Ok(()), |brain| brain.handle(now, input))
    }

    /// Tells the brain something that no peer is to blame for.
    pub(crate) fn inform(&mut self, now: Time, input: Input<'_>) {
        // Faults come with a peer's message only, and those go through `tell`.
        let _ = self.tell(now, input);
    }

    /// Whether the block whose header came is to be kept.
    pub(crate) fn takes(&mut self, now: Time, conn: ConnId, run: BlockRef) -> bool {
        let Some(brain) = &mut self.brain else { return false };
        brain.expect_block(now, conn, run) == Arrival::Take
            && self.blocks.geometry().exact_block(run).is_some()
    }

    /// A block is whole.
    pub(crate) fn received(&mut self, now: Time, conn: ConnId, run: BlockRef, block: Block, pool: &mut Pool) {
        self.blocks.arrive(run, block).into_iter().for_each(|block| pool.give(block));
        self.inform(now, Input::BlockReceived { conn, block: run });
    }

    /// The end of a pass, after the lanes: judges pieces, and queues what is to be written and read back.
    pub(crate) fn settle(&mut self, now: Time, pool: &mut Pool) {
        let mut writes = Vec::new();
        let ended = self.blocks.settle(pool, |at, block| writes.push((at, block)));
        self.disk.push_writes(writes);
        if self.brain.is_some() {
            let disk = &mut self.disk;
            let read = |offset, block| disk.push(DiskOp::Read { offset, block, conn: None });
            self.blocks.read_backs(pool, read);
        }
        for ended in ended {
            match ended {
                Ended::Stored(stored) => {
                    let piece = stored.index();
                    self.durability.add(now, stored);
                    self.inform(now, Input::PieceStored { piece });
                }
                Ended::Failed(piece, why) => self.inform(now, Input::PieceFailed { piece, why }),
            }
        }
    }

    /// Disk work has returned: updates the disk's own books and tells the brain whether the disk works.
    pub(crate) fn returned(&mut self, now: Time, op: DiskOp, result: Result<(), crate::DiskError>) -> Back {
        let (back, news) = self.disk.returned(now, op, result);
        match news {
            Some(News::Trouble(trouble)) => self.inform(now, Input::DiskTrouble(&trouble)),
            Some(News::Clear) => self.inform(now, Input::DiskClear),
            None => {}
        }
        back
    }

    /// Blocks that a crash may leave on the disk, and that must be hashed again after it: those of unfinished pieces, and of
    /// pieces that no sync has covered yet.
    pub(crate) fn unhashed(&self) -> Vec<(PieceIndex, Bitfield)> {
        let geometry = self.blocks.geometry();
        let whole = |piece| (piece, Bitfield::full(geometry.blocks_in(piece)));
        self.blocks.unhashed().into_iter().chain(self.durability.pending().map(whole)).collect()
    }

    /// Its deadline has come.
    pub(crate) fn on_timer(&mut self, now: Time) {
        if self.wait.0.is_due(now) {
            self.wait = (Time::NEVER, WaitReason::Idle);
            self.inform(now, Input::Timer);
        }
        self.disk.on_timer(now);
    }

    /// When it wants to be looked at, and why.
    pub(crate) fn deadline(&self) -> (Time, WaitReason) {
        let disk = self.disk.deadline().min(self.durability.deadline());
        self.wait.min((disk, WaitReason::Disk))
    }

    /// Whether a torrent that is leaving has nothing left to wait for.
    pub(crate) fn is_gone(&self) -> bool {
        self.brain.is_none() && self.disk.is_idle() && self.durability.is_idle()
    }

    /// The block of `len` bytes at payload byte `offset`, inside one piece.
    pub(crate) fn run_at(&self, offset: u64, len: usize) -> Option<BlockRef> {
        self.blocks.geometry().run_at(offset, len as u32)
    }
}
