//! Hashing pieces, several at once, on all cores.

use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use types::{BLOCK_LEN, PieceIndex};

use crate::error::StorageError;
use crate::progress::{Effort, Progress};
use crate::storage::Storage;

/// Where payload bytes come from.
pub(crate) trait Bytes: Sync {
    /// See [`Storage::will_read`].
    fn will_read(&self, range: Range<u64>);

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError>;
}

impl Bytes for &dyn Storage {
    fn will_read(&self, range: Range<u64>) {
        Storage::will_read(*self, range);
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        Storage::read(*self, offset, &mut [IoSliceMut::new(buf)])
    }
}

/// A piece to hash.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) piece: PieceIndex,
    /// Its bytes in the payload space.
    pub(crate) range: Range<u64>,
    /// Whether its SHA-1 is wanted.
    pub(crate) v1: bool,
    /// How many bytes from its start are hashed as v2 leaves, if any.
    pub(crate) leaves: Option<u32>,
}

impl Task {
    fn len(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// Tells that what begins at `position` will be read soon.
    fn announce(&self, bytes: &impl Bytes, position: usize) {
        let len = self.len().saturating_sub(position).min(AHEAD) as u64;
        let from = self.range.start + position as u64;
        if len > 0 {
            bytes.will_read(from..from + len);
        }
    }
}

/// What a piece hashes to.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    pub(crate) v1: Option<[u8; 20]>,
    pub(crate) leaves: Option<Vec<[u8; 32]>>,
}

/// How far ahead of what is hashed the system is asked to fetch, in each piece. Pieces that are read side by side look
/// to it like jumping about, so that by itself it would fetch nothing ahead.
const AHEAD: usize = 1 << 20;

/// How many pieces to hash side by side. SHA-1 takes a lane for each piece; v2 finds its lanes inside a piece (the 64 leaves of a
/// mebibyte), so that smaller ones are taken together until they make up as many.
pub(crate) fn side_by_side(v1: bool, piece_len: u32) -> usize {
    if v1 { hash::backend().lanes().max(1) } else { (1 << 20) / (piece_len as usize).clamp(1 << 14, 1 << 20) }
}

