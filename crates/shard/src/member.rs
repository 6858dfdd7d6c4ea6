//! One torrent of a shard: its brain, its blocks, its disk work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Arrival, ConnId, DiskTrouble, Fault, Input, TorrentId, WaitReason};
use metainfo::Info;
use types::{Bitfield, BlockRef, InfoHash, InfoHashes, PeerId, PieceIndex, Rng, Time};
use wire::{FrameLimits, Reserved};

use crate::blocks::{Blocks, Ended};
use crate::disk::{Completion, Disk, Health};
use crate::reread::{Reread, Rereads};
use crate::sync::Durability;
use crate::trap::{Trap, Trapped};
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
    rereads: Rereads,
    pub(crate) limits: FrameLimits,
    pub(crate) conns: BTreeSet<ConnId>,
    /// What the brain waits for.
    pub(crate) wait: (Time, WaitReason),
    names: InfoHashes,
    /// What we call ourselves to its peers.
    pub(crate) us: PeerId,
    pub(crate) trap: Trapped,
    /// Somebody reads what is not verified yet, and is told of it.
    pub(crate) watched: bool,
}

/// The block table of a torrent with this content, and how long its messages may be.
fn data_of(info: Arc<Info>, content: &engine::Content) -> (Blocks, FrameLimits) {
    let limits = FrameLimits { pieces: Some(content.geometry.pieces()), ..FrameLimits::default() };
    let blocks = Blocks::new(info, content.geometry.clone(), content.have.clone(), &content.unhashed);
    (blocks, limits)
}

impl Member {
    pub(crate) fn new(added: Added, now: Time, rng: Rng) -> Member {
        let Added { id, info, params } = added;
        let (blocks, limits) = match (info, &params.content) {
            (Some(info), Some(content)) => data_of(info, content),
            _ => (Blocks::empty(), FrameLimits::default()),
        };
        Member {
            id,
            blocks,
            names: params.hashes,
            us: params.config.peer_id_of(&params.hashes),
            brain: Some(engine::Torrent::new(params, now, rng)),
            disk: Disk::new(),
            durability: Durability::new(),
            rereads: Rereads::new(),
            limits,
            conns: BTreeSet::new(),
            wait: (Time::NEVER, WaitReason::Idle),
            trap: Trapped::default(),
            watched: false,
        }
    }

    /// Its content is known now.
    pub(crate) fn learn(&mut self, now: Time, info: Arc<Info>, content: Box<engine::Content>) {
        if self.limits.pieces.is_some() {
            return;
        }
        (self.blocks, self.limits) = data_of(info, &content);
        self.inform(now, Input::Command(engine::Command::Content(content)));
    }

    /// Its names on the wire.
    pub(crate) fn names(&self) -> InfoHashes {
        self.names
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
        self.blocks.arrive(run, Some(conn), block).into_iter().for_each(|block| pool.give(block));
        self.inform(now, Input::BlockReceived { conn, block: run });
    }

    /// Whether there is work for the end of the batch.
    pub(crate) fn is_touched(&self) -> bool {
        self.blocks.is_touched() || self.trap.is_at(Trap::EndPass)
    }

    /// Asks the disk for a block to be sent, where the pool has a buffer.
    pub(crate) fn read_for(&mut self, conn: ConnId, run: BlockRef, pool: &mut Pool) {
        let geometry = self.blocks.geometry();
        let offset = geometry.offset_of(run);
        let there = u64::from(run.len).min(geometry.total_len().saturating_sub(offset));
        if let Some(block) = pool.take(there as usize) {
            self.disk.push(DiskOp::Read { offset, block, conn: Some(conn) });
        }
    }

    /// The end of a batch, after the lanes: judges pieces, and queues what is to be written and read back.
    pub(crate) fn settle(&mut self, now: Time, pool: &mut Pool) {
        self.trap.spring(Trap::EndPass);
        let mut writes = Vec::new();
        let ended = self.blocks.settle(pool, |at, block| writes.push((at, block)));
        self.disk.push_writes(writes);
        ended.into_iter().for_each(|ended| self.ended(now, ended));
        if self.brain.is_some() {
            self.read_backs(pool);
            while self.next_reread(now) {
                self.read_backs(pool);
            }
        }
    }

    fn read_backs(&mut self, pool: &mut Pool) {
        let (disk, rereads) = (&mut self.disk, &self.rereads);
        let read = |offset, block| disk.push(DiskOp::Read { offset, block, conn: None });
        self.blocks.read_backs(pool, |piece| rereads.is_waiting(piece), read);
    }

    fn ended(&mut self, now: Time, ended: Ended) {
        match ended {
            Ended::Stored(stored) => {
                let piece = stored.index();
                self.durability.add(now, stored);
                self.inform(now, Input::PieceStored { piece });
            }
            Ended::Judged(piece, guilty) => self.inform(now, Input::PieceJudged { piece, guilty: &guilty }),
            Ended::Suspect(piece) => self.rereads.add(now, piece, Reread::Rewrite),
            Ended::Failed { piece, why, read_back } => {
                self.inform(now, Input::PieceFailed { piece, why, read_back });
            }
        }
    }

