//! Disk threads: jobs in, results out, nothing shared with the one who asks but owned buffers.

mod device;
mod order;
mod run;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::device::Device;
use crate::error::StorageError;
use crate::storage::{DeviceId, Storage};

/// How urgent a job is. Work of one class is done before any of a later one, except that every sixteenth choice of a
/// thread starts from the other end, so that nothing waits for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Class {
    /// A peer waits for a block.
    Upload,
    /// Data came in.
    Write,
}

/// Work of the caller's own, run on a disk thread with the job's storage.
pub type Closure = Box<dyn FnOnce(&dyn Storage) -> Result<(), StorageError> + Send>;

/// What a job does.
#[non_exhaustive]
pub enum Work<B> {
    /// Writes buffers, one after the other, to byte `offset` of the payload on.
    Write {
        /// Where the first one goes.
        offset: u64,
        /// What to write: the whole of each.
        bufs: Vec<B>,
    },
    /// Fills the first `len` bytes of `buf` from byte `offset` of the payload on.
    Read {
        /// Where to read.
        offset: u64,
        /// How much; not more than the buffer holds.
        len: usize,
        /// What to fill.
        buf: B,
    },
    /// Makes ranges durable. It covers every write that was submitted before it.
    Sync {
        /// Ranges of the payload.
        ranges: Vec<Range<u64>>,
    },
    /// Runs beside everything else of its storage.
    Run(Closure),
    /// Runs alone: after everything of its storage that was submitted before, and before all that is submitted later.
    Fence(Closure),
}

impl<B> fmt::Debug for Work<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Write { offset, bufs } => write!(f, "Write {{ offset: {offset}, bufs: {} }}", bufs.len()),
            Work::Read { offset, len, .. } => write!(f, "Read {{ offset: {offset}, len: {len} }}"),
            Work::Sync { ranges } => write!(f, "Sync {{ {ranges:?} }}"),
            Work::Run(_) => f.write_str("Run"),
            Work::Fence(_) => f.write_str("Fence"),
        }
    }
}

/// One job.
#[derive(Debug)]
pub struct Job<B, T> {
    /// Where the bytes are.
    pub storage: Arc<dyn Storage>,
    /// How urgent it is.
    pub class: Class,
    /// What to do.
    pub work: Work<B>,
    /// Whatever the caller knows it by.
    pub tag: T,
}

/// What became of a job's work, with its buffers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<B> {
    /// It was a write; these were its buffers.
    Write(Vec<B>),
    /// It was a read of so many bytes into this buffer.
    Read(B, usize),
    /// It was anything else.
    Other,
}

/// A finished job.
#[derive(Debug)]
pub struct Done<B, T> {
    /// The caller's name for it.
    pub tag: T,
    /// Its buffers, also when it failed.
    pub outcome: Outcome<B>,
    /// How it went.
    pub result: Result<(), StorageError>,
}

/// A job that was not taken, because its device's queue is full or the pool is closing.
#[derive(Debug)]
pub struct Rejected<B, T> {
    /// The job, as it was given.
    pub job: Box<Job<B, T>>,
    /// Whether the pool is closing; otherwise try again when a job of that device has come back.
    pub closing: bool,
}

/// How big a pool is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Threads for each device, started as they are needed.
    pub threads: usize,
    /// Most jobs waiting or running for one device.
    pub queue_jobs: usize,
    /// Most bytes of buffers waiting or running for one device. A single larger job is taken when nothing else waits.
    pub queue_bytes: usize,
    /// Most bytes that neighbouring writes are joined to.
    pub join_bytes: usize,
    /// Most devices with threads of their own; further ones share them.
    pub devices: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig { threads: 4, queue_jobs: 8192, queue_bytes: 64 << 20, join_bytes: 1 << 20, devices: 16 }
    }
}

impl PoolConfig {
    /// Sets [`PoolConfig::threads`]; at least 1.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = if threads == 0 { 1 } else { threads };
        self
    }

    /// Sets [`PoolConfig::queue_jobs`] and [`PoolConfig::queue_bytes`].
    pub const fn queue(mut self, jobs: usize, bytes: usize) -> Self {
        self.queue_jobs = jobs;
        self.queue_bytes = bytes;
        self
    }
}