/// Hashes tasks on several threads, `lanes` at a time side by side. `task` gives the n-th of `count` tasks, or `None` to pass over it; `done` is called
/// from any thread. Cancelled tasks are never done.
pub(crate) fn hash_all(
    bytes: &impl Bytes,
    count: usize,
    lanes: usize,
    effort: Effort,
    progress: &Progress,
    task: impl Fn(usize) -> Option<Task> + Sync,
    done: impl Fn(&Task, Result<Digests, StorageError>) + Sync,
) {
    if count == 0 {
        return;
    }
    let threads = effort.thread_count().min(count);
    // As many rounds as full lanes would take, each thread's last one as full as the others.
    let rounds = count.div_ceil(threads * lanes);
    let group = count.div_ceil(threads * rounds);
    let next = AtomicUsize::new(0);
    // How many tasks the system was told of, each once.
    let told = AtomicUsize::new(0);
    let work = || {
        let mut buffer = Vec::new();
        while !progress.is_cancelled() {
            let first = next.fetch_add(group, Ordering::Relaxed);
            if first >= count {
                break;
            }
            let tasks: Vec<Task> = (first..count.min(first + group)).filter_map(&task).collect();
            // And what some thread takes after this.
            let soon = count.min(next.load(Ordering::Relaxed) + group);
            let from = told.fetch_max(soon, Ordering::Relaxed);
            (from..soon).filter_map(&task).for_each(|task| task.announce(bytes, 0));
            hash_group(bytes, &tasks, effort.buffer.max(256 << 10), &mut buffer, progress, &done);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without a thread more, the others do the work.
            if std::thread::Builder::new().name("hash".into()).spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

/// The pieces of a group while they are hashed side by side.
struct Running<'a> {
    task: &'a Task,
    sha1: hash::Sha1,
    leaves: Vec<[u8; 32]>,
    error: Option<StorageError>,
}

fn hash_group(
    bytes: &impl Bytes,
    tasks: &[Task],
    budget: usize,
    buffer: &mut Vec<u8>,
    progress: &Progress,
    done: &impl Fn(&Task, Result<Digests, StorageError>),
) {
    let longest = tasks.iter().map(Task::len).max().unwrap_or(0);
    if longest == 0 {
        return;
    }
    let block = BLOCK_LEN as usize;
    let share = (budget / tasks.len() / block).max(1) * block;
    let stride = longest.min(share);
    // A stride below the longest piece is a whole number of blocks, so no v2 leaf is cut in two.
    buffer.resize(stride * tasks.len(), 0);
    let start = |task| Running { task, sha1: hash::Sha1::new(), leaves: Vec::new(), error: None };
    let mut running: Vec<_> = tasks.iter().map(start).collect();
    for position in (0..longest).step_by(stride) {
        if progress.is_cancelled() {
            return;
        }
        if position % AHEAD < stride {
            tasks.iter().for_each(|task| task.announce(bytes, position / AHEAD * AHEAD + AHEAD));
        }
        fill(bytes, &mut running, position, stride, buffer);
        absorb(&mut running, position, stride, buffer);
        progress.add(running.iter().map(|run| span(run.task, position, stride) as u64).sum(), 0);
    }
    for run in running {
        progress.add(0, 1);
        let result = match run.error {
            Some(error) => Err(error),
            None => Ok(Digests {
                v1: run.task.v1.then(|| run.sha1.finalize()),
                leaves: run.task.leaves.is_some().then_some(run.leaves),
            }),
        };
        done(run.task, result);
    }
}

/// How many bytes of a piece lie in the step that begins at `position`.
fn span(task: &Task, position: usize, stride: usize) -> usize {
    task.len().saturating_sub(position).min(stride)
}

/// Reads the next step of every piece into its part of the buffer: in one call where they lie side by side.
fn fill(bytes: &impl Bytes, running: &mut [Running<'_>], position: usize, stride: usize, buffer: &mut [u8]) {
    if let (0, Some(first), Some(last)) = (position, running.first(), running.last()) {
        let (from, to) = (first.task.range.start, last.task.range.end);
        let aligned = running
            .iter()
            .zip(0u64..)
            .all(|(run, n)| run.task.range.start == from + n * stride as u64 && run.task.len() <= stride);
        let whole = buffer.get_mut(..(to - from) as usize).filter(|_| aligned && running.len() > 1);
        // Where the long read fails, the short ones find out which pieces are to blame.
        if whole.is_some_and(|whole| bytes.read(from, whole).is_ok()) {
            return;
        }
    }
    for (run, part) in running.iter_mut().zip(buffer.chunks_exact_mut(stride)) {
        let part = &mut part[..span(run.task, position, stride)];
        if part.is_empty() || run.error.is_some() {
            continue;
        }
        run.error = bytes.read(run.task.range.start + position as u64, part).err();
    }
}

/// Feeds one step of every piece to the hash lanes.
fn absorb(running: &mut [Running<'_>], position: usize, stride: usize, buffer: &[u8]) {
    let mut sha1: Vec<(&mut hash::Sha1, &[u8])> = Vec::with_capacity(running.len());
    let mut leaves: Vec<(usize, &[u8])> = Vec::new();
    for (n, (run, part)) in running.iter_mut().zip(buffer.chunks_exact(stride)).enumerate() {
        let part = &part[..span(run.task, position, stride)];
        if part.is_empty() || run.error.is_some() {
            continue;
        }
        if run.task.v1 {
            sha1.push((&mut run.sha1, part));
        }
        leaves.extend(leaf_part(run.task, position, part).chunks(BLOCK_LEN as usize).map(|leaf| (n, leaf)));
    }
    hash::update_many_sha1(&mut sha1);
    for (n, digest) in hash::sha256_each(leaves) {
        running[n].leaves.push(digest);
    }
}

/// The bytes of a step that v2 hashes.
fn leaf_part<'a>(task: &Task, position: usize, part: &'a [u8]) -> &'a [u8] {
    let end = (task.leaves.unwrap_or(0) as usize).saturating_sub(position);
    &part[..part.len().min(end)]
}
