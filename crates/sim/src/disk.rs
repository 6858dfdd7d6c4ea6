//! A disk with faults: slow, full, failing, torn, rotten, and forgetful in a crash.
//!
//! Work returns out of order. A write that is not synced may be lost, whole or in part, when the power goes; what a sync
//! covers is what had been written when it began. A sync that fails drops what had been written: as on Linux it can still
//! be read from memory, but no later sync makes it durable, only another write and a sync after that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::DiskTrouble;
use metainfo::{Info, Place};
use shard::{Block, DiskDone, DiskError, DiskOp, DiskRequest};
use types::{Bitfield, PieceIndex, Rng, Time};

use crate::payload::Payload;

/// What a sector is: a torn write ends at a multiple of it.
const SECTOR: usize = 512;
/// Space is taken in units of so many bytes.
const UNIT: u64 = 4_096;

/// How a disk behaves.
#[derive(Clone, Debug)]
pub(crate) struct DiskSpec {
    /// Time of any work, however small.
    pub(crate) latency: Duration,
    /// The most that chance adds to it; this is what puts work out of order.
    pub(crate) jitter: Duration,
    /// Bytes a second.
    pub(crate) rate: u64,
    /// Bytes that can still be stored; None is no limit.
    pub(crate) free: Option<u64>,
    /// Of so many operations one fails; 0 is none.
    pub(crate) error_one_in: u32,
}

impl Default for DiskSpec {
    /// A common solid-state disk.
    fn default() -> DiskSpec {
        DiskSpec {
            latency: Duration::from_micros(200),
            jitter: Duration::from_millis(2),
            rate: 200_000_000,
            free: None,
            error_one_in: 0,
        }
    }
}

/// What a write replaced, kept until a sync covers it.
#[derive(Debug)]
struct Undo {
    number: u64,
    at: u64,
    old: Vec<u8>,
}

impl Undo {
    /// Copies what both replaced into `other`.
    fn copy_into(&self, other: &mut Undo) {
        let (from, to) = (self.at.max(other.at), self.end().min(other.end()));
        if from < to {
            let old = &self.old[(from - self.at) as usize..(to - self.at) as usize];
            other.old[(from - other.at) as usize..(to - other.at) as usize].copy_from_slice(old);
        }
    }

    fn end(&self) -> u64 {
        self.at + self.old.len() as u64
    }
}

#[derive(Debug)]
struct Work {
    request: DiskRequest,
    /// How many writes had returned when it was handed in.
    since: u64,
}

/// What is stored. Whole copies of the original share it until something is written.
#[derive(Debug)]
enum Store {
    Original(Arc<Payload>),
    Own(Vec<u8>),
}

impl Store {
    fn get(&self) -> &[u8] {
        match self {
            Store::Original(payload) => payload.bytes(),
            Store::Own(bytes) => bytes,
        }
    }

    fn get_mut(&mut self) -> &mut [u8] {
        if let Store::Original(payload) = self {
            *self = Store::Own(payload.bytes().to_vec());
        }
        match self {
            Store::Own(bytes) => bytes,
            Store::Original(_) => unreachable!("it was replaced above"),
        }
    }
}

/// What a disk was asked for that it must never be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trespass(pub(crate) String);

/// One host's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) spec: DiskSpec,
    info: Arc<Info>,
    bytes: Store,
    taken: Bitfield,
    writes: u64,
    unsynced: Vec<Undo>,
    /// Writes that a failed sync dropped: they are in memory only.
    dropped: Vec<Undo>,
    busy_until: Time,
    work: BTreeMap<u64, Work>,
    handed_in: u64,
    /// Pieces known to be right, until something touches them.
    right: Bitfield,
    /// Pieces damaged behind everybody's back.
    pub(crate) rotten: Bitfield,
    rng: Rng,
    /// Errors returned so far.
    pub(crate) errors: u64,
}

impl Disk {
    pub(crate) fn new(spec: DiskSpec, payload: &Payload, rng: Rng) -> Disk {
        let pieces = payload.info.geometry().pieces();
        Disk {
            spec,
            info: payload.info.clone(),
            bytes: Store::Own(vec![0; payload.len() as usize]),
            taken: Bitfield::new(payload.len().div_ceil(UNIT) as u32),
            writes: 0,
            unsynced: Vec::new(),
            dropped: Vec::new(),
            busy_until: Time::ZERO,
            work: BTreeMap::new(),
            handed_in: 0,
            right: Bitfield::new(pieces),
            rotten: Bitfield::new(pieces),
            rng,
            errors: 0,
        }
    }

