//! How far work on a whole torrent has come, and how much of the machine it may use.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How far a check or a creation has come, and the way to stop it. Shared by the caller and the threads at work.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    pieces: AtomicU32,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Nothing done.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// Bytes dealt with so far, those of missing files included.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes there are to deal with; 0 before the work has begun.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Pieces dealt with so far.
    pub fn pieces(&self) -> u32 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Ends the work soon: each thread finishes the read it is in.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64, pieces: u32) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.pieces.fetch_add(pieces, Ordering::Relaxed);
    }
}

/// How much of the machine hashing may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Effort {
    /// Threads; 0 for one for each core.
    pub threads: usize,
    /// Bytes of buffer for each thread. Larger ones make longer reads, smaller ones stay in the processor's cache.
    pub buffer: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { threads: 0, buffer: 4 << 20 }
    }
}

impl Effort {
    /// Sets [`Effort::threads`].
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets [`Effort::buffer`]; at least 256 KiB is used.
    pub const fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n.min(1024),
        }
    }
}