type Sink<B, T> = Arc<dyn Fn(Done<B, T>) + Send + Sync>;

/// Threads that do disk work, some for each device, so that a slow device holds up only its own torrents.
///
/// # Order
/// Jobs of one storage that touch the same bytes, one of them a write, run in the order they were submitted. A sync
/// covers all writes submitted before it, a fence separates everything before from everything after. Otherwise jobs run
/// by class, and in any order. Writes that wait and lie next to each other are joined into one call; if that call fails,
/// each is tried alone, so that each has its own verdict.
///
/// # Back-pressure
/// Submitting never blocks. A device's queue is bounded in jobs and in bytes of buffers; beyond that the job comes back
/// as [`Rejected`]. A caller stops its source (its sockets) before, and goes on when results come in.
///
/// # Failure and end
/// A panic in a backend becomes [`StorageError::Panicked`] of that job. Dropping the pool does not block: writes, syncs
/// and fences that were taken are still done, everything else comes back as [`StorageError::Cancelled`], and then the
/// threads end. [`DiskPool::close`] waits for that.
///
/// `B` is the buffer type, `T` names jobs. Results go to the sink on a disk thread; the sink must not block.
pub struct DiskPool<B, T> {
    config: PoolConfig,
    sink: Sink<B, T>,
    devices: Mutex<BTreeMap<DeviceId, Arc<Device<B, T>>>>,
    closing: AtomicBool,
}

impl<B, T> fmt::Debug for DiskPool<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskPool").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<B, T> DiskPool<B, T>
where
    B: AsRef<[u8]> + AsMut<[u8]> + Send + 'static,
    T: Send + 'static,
{
    /// A pool without threads yet. `sink` gets every finished job.
    pub fn new(config: PoolConfig, sink: impl Fn(Done<B, T>) + Send + Sync + 'static) -> DiskPool<B, T> {
        let (sink, devices) = (Arc::new(sink), Mutex::new(BTreeMap::new()));
        DiskPool { config, sink, devices, closing: AtomicBool::new(false) }
    }

    /// Queues a job. Never blocks for a device.
    ///
    /// # Errors
    /// [`Rejected`] gives the job back: the queue of its device is full, or the pool is closing.
    pub fn submit(&self, job: Job<B, T>) -> Result<(), Rejected<B, T>> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Rejected { job: Box::new(job), closing: true });
        }
        let device = self.device(job.storage.device());
        if self.closing.load(Ordering::Acquire) {
            // The pool began to close while this device was made: it must know too.
            device.begin_close();
        }
        device.submit(job)
    }

    /// Takes no more jobs, finishes what is promised on [`DiskPool`], and waits at most so long for it. Returns whether
    /// all threads have ended.
    pub fn close(&self, patience: Duration) -> bool {
        self.begin_close();
        let devices: Vec<_> = self.lock().values().cloned().collect();
        let until = std::time::Instant::now() + patience;
        devices.iter().all(|device| device.wait_end(until))
    }

    fn device(&self, id: DeviceId) -> Arc<Device<B, T>> {
        let mut devices = self.lock();
        if let Some(device) = devices.get(&id) {
            return device.clone();
        }
        let shared = (devices.len() >= self.config.devices.max(1))
            .then(|| devices.values().nth(id.0 as usize % devices.len()).cloned())
            .flatten();
        let device = shared.unwrap_or_else(|| Device::new(self.config, self.sink.clone()));
        // Sharing is not remembered: the map stays as small as the limit says.
        if devices.len() < self.config.devices.max(1) {
            devices.insert(id, device.clone());
        }
        device
    }
}

impl<B, T> DiskPool<B, T> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Arc<Device<B, T>>>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
        for device in self.lock().values() {
            device.begin_close();
        }
    }
}

impl<B, T> Drop for DiskPool<B, T> {
    fn drop(&mut self) {
        self.begin_close();
    }
}

#[cfg(test)]
mod tests;