    /// Puts the whole payload on it, synced.
    pub(crate) fn fill(&mut self, payload: &Arc<Payload>) {
        self.bytes = Store::Original(payload.clone());
        self.taken = Bitfield::full(self.taken.len());
        self.right = Bitfield::full(self.right.len());
    }

    /// Puts these pieces on it, synced.
    pub(crate) fn fill_part(&mut self, payload: &Payload, pieces: &Bitfield) {
        for piece in pieces.ones().map(PieceIndex) {
            let range = self.info.geometry().piece_range(piece);
            self.bytes.get_mut()[range.start as usize..range.end as usize]
                .copy_from_slice(payload.piece(piece));
            let units = range.start / UNIT..range.end.div_ceil(UNIT);
            units.for_each(|unit| _ = self.taken.insert(unit as u32));
        }
    }

    /// Takes work in. Returns its number and when it ends.
    pub(crate) fn submit(&mut self, now: Time, request: DiskRequest) -> Result<(u64, Time), Trespass> {
        let bytes = match &request.op {
            DiskOp::Write { offset, blocks } => {
                let len = blocks.iter().map(Block::len).sum();
                self.check_range(*offset, len)?;
                self.check_gaps(*offset, len)?;
                len
            }
            DiskOp::Read { offset, block, .. } => {
                self.check_range(*offset, block.len())?;
                block.len()
            }
            DiskOp::Sync { .. } => 0,
            other => return Err(Trespass(format!("work that is not known here: {other:?}"))),
        };
        let number = self.handed_in;
        self.handed_in += 1;
        self.work.insert(number, Work { request, since: self.writes });
        let span = Duration::from_micros(bytes as u64 * 1_000_000 / self.spec.rate.max(1));
        self.busy_until = self.busy_until.max(now) + span;
        let chance = self.rng.below(self.spec.jitter.as_micros() as usize + 1) as u64;
        Ok((number, self.busy_until + self.spec.latency + Duration::from_micros(chance)))
    }

    fn check_range(&self, offset: u64, len: usize) -> Result<(), Trespass> {
        let end = offset.checked_add(len as u64);
        if len > 0 && end.is_some_and(|end| end <= self.info.layout().total_len()) {
            return Ok(());
        }
        Err(Trespass(format!("{len} bytes at {offset} of a payload of {}", self.info.layout().total_len())))
    }

    /// The gap after a v2 file belongs to nothing: no write may cover it. Padding files may be covered, as their bytes
    /// are on the wire; they are not stored.
    fn check_gaps(&self, offset: u64, len: usize) -> Result<(), Trespass> {
        if self.info.info_hashes().get_v1().is_some() {
            return Ok(());
        }
        let mut extents = self.info.layout().extents(offset..offset + len as u64);
        match extents.find(|extent| extent.place == Place::Zeros) {
            Some(gap) => Err(Trespass(format!("a write into the gap at {}", gap.at))),
            None => Ok(()),
        }
    }

    /// Buffers held by work that has not returned: those of writes and re-reads, and those for connections.
    pub(crate) fn held(&self) -> (usize, usize) {
        let mut held = (0, 0);
        for work in self.work.values() {
            match &work.request.op {
                DiskOp::Write { blocks, .. } => held.0 += blocks.len(),
                DiskOp::Read { conn: None, .. } => held.0 += 1,
                DiskOp::Read { .. } => held.1 += 1,
                _ => {}
            }
        }
        held
    }

    /// Work ends. Nothing where the host has lost it in a crash.
    pub(crate) fn finish(&mut self, number: u64) -> Option<DiskDone> {
        let Work { request: DiskRequest { torrent, mut op }, since } = self.work.remove(&number)?;
        let result = match self.rng.one_in(self.spec.error_one_in.max(1)) && self.spec.error_one_in > 0 {
            true => self.fail(&op),
            false => self.perform(&mut op, since),
        };
        self.errors += u64::from(result.is_err());
        Some(DiskDone { torrent, op, result })
    }