    /// Begins to read the next piece again that waits for it, when the one before is through. Whether there
    /// is one.
    fn next_reread(&mut self, now: Time) -> bool {
        if self.rereads.current().is_some_and(|piece| !self.blocks.is_reading(piece)) {
            self.rereads.done(now);
        }
        let Some((piece, how)) = self.rereads.next(now) else { return false };
        self.blocks.reread(piece, how);
        true
    }

    /// A block of a piece can't be read: the piece does not count until it was read again and passed its
    /// hash. Other pieces are not concerned.
    pub(crate) fn unreadable(&mut self, now: Time, piece: PieceIndex, why: &DiskTrouble) {
        let is_new = self.rereads.failed(now, piece);
        self.doubt(piece);
        if is_new {
            self.inform(now, Input::PieceDoubtful { piece, why });
        }
    }

    /// A sync failed: no piece counts that was written and not synced before, even where a later sync
    /// succeeds.
    pub(crate) fn sync_failed(&mut self, now: Time, why: &DiskTrouble) {
        let pieces = self.durability.failed(now);
        if self.brain.is_none() {
            return;
        }
        self.blocks.sync_failed();
        self.rereads.distrust();
        for piece in pieces {
            self.doubt(piece);
            self.rereads.add(now, piece, Reread::Rewrite);
            self.inform(now, Input::PieceDoubtful { piece, why });
        }
        self.next_reread(now);
    }

    fn doubt(&mut self, piece: PieceIndex) {
        if self.blocks.doubt(piece) {
            self.durability.retain(|stored| stored != piece);
        }
    }

    /// A recheck found what is there. Pieces that are half done begin anew, and writes that failed are given
    /// up: where the data went away under them they would hold up the rest for ever. Answers the buffers of
    /// these writes.
    pub(crate) fn replace_have(&mut self, now: Time, have: Bitfield, pool: &mut Pool) -> Vec<DiskOp> {
        self.durability.retain(|piece| have.get(piece.0));
        self.rereads.clear();
        self.blocks.replace_have(have, pool);
        let was_in_trouble = self.disk.in_trouble();
        let given_up = self.disk.give_up();
        if was_in_trouble {
            self.inform(now, Input::DiskClear);
        }
        given_up
    }

    /// Tries at once what the disk refused.
    pub(crate) fn retry(&mut self, now: Time) {
        self.disk.retry();
        self.rereads.retry(now);
        self.next_reread(now);
    }

    /// Disk work has returned: updates the disk's own books and tells the brain whether the disk works.
    pub(crate) fn returned(
        &mut self,
        now: Time,
        op: DiskOp,
        result: Result<(), crate::DiskError>,
    ) -> Completion {
        let wanted = match &op {
            DiskOp::Write { offset, blocks } => self.blocks.is_writing(*offset, blocks),
            _ => true,
        };
        // Nobody waits for a write from before a recheck: done or not, only its buffers matter.
        let (back, health) = self.disk.returned(now, op, if wanted { result } else { Ok(()) });
        match health {
            Some(Health::Trouble(trouble)) => self.inform(now, Input::DiskTrouble(&trouble)),
            Some(Health::Clear) => self.inform(now, Input::DiskClear),
            None => {}
        }
        back
    }

    /// Blocks that a crash may leave on the disk, and that must be hashed again after it: those of unfinished
    /// pieces, and of pieces that no sync has covered yet.
    pub(crate) fn unhashed(&self) -> Vec<(PieceIndex, Bitfield)> {
        let geometry = self.blocks.geometry();
        let whole = |piece| (piece, Bitfield::full(geometry.blocks_in(piece)));
        let mut unhashed: BTreeMap<PieceIndex, Bitfield> =
            self.rereads.waiting().chain(self.durability.pending()).map(whole).collect();
        unhashed.extend(self.blocks.unhashed());
        unhashed.into_iter().collect()
    }

    /// Its deadline has come.
    pub(crate) fn on_timer(&mut self, now: Time) {
        self.trap.spring(Trap::Timer);
        if self.wait.0.is_due(now) {
            self.wait = (Time::NEVER, WaitReason::Idle);
            self.inform(now, Input::Timer);
        }
        self.disk.on_timer(now);
        self.next_reread(now);
    }

    /// When it wants to be looked at, and why.
    pub(crate) fn deadline(&self) -> (Time, WaitReason) {
        let disk = self.disk.deadline().min(self.durability.deadline()).min(self.rereads.deadline());
        self.wait.min((disk, WaitReason::Disk))
    }

    /// The piece that a payload byte lies in.
    pub(crate) fn piece_at(&self, offset: u64) -> Option<PieceIndex> {
        self.blocks.geometry().piece_at(offset)
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
