//! Disk work of shards and of the control plane, on one pool of threads.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IoSliceMut;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};

use engine::{ConnId, DiskTrouble, TorrentId};
use shard::{Block, DiskDone, DiskError, DiskOp, DiskRequest};
use storage::{
    Capabilities, Class, DiskPool, Done, ErrorKind, FileSpan, Job, Outcome, PoolConfig, Storage,
    StorageError, Work,
};
use tokio::sync::oneshot;
use types::{Geometry, PieceIndex};

use crate::error::storage_code;

/// Who gets a shard's finished disk work.
pub(crate) trait Reply: Send + Sync {
    /// Called once for each request, from a disk thread or from within [`Disk::submit`]. Must not block.
    fn done(&self, generation: u32, done: DiskDone);
}

/// Told of data that was believed to be there and is not.
pub(crate) type LostData = Box<dyn Fn(TorrentId, u64, &StorageError) + Send + Sync>;

/// What a job was, to put its request together again.
enum Kind {
    Write { offset: u64 },
    Read { offset: u64, conn: Option<ConnId> },
    Sync { pieces: Vec<PieceIndex> },
}

/// Whose job it was.
enum Ticket {
    Shard { torrent: TorrentId, kind: Kind, generation: u32, reply: Arc<dyn Reply> },
    Task(oneshot::Sender<Result<(), StorageError>>),
}

struct Home {
    storage: Arc<dyn Storage>,
    geometry: Geometry,
}

