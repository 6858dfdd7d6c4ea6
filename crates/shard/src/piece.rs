//! One piece on its way: a running hash, and where each of its blocks is.

use engine::ConnId;
use hash::Sha1;
use metainfo::{Expected, Mismatch, VerifiedPiece};
use types::{BLOCK_LEN, Bitfield, BlockIndex, Geometry};

use crate::digests::{Attempt, Digest};
use crate::{Block, Pool};

/// Blocks read back at once ahead of the hash cursor.
const READ_AHEAD: usize = 8;

/// Where a block is.
#[derive(Debug)]
pub(crate) enum Place {
    /// Not here.
    Missing,
    /// In memory only.
    Arrived(Block),
    /// Its buffer is with the disk, to be written.
    Writing,
    /// On the disk.
    Stored,
    /// On the disk; a buffer is on its way back to be hashed.
    Reading,
    /// On the disk, and in memory to be hashed.
    Kept(Block),
    /// Nowhere: so many bytes of padding (BEP 47), which are hashed and never written.
    Zeros(u32),
}

/// What padding is hashed as.
pub(crate) static ZEROS: [u8; BLOCK_LEN as usize] = [0; BLOCK_LEN as usize];

/// A piece that is being received. Blocks below the cursor need no more hashing; SHA-1 takes them in order,
/// SHA-256 as they come.
#[derive(Debug)]
pub(crate) struct ActivePiece {
    expected: Expected,
    places: Vec<Place>,
    v1: Option<Sha1>,
    cursor: usize,
    leaves: Vec<[u8; 32]>,
    leaf_done: Bitfield,
    /// Blocks that came into memory since the last batch, and those before that wait for the lanes.
    fresh: Vec<usize>,
    /// Buffers that are hashed and wait for nothing.
    spare: Vec<Block>,
    /// Buffers that are with the disk.
    out: usize,
    /// Blocks on the disk, and those that never go there.
    stored: usize,
    verdict: Option<Result<VerifiedPiece, Mismatch>>,
    /// What is read back is written again.
    rewrites: bool,
    /// A sync failed since something of it was written.
    suspect: bool,
    /// Something of it was read back: what was hashed need not be what was sent.
    was_read_back: bool,
    /// Who sent each block, where known.
    senders: Vec<Option<ConnId>>,
    /// The digest of each block, where they are wanted and no leaf is one.
    digests: Option<Vec<Option<Digest>>>,
    /// The SHA-1 of the whole.
    sha1: Option<[u8; 20]>,
    /// It is read back for its digests alone; this is what it hashed to when it came.
    inspected: Option<[u8; 20]>,
}

/// How a piece ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It is right, and every write has returned.
    Stored(VerifiedPiece),
    /// It is right, every write has returned, and a failed sync may have undone some of them.
    Suspect,
    /// It is wrong, and no buffer of it is with the disk any more.
    Failed {
        why: Mismatch,
        /// Some of what was hashed went over the disk, so that the disk may be to blame.
        read_back: bool,
    },
}

impl ActivePiece {
    /// A piece of which the blocks in `stored` lie unhashed on the disk.
    pub(crate) fn new(expected: Expected, geometry: &Geometry, stored: Option<&Bitfield>) -> ActivePiece {
        let piece = expected.piece();
        let place = |n| {
            let run = geometry.block(piece, BlockIndex(n));
            match stored.is_some_and(|stored| stored.get(n)) {
                _ if geometry.data_in(run) == 0 => Place::Zeros(run.len),
                true => Place::Stored,
                false => Place::Missing,
            }
        };
        let places: Vec<_> = (0..geometry.blocks_in(piece)).map(place).collect();
        let leaves = expected.v2().map_or(0, |v2| v2.leaves());
        ActivePiece {
            v1: expected.v1().map(|_| Sha1::new()),
            cursor: 0,
            leaves: vec![[0; 32]; leaves as usize],
            leaf_done: Bitfield::new(leaves),
            fresh: Vec::new(),
            spare: Vec::new(),
            out: 0,
            stored: places.iter().filter(|place| !matches!(place, Place::Missing)).count(),
            verdict: None,
            rewrites: false,
            suspect: false,
            was_read_back: false,
            senders: vec![None; places.len()],
            digests: None,
            sha1: None,
            inspected: None,
            expected,
            places,
        }
    }