    fn fail(&mut self, op: &DiskOp) -> Result<(), DiskError> {
        if let DiskOp::Write { offset, blocks } = op {
            self.tear(*offset, blocks);
        }
        if let DiskOp::Sync { .. } = op {
            self.dropped.append(&mut self.unsynced);
        }
        Err(error("disk_error", "input/output error on `payload`"))
    }

    /// Only a part of a write that fails reaches the disk.
    fn tear(&mut self, offset: u64, blocks: &[Block]) {
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.as_ref()).copied().collect();
        let kept = self.rng.below(bytes.len() / SECTOR + 1) * SECTOR;
        self.store(offset, &bytes[..kept]);
    }

    fn perform(&mut self, op: &mut DiskOp, since: u64) -> Result<(), DiskError> {
        match op {
            DiskOp::Write { offset, blocks } => {
                let len: usize = blocks.iter().map(Block::len).sum();
                if !self.take_space(*offset, len as u64) {
                    return Err(error("disk_full", "no space left for `payload`"));
                }
                let mut at = *offset;
                for block in blocks.iter() {
                    self.store(at, block.as_ref());
                    at += block.len() as u64;
                }
            }
            DiskOp::Read { offset, block, .. } => {
                let at = *offset as usize;
                let len = block.len();
                block.as_mut().copy_from_slice(&self.bytes.get()[at..at + len]);
            }
            DiskOp::Sync { pieces } => self.sync(pieces, since),
            _ => {}
        }
        Ok(())
    }

    fn take_space(&mut self, offset: u64, len: u64) -> bool {
        let units = (offset / UNIT) as u32..(offset + len).div_ceil(UNIT) as u32;
        let fresh: Vec<u32> = units.filter(|unit| !self.taken.get(*unit)).collect();
        if let Some(free) = &mut self.spec.free {
            let need = fresh.len() as u64 * UNIT;
            if need > *free {
                return false;
            }
            *free -= need;
        }
        fresh.into_iter().for_each(|unit| {
            self.taken.insert(unit);
        });
        true
    }

    fn store(&mut self, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let place = &mut self.bytes.get_mut()[at as usize..at as usize + bytes.len()];
        let mut undo = Undo { number: self.writes, at, old: place.to_vec() };
        // What was dropped here is written anew; below it lies what was there before.
        let range = at..at + bytes.len() as u64;
        self.dropped = std::mem::take(&mut self.dropped)
            .into_iter()
            .rev()
            .flat_map(|dropped| {
                dropped.copy_into(&mut undo);
                outside(dropped, std::slice::from_ref(&range))
            })
            .collect();
        self.dropped.reverse();
        self.unsynced.push(undo);
        self.writes += 1;
        place.copy_from_slice(bytes);
        for gap in self.info.layout().extents(at..at + bytes.len() as u64) {
            if gap.place == Place::Zeros {
                self.bytes.get_mut()[gap.at as usize..(gap.at + gap.len) as usize].fill(0);
            }
        }
        self.touch(at, bytes.len() as u64);
    }

    fn touch(&mut self, at: u64, len: u64) {
        for piece in self.info.geometry().pieces_of(at..at + len) {
            self.right.remove(piece);
        }
    }

    fn sync(&mut self, pieces: &[PieceIndex], since: u64) {
        let geometry = self.info.geometry();
        let covered: Vec<_> = pieces.iter().map(|piece| geometry.piece_range(*piece)).collect();
        let inside = |undo: &Undo| {
            let end = undo.at + undo.old.len() as u64;
            covered.iter().any(|range| range.start < end && undo.at < range.end)
        };
        // A write that also covers a neighbour becomes durable for this piece alone.
        let mut rest = Vec::new();
        for undo in std::mem::take(&mut self.unsynced) {
            if undo.number >= since || !inside(&undo) {
                rest.push(undo);
            } else {
                rest.extend(outside(undo, &covered));
            }
        }
        self.unsynced = rest;
    }

    /// Whether what is stored of a piece is the original.
    pub(crate) fn is_right(&mut self, piece: PieceIndex, payload: &Payload) -> bool {
        if self.right.get(piece.0) {
            return true;
        }
        let range = self.info.geometry().piece_range(piece);
        let right =
            self.bytes.get().get(range.start as usize..range.end as usize) == Some(payload.piece(piece));
        if right {
            self.right.insert(piece.0);
        }
        right
    }

    /// Whether a piece would survive the loss of power.
    pub(crate) fn is_durable(&self, piece: PieceIndex) -> bool {
        let range = self.info.geometry().piece_range(piece);
        let touches = |undo: &Undo| undo.at < range.end && range.start < undo.at + undo.old.len() as u64;
        !self.unsynced.iter().chain(&self.dropped).any(touches)
    }

    /// The process ends: its work is lost, some of it done. What was written stays.
    pub(crate) fn kill(&mut self) {
        for Work { request, .. } in std::mem::take(&mut self.work).into_values() {
            let DiskOp::Write { offset, blocks } = &request.op else { continue };
            let len = blocks.iter().map(Block::len).sum::<usize>() as u64;
            if self.rng.one_in(2) && self.take_space(*offset, len) {
                self.tear(*offset, blocks);
            }
        }
    }

    /// The power goes: of the writes that were not synced some are lost, some torn, some kept.
    pub(crate) fn crash(&mut self) {
        self.kill();
        let unsynced = std::mem::take(&mut self.unsynced).into_iter();
        for undo in std::mem::take(&mut self.dropped).into_iter().chain(unsynced).rev() {
            let sectors = undo.old.len() / SECTOR;
            let lost_from = match self.rng.below(3) {
                0 => undo.old.len(),
                1 => 0,
                _ => self.rng.below(sectors + 1) * SECTOR,
            };
            let at = undo.at as usize + lost_from;
            let old = &undo.old[lost_from..];
            self.bytes.get_mut()[at..at + old.len()].copy_from_slice(old);
            self.touch(undo.at, undo.old.len() as u64);
        }
    }

    /// Flips one bit of a piece.
    pub(crate) fn rot(&mut self, piece: PieceIndex) {
        let range = self.info.geometry().piece_range(piece);
        let at = range.start as usize + self.rng.below((range.end - range.start) as usize);
        let bit = 1 << self.rng.below(8);
        self.bytes.get_mut()[at] ^= bit;
        self.right.remove(piece.0);
        self.rotten.insert(piece.0);
    }
}