/// The disk threads of one client, and where each torrent's bytes are.
pub(crate) struct Disk {
    pool: DiskPool<Block, Ticket>,
    homes: RwLock<BTreeMap<TorrentId, Home>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Disk {
    /// `threads` for each device. `blocks` is how many buffers all shards together may have out: the queues
    /// take that much and so never turn a shard away, whose own pool is the back-pressure.
    pub(crate) fn new(threads: usize, blocks: usize, lost: LostData) -> Disk {
        let jobs = blocks * 2 + 1_024;
        let config = PoolConfig::default().threads(threads).queue(jobs, jobs * types::BLOCK_LEN as usize);
        let pool = DiskPool::new(config, move |done: Done<Block, Ticket>| deliver(done, &lost));
        Disk { pool, homes: RwLock::new(BTreeMap::new()) }
    }

    /// Says where a torrent's bytes are.
    pub(crate) fn house(&self, id: TorrentId, storage: Arc<dyn Storage>, geometry: Geometry) {
        self.homes.write().unwrap_or_else(|e| e.into_inner()).insert(id, Home { storage, geometry });
    }

    /// Forgets a torrent. Work that was submitted is still done.
    pub(crate) fn evict(&self, id: TorrentId) {
        self.homes.write().unwrap_or_else(|e| e.into_inner()).remove(&id);
    }

    /// Fills a buffer from payload byte `offset` on, where that waits for no device. Otherwise, and where the bytes can't
    /// be read, its contents are arbitrary: a disk thread will say why. Never waits.
    pub(crate) fn read_resident(&self, torrent: TorrentId, offset: u64, buf: &mut [u8]) -> bool {
        let fill = |storage: &dyn Storage| {
            let mut done = 0;
            while let Some(rest @ [_, ..]) = buf.get_mut(done..) {
                let len = rest.len();
                match storage.try_read_resident(offset + done as u64, &mut [IoSliceMut::new(rest)]) {
                    Ok(Some(n @ 1..)) => done += n.min(len),
                    _ => return None,
                }
            }
            Some(())
        };
        self.at_once(torrent, |can| can.resident_reads, fill).is_some()
    }

    /// The file that these bytes of the payload lie in, where it can be sent from: see
    /// [`Storage::resident_span`]. Never waits.
    pub(crate) fn resident_span(&self, torrent: TorrentId, offset: u64, len: u64) -> Option<FileSpan> {
        // What can't be had like this is read by a disk thread, which says why not.
        let find = |storage: &dyn Storage| storage.resident_span(offset, len).ok().flatten();
        self.at_once(torrent, |can| can.sendfile, find)
    }

    /// Asks a storage that `can` something that waits for nothing. A panic in a back end is no answer: it is met again by
    /// the disk thread that does the work instead, and told.
    fn at_once<R>(
        &self,
        torrent: TorrentId,
        can: impl FnOnce(Capabilities) -> bool,
        ask: impl FnOnce(&dyn Storage) -> Option<R>,
    ) -> Option<R> {
        let homes = self.homes.read().unwrap_or_else(|e| e.into_inner());
        let storage = &homes.get(&torrent)?.storage;
        let ask = || can(storage.capabilities()).then(|| ask(&**storage)).flatten();
        catch_unwind(AssertUnwindSafe(ask)).ok().flatten()
    }

    /// Queues a shard's request. Never waits.
    pub(crate) fn submit(&self, request: DiskRequest, generation: u32, reply: Arc<dyn Reply>) {
        let DiskRequest { torrent, op } = request;
        let homes = self.homes.read().unwrap_or_else(|e| e.into_inner());
        let Some(home) = homes.get(&torrent) else {
            let result = Err(disk_error(&StorageError::Cancelled));
            return reply.done(generation, DiskDone { torrent, op, result });
        };
        let (class, work, kind) = match op {
            DiskOp::Write { offset, blocks } => {
                (Class::Write, Work::Write { offset, bufs: blocks }, Kind::Write { offset })
            }
            DiskOp::Read { offset, block, conn } => {
                let work = Work::Read { offset, len: block.len(), buf: block };
                (Class::Upload, work, Kind::Read { offset, conn })
            }
            DiskOp::Sync { pieces } => {
                let ranges = pieces.iter().map(|p| home.geometry.piece_range(*p)).collect();
                (Class::Write, Work::Sync { ranges }, Kind::Sync { pieces })
            }
            other => {
                let result =
                    Err(disk_error(&StorageError::Unsupported { what: "do this kind of disk work" }));
                return reply.done(generation, DiskDone { torrent, op: other, result });
            }
        };
        let tag = Ticket::Shard { torrent, kind, generation, reply };
        let storage = home.storage.clone();
        drop(homes);
        if let Err(rejected) = self.pool.submit(Job { storage, class, work, tag }) {
            turn_away(*rejected.job);
        }
    }

    /// Takes no more work, finishes writes and syncs, and waits at most so long for that. Returns whether all
    /// is done.
    pub(crate) fn close(&self, patience: std::time::Duration) -> bool {
        self.pool.close(patience)
    }

    /// Reads so many bytes from payload byte `offset` on. Cancel safe.
    pub(crate) async fn read(
        &self,
        storage: Arc<dyn Storage>,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, StorageError> {
        let (tx, rx) = oneshot::channel();
        let (give, take) = oneshot::channel();
        let work = Work::Run(Box::new(move |storage: &dyn Storage| {
            let mut bytes = vec![0; len];
            storage.read(offset, &mut [IoSliceMut::new(&mut bytes)])?;
            // Whoever asked may have gone.
            let _ = give.send(bytes);
            Ok(())
        }));
        let job = Job { storage, class: Class::Upload, work, tag: Ticket::Task(tx) };
        if let Err(rejected) = self.pool.submit(job) {
            turn_away(*rejected.job);
        }
        rx.await.unwrap_or(Err(StorageError::Cancelled))?;
        take.await.map_err(|_| StorageError::Cancelled)
    }

    /// Runs a piece of work alone: after all earlier work of its storage, before all later. Cancel safe:
    /// the work is done without its caller.
    pub(crate) async fn fence(
        &self,
        storage: Arc<dyn Storage>,
        work: impl FnOnce(&dyn Storage) -> Result<(), StorageError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let (tx, rx) = oneshot::channel();
        let work = Work::Fence(Box::new(work));
        let job = Job { storage, class: Class::Write, work, tag: Ticket::Task(tx) };
        if let Err(rejected) = self.pool.submit(job) {
            turn_away(*rejected.job);
        }
        rx.await.unwrap_or(Err(StorageError::Cancelled))
    }
}

/// A job that the pool did not take comes back as cancelled.
fn turn_away(job: Job<Block, Ticket>) {
    let outcome = match job.work {
        Work::Write { bufs, .. } => Outcome::Write(bufs),
        Work::Read { len, buf, .. } => Outcome::Read(buf, len),
        _ => Outcome::Other,
    };
    let lost: LostData = Box::new(|_, _, _| {});
    deliver(Done { tag: job.tag, outcome, result: Err(StorageError::Cancelled) }, &lost);
}

fn deliver(done: Done<Block, Ticket>, lost: &LostData) {
    let Done { tag, outcome, result } = done;
    let (torrent, kind, generation, reply) = match tag {
        Ticket::Shard { torrent, kind, generation, reply } => (torrent, kind, generation, reply),
        Ticket::Task(to) => {
            // Whoever asked may have gone; the work is done all the same.
            let _ = to.send(result);
            return;
        }
    };
    if let Err(error) = &result {
        match &kind {
            Kind::Read { offset, .. } if error.kind().is_data_lost() => lost(torrent, *offset, error),
            // A write is refused where the file it belongs into went away: that is the loss of what was in
            // it.
            Kind::Write { offset } if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Truncated) => {
                lost(torrent, *offset, error);
            }
            _ => {}
        }
    }
    let op = match (kind, outcome) {
        (Kind::Write { offset }, Outcome::Write(blocks)) => DiskOp::Write { offset, blocks },
        (Kind::Read { offset, conn }, Outcome::Read(block, _)) => DiskOp::Read { offset, block, conn },
        (Kind::Sync { pieces }, _) => DiskOp::Sync { pieces },
        // The pool gives every job its own kind back; without buffers there is nothing to hand on but the
        // failure.
        (Kind::Write { offset }, _) => DiskOp::Write { offset, blocks: Vec::new() },
        (Kind::Read { .. }, _) => return tracing::error!("the disk pool lost the buffer of a read"),
    };
    reply.done(generation, DiskDone { torrent, op, result: result.map_err(|e| disk_error(&e)) });
}

/// A storage's error in the words of the engine.
fn disk_error(error: &StorageError) -> DiskError {
    DiskError { trouble: trouble(error) }
}

/// A storage's error as what stops a torrent.
pub(crate) fn trouble(error: &StorageError) -> DiskTrouble {
    DiskTrouble { code: storage_code(error), message: error.to_string().into() }
}