    /// A piece that lies unhashed on the disk as a whole, to be hashed and written once more.
    pub(crate) fn to_rewrite(expected: Expected, geometry: &Geometry) -> ActivePiece {
        let all = Bitfield::full(geometry.blocks_in(expected.piece()));
        let piece = ActivePiece::new(expected, geometry, Some(&all));
        ActivePiece { rewrites: true, ..piece }
    }

    /// The same piece as it lies on the disk, read back for the digests of its blocks: which hash is wrong is
    /// known, which block is not.
    pub(crate) fn to_inspect(&self, geometry: &Geometry) -> ActivePiece {
        let all = Bitfield::full(geometry.blocks_in(self.expected.piece()));
        let piece = ActivePiece::new(self.expected.clone(), geometry, Some(&all)).with_digests();
        ActivePiece { inspected: self.sha1, senders: self.senders.clone(), ..piece }
    }

    /// Keeps the digest of each block.
    pub(crate) fn with_digests(mut self) -> ActivePiece {
        self.digests = self.leaves.is_empty().then(|| vec![None; self.places.len()]);
        self
    }

    /// Whether several sent it, and what it takes to tell their blocks apart is not known without reading
    /// them back.
    pub(crate) fn wants_inspection(&self) -> bool {
        let mut known = self.senders.iter().flatten();
        let first = known.next();
        let several = known.any(|sender| Some(sender) != first);
        several && self.leaves.is_empty() && self.digests.is_none() && self.sha1.is_some()
    }

    /// The digest of a block.
    pub(crate) fn digest(&self, at: usize) -> Option<Digest> {
        match &self.digests {
            Some(digests) => *digests.get(at)?,
            None => self.leaves.get(at)?.first_chunk().copied(),
        }
    }

    /// Who sent what.
    pub(crate) fn attempt(&self) -> Attempt {
        let block = |(at, sender): (usize, &Option<ConnId>)| Some(((*sender)?, self.digest(at)?));
        self.senders.iter().enumerate().map(block).collect()
    }

    /// A sync has failed: what was written so far may be lost, whatever a later sync says.
    pub(crate) fn sync_failed(&mut self) {
        self.suspect |= self.places.iter().any(|place| !matches!(place, Place::Missing | Place::Arrived(_)));
    }

    /// A block came. Answers it back where there is one already.
    pub(crate) fn arrive(&mut self, at: usize, from: Option<ConnId>, block: Block) -> Option<Block> {
        match self.places.get_mut(at) {
            Some(place @ Place::Missing) => {
                *place = Place::Arrived(block);
                self.senders[at] = from;
                self.fresh.push(at);
                None
            }
            _ => Some(block),
        }
    }

    /// A write has returned. Answers the buffer where it is not needed: hashed already, or no room to `keep`
    /// it.
    pub(crate) fn written(&mut self, at: usize, block: Block, keep: bool) -> Option<Block> {
        let needed = self.needs_hash(at);
        let Some(place @ Place::Writing) = self.places.get_mut(at) else { return Some(block) };
        self.out -= 1;
        self.stored += 1;
        if needed && (keep || at == self.cursor) {
            *place = Place::Kept(block);
            None
        } else {
            *place = Place::Stored;
            Some(block)
        }
    }

    /// A block was read back. Answers the buffer where nobody asked for it.
    pub(crate) fn read_back(&mut self, at: usize, block: Block) -> Option<Block> {
        let Some(place @ Place::Reading) = self.places.get_mut(at) else { return Some(block) };
        self.out -= 1;
        self.was_read_back = true;
        self.fresh.push(at);
        if self.rewrites {
            self.stored -= 1;
            *place = Place::Arrived(block);
        } else {
            *place = Place::Kept(block);
        }
        None
    }