/// The parts of a write that lie in none of the ranges.
fn outside(undo: Undo, covered: &[std::ops::Range<u64>]) -> Vec<Undo> {
    let whole = undo.at..undo.at + undo.old.len() as u64;
    let mut parts = Vec::from([whole]);
    for range in covered {
        let cut = |part: std::ops::Range<u64>| {
            [part.start..part.end.min(range.start), part.start.max(range.end)..part.end]
        };
        parts = parts.into_iter().flat_map(cut).filter(|part| part.start < part.end).collect();
    }
    let slice = |part: &std::ops::Range<u64>| {
        undo.old[(part.start - undo.at) as usize..(part.end - undo.at) as usize].to_vec()
    };
    let keep = |part: std::ops::Range<u64>| Undo { number: undo.number, at: part.start, old: slice(&part) };
    parts.into_iter().map(keep).collect()
}

fn error(code: &'static str, message: &str) -> DiskError {
    DiskError { trouble: DiskTrouble { code, message: message.into() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Shape;
    use engine::TorrentId;
    use shard::Pool;

    fn bench() -> (Arc<Payload>, Disk, Pool) {
        let shape = Shape::one_file(200_000, 32 << 10);
        let payload = Arc::new(Payload::new(&shape, &mut Rng::from_number(1)));
        let disk = Disk::new(DiskSpec::default(), &payload, Rng::from_number(2));
        (payload, disk, Pool::new(64))
    }

    fn write(disk: &mut Disk, pool: &mut Pool, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let blocks = bytes.chunks(types::BLOCK_LEN as usize).map(|chunk| {
            let mut block = pool.take(chunk.len()).unwrap();
            block.as_mut().copy_from_slice(chunk);
            block
        });
        let op = DiskOp::Write { offset: at, blocks: blocks.collect() };
        let (number, _) = disk.submit(Time::ZERO, DiskRequest { torrent: TorrentId(0), op }).unwrap();
        disk.finish(number).unwrap().result
    }

    #[test]
    fn a_crash_may_undo_what_no_sync_covers_and_nothing_else() {
        for seed in 0..20 {
            let (payload, mut disk, mut pool) = bench();
            disk.rng = Rng::from_number(seed);
            for piece in [0, 1] {
                let bytes = payload.piece(PieceIndex(piece)).to_vec();
                write(&mut disk, &mut pool, u64::from(piece) * 32_768, &bytes).unwrap();
            }
            let op = DiskOp::Sync { pieces: vec![PieceIndex(0)] };
            let (number, _) = disk.submit(Time::ZERO, DiskRequest { torrent: TorrentId(0), op }).unwrap();
            disk.finish(number).unwrap().result.unwrap();
            assert!(disk.is_durable(PieceIndex(0)) && !disk.is_durable(PieceIndex(1)));
            disk.crash();
            assert!(disk.is_right(PieceIndex(0), &payload));
            assert_eq!(disk.unsynced.len(), 0);
        }
    }

    #[test]
    fn a_sync_covers_what_was_written_when_it_began() {
        let (payload, mut disk, mut pool) = bench();
        let op = DiskOp::Sync { pieces: vec![PieceIndex(0)] };
        let (sync, _) = disk.submit(Time::ZERO, DiskRequest { torrent: TorrentId(0), op }).unwrap();
        write(&mut disk, &mut pool, 0, payload.piece(PieceIndex(0))).unwrap();
        disk.finish(sync).unwrap().result.unwrap();
        assert!(!disk.is_durable(PieceIndex(0)));
    }

    #[test]
    fn what_a_failed_sync_drops_needs_another_write() {
        let (payload, mut disk, mut pool) = bench();
        let sync = |disk: &mut Disk, fails| {
            disk.spec.error_one_in = u32::from(fails);
            let op = DiskOp::Sync { pieces: vec![PieceIndex(0)] };
            let (number, _) = disk.submit(Time::ZERO, DiskRequest { torrent: TorrentId(0), op }).unwrap();
            let result = disk.finish(number).unwrap().result;
            disk.spec.error_one_in = 0;
            result
        };
        let bytes = payload.piece(PieceIndex(0)).to_vec();
        write(&mut disk, &mut pool, 0, &bytes).unwrap();
        assert!(sync(&mut disk, true).is_err());
        assert!(sync(&mut disk, false).is_ok() && disk.is_right(PieceIndex(0), &payload));
        assert!(!disk.is_durable(PieceIndex(0)));
        write(&mut disk, &mut pool, 0, &bytes[..16_384]).unwrap();
        assert!(sync(&mut disk, false).is_ok() && !disk.is_durable(PieceIndex(0)), "one block is not enough");
        write(&mut disk, &mut pool, 16_384, &bytes[16_384..]).unwrap();
        assert!(sync(&mut disk, false).is_ok() && disk.is_durable(PieceIndex(0)));
    }

    #[test]
    fn a_full_disk_refuses_new_bytes_and_takes_old_ones() {
        let (payload, mut disk, mut pool) = bench();
        disk.spec.free = Some(32 << 10);
        write(&mut disk, &mut pool, 0, payload.piece(PieceIndex(0))).unwrap();
        let refused = write(&mut disk, &mut pool, 32 << 10, payload.piece(PieceIndex(1))).unwrap_err();
        assert_eq!(refused.trouble.code, "disk_full");
        write(&mut disk, &mut pool, 0, payload.piece(PieceIndex(0))).unwrap();
        assert!(disk.is_right(PieceIndex(0), &payload) && !disk.is_right(PieceIndex(1), &payload));
    }

    #[test]
    fn rot_is_seen_and_writes_beyond_the_payload_are_trespass() {
        let (payload, mut disk, mut pool) = bench();
        disk.fill(&payload);
        disk.rot(PieceIndex(2));
        assert!(!disk.is_right(PieceIndex(2), &payload) && disk.is_right(PieceIndex(3), &payload));
        let block = pool.take(100).unwrap();
        let op = DiskOp::Write { offset: payload.len() - 50, blocks: vec![block] };
        assert!(disk.submit(Time::ZERO, DiskRequest { torrent: TorrentId(0), op }).is_err());
    }
}