    /// A block could not be read back.
    pub(crate) fn unreadable(&mut self, at: usize) {
        if let Some(place @ Place::Reading) = self.places.get_mut(at) {
            *place = Place::Stored;
            self.out -= 1;
        }
    }

    /// Whether a block of it is being read back.
    pub(crate) fn is_reading(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Reading))
    }

    /// Whether a write of this block is waited for.
    pub(crate) fn is_writing(&self, at: usize) -> bool {
        matches!(self.places.get(at), Some(Place::Writing))
    }

    fn needs_hash(&self, at: usize) -> bool {
        at >= self.cursor && (self.v1.is_some() || self.needs_leaf(at))
    }

    fn needs_leaf(&self, at: usize) -> bool {
        at < self.leaves.len() && !self.leaf_done.get(at as u32)
    }

    /// The blocks that came into memory and have no leaf yet, as `(block, bytes of the file in it)`.
    pub(crate) fn leaf_jobs(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let jobs = self.fresh.iter().filter(|&&at| self.needs_leaf(at));
        jobs.filter_map(|&at| {
            let len = self.expected.v2()?.leaf_len(at as u32) as usize;
            let bytes = self.in_memory(at)?;
            Some((at, &bytes[..len.min(bytes.len())]))
        })
    }

    /// The SHA-256 of a leaf.
    pub(crate) fn leaf_done(&mut self, at: usize, digest: [u8; 32]) {
        if let Some(leaf) = self.leaves.get_mut(at) {
            *leaf = digest;
            self.leaf_done.insert(at as u32);
        }
    }

    fn in_memory(&self, at: usize) -> Option<&[u8]> {
        match self.places.get(at)? {
            Place::Arrived(block) | Place::Kept(block) => Some(block.as_ref()),
            _ => None,
        }
    }

    /// How many blocks from the cursor on SHA-1 can take now.
    pub(crate) fn ready(&self) -> usize {
        let can = |place: &&Place| matches!(place, Place::Arrived(_) | Place::Kept(_) | Place::Zeros(_));
        if self.v1.is_none() { 0 } else { self.places[self.cursor..].iter().take_while(can).count() }
    }

    /// The SHA-1 state and the bytes at the cursor, where they are in memory.
    pub(crate) fn sha1_job(&mut self) -> Option<(&mut Sha1, &[u8])> {
        let state = self.v1.as_mut()?;
        match self.places.get(self.cursor)? {
            Place::Arrived(block) | Place::Kept(block) => Some((state, block.as_ref())),
            Place::Zeros(len) => Some((state, &ZEROS[..*len as usize])),
            _ => None,
        }
    }

    /// The job of [`ActivePiece::sha1_job`] is done.
    pub(crate) fn sha1_done(&mut self) {
        let digest = self.in_memory(self.cursor).filter(|_| self.digests.is_some()).map(hash::sha1);
        if let Some(slot) = self.digests.as_mut().and_then(|all| all.get_mut(self.cursor)) {
            *slot = digest;
        }
        self.release(self.cursor);
        self.cursor += 1;
    }

    /// Frees the buffer of a block that is stored and hashed.
    fn release(&mut self, at: usize) {
        if let Some(place @ Place::Kept(_)) = self.places.get_mut(at)
            && let Place::Kept(block) = std::mem::replace(place, Place::Stored)
        {
            self.spare.push(block);
        }
    }

    /// After the lanes: moves the cursor over what only SHA-256 was needed for, and judges the
    /// piece when all of it is hashed.
    pub(crate) fn settle(&mut self, pool: &mut Pool) {
        if self.v1.is_none() {
            while self.cursor < self.places.len() && self.has_been_here(self.cursor) {
                self.cursor += 1;
            }
            for i in 0..self.fresh.len() {
                if !self.needs_hash(self.fresh[i]) {
                    self.release(self.fresh[i]);
                }
            }
        }
        self.spare.drain(..).for_each(|block| pool.give(block));
        if self.cursor == self.places.len() && self.verdict.is_none() {
            self.sha1 = self.v1.take().map(Sha1::finalize);
            self.verdict = Some(self.expected.verify(self.sha1, Some(&self.leaves)));
        }
    }

    /// Whether the block came and, where it has a leaf, was hashed.
    fn has_been_here(&self, at: usize) -> bool {
        !matches!(self.places[at], Place::Missing) && !self.needs_leaf(at)
    }

    /// Whether blocks stay in memory until the lanes take them.
    pub(crate) fn waits_for_lanes(&self) -> bool {
        self.ready() > 0
    }

    /// The blocks that came and are to be written, in order, without those that wait for the lanes; they count as being
    /// written from now on.
    pub(crate) fn take_writes(&mut self) -> Vec<(usize, Block)> {
        let waiting = self.cursor..self.cursor + self.ready();
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable();
        let mut out = Vec::with_capacity(fresh.len());
        for &at in fresh.iter().filter(|at| !waiting.contains(*at)) {
            if !matches!(self.places[at], Place::Arrived(_)) {
                continue;
            }
            if let Place::Arrived(block) = std::mem::replace(&mut self.places[at], Place::Writing) {
                self.out += 1;
                out.push((at, block));
            }
        }
        fresh.retain(|at| waiting.contains(at));
        self.fresh = fresh;
        out
    }

    /// The next blocks that have to be read back, as far as nothing before them is missing.
    pub(crate) fn read_backs(&self) -> impl Iterator<Item = usize> + '_ {
        let window = self.cursor..self.places.len().min(self.cursor + READ_AHEAD);
        window
            .take_while(|&at| !matches!(self.places[at], Place::Missing))
            .filter(|&at| matches!(self.places[at], Place::Stored) && self.needs_hash(at))
    }

    /// A read of this block has been asked for.
    pub(crate) fn reading(&mut self, at: usize) {
        if let Some(place @ Place::Stored) = self.places.get_mut(at) {
            *place = Place::Reading;
            self.out += 1;
        }
    }

    /// Whether the piece has ended. A verdict is answered once.
    pub(crate) fn end(&mut self) -> Option<End> {
        let drained = self.out == 0 && self.fresh.is_empty();
        match self.verdict {
            Some(Ok(_)) if drained && self.stored == self.places.len() => {
                let verified = self.verdict.take().and_then(Result::ok)?;
                Some(if self.suspect { End::Suspect } else { End::Stored(verified) })
            }
            // Read back for its digests it has to be what it was when it came, or the disk is to blame.
            Some(Err(why)) if drained => {
                let read_back =
                    self.was_read_back && (self.inspected.is_none() || self.inspected != self.sha1);
                Some(End::Failed { why, read_back })
            }
            _ => None,
        }
    }

    /// The blocks that lie on the disk.
    pub(crate) fn on_disk(&self) -> Bitfield {
        let stored = |place: &Place| match place {
            Place::Stored | Place::Reading | Place::Kept(_) => true,
            Place::Arrived(_) | Place::Writing => self.rewrites,
            Place::Missing | Place::Zeros(_) => false,
        };
        self.places.iter().map(stored).collect()
    }

    /// The blocks that can be read from the disk, verified or not; none once it is known to be wrong.
    pub(crate) fn readable(&self) -> Bitfield {
        let is_wrong = self.inspected.is_some() || matches!(self.verdict, Some(Err(_)));
        let there = |place: &Place| match place {
            Place::Stored | Place::Reading | Place::Kept(_) | Place::Zeros(_) => !is_wrong,
            Place::Missing | Place::Arrived(_) | Place::Writing => false,
        };
        self.places.iter().map(there).collect()
    }

    /// Gives buffers back whose blocks can be read again, but those that the next batch hashes.
    pub(crate) fn rest(&mut self, pool: &mut Pool) {
        for at in self.cursor + 1..self.places.len() {
            if !self.fresh.contains(&at) {
                self.release(at);
            }
        }
        self.spare.drain(..).for_each(|block| pool.give(block));
    }

    /// Gives all buffers in memory back.
    pub(crate) fn clear(self, pool: &mut Pool) {
        for place in self.places {
            if let Place::Arrived(block) | Place::Kept(block) = place {
                pool.give(block);
            }
        }
        self.spare.into_iter().for_each(|block| pool.give(block));
    }
}
