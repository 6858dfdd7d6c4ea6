//! The queue and the threads of one device.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::order::{Order, Seq, Touch};
use super::run;
use super::{Class, Done, Job, PoolConfig, Rejected, Sink, Work};
use crate::error::StorageError;
use crate::storage::Storage;

const CLASSES: usize = 2;
/// Every so many choices of a thread, the least urgent class comes first.
const FAIRNESS: u64 = 16;

/// One device of a pool.
pub(super) struct Device<B, T> {
    config: PoolConfig,
    sink: Sink<B, T>,
    queue: Mutex<Queue<B, T>>,
    /// Something became ready, or the pool closes.
    wake: Condvar,
    /// A thread ended.
    ended: Condvar,
}

struct Queue<B, T> {
    next: Seq,
    /// Unfinished jobs by number.
    entries: BTreeMap<Seq, Entry<B, T>>,
    orders: HashMap<usize, Order>,
    /// Jobs that wait for nothing, oldest first. Jobs that a neighbour took along are still named here.
    ready: [VecDeque<Seq>; CLASSES],
    /// Storages with a write that is ready or running and is to be alone, each with the writes that wait for that and for
    /// nothing else, oldest first.
    alone: HashMap<usize, VecDeque<Seq>>,
    bytes: usize,
    threads: usize,
    idle: usize,
    choices: u64,
    closing: bool,
}

struct Entry<B, T> {
    /// Taken out when it runs.
    job: Option<Job<B, T>>,
    touch: Touch,
    storage: usize,
    /// It is a write that is to be alone.
    alone: bool,
    class: Class,
    bytes: usize,
    /// How many jobs must finish first.
    waits: usize,
    /// The jobs that wait for this one.
    after: Vec<Seq>,
}

/// Jobs for one call: more than one only if they are writes that follow each other.
pub(super) struct Batch<B, T> {
    pub(super) jobs: Vec<(Seq, Job<B, T>)>,
    /// The storage that it keeps other writes from.
    alone: Option<usize>,
}

fn touch_of<B: AsRef<[u8]>>(work: &Work<B>) -> (Touch, usize) {
    match work {
        Work::Write { offset, bufs } => {
            let len: usize = bufs.iter().map(|buf| buf.as_ref().len()).sum();
            (Touch::Write(*offset..offset.saturating_add(len as u64)), len)
        }
        Work::Read { offset, len, .. } => (Touch::Read(*offset..offset.saturating_add(*len as u64)), *len),
        Work::Sync { .. } => (Touch::Sync, 0),
        Work::Run(_) => (Touch::Nothing, 0),
        Work::Fence(_) => (Touch::Fence, 0),
    }
}

/// Storages are told apart by where they are in memory; jobs hold them, so no two share a place.
fn key_of(storage: &Arc<dyn Storage>) -> usize {
    Arc::as_ptr(storage).cast::<()>().addr()
}

impl<B, T> Device<B, T> {
    pub(super) fn new(config: PoolConfig, sink: Sink<B, T>) -> Arc<Device<B, T>> {
        let queue = Queue {
            next: 0,
            entries: BTreeMap::new(),
            orders: HashMap::new(),
            ready: Default::default(),
            alone: HashMap::new(),
            bytes: 0,
            threads: 0,
            idle: 0,
            choices: 0,
            closing: false,
        };
        let (wake, ended) = (Condvar::new(), Condvar::new());
        Arc::new(Device { config, sink, queue: Mutex::new(queue), wake, ended })
    }

    fn lock(&self) -> MutexGuard<'_, Queue<B, T>> {
        // Backends and sinks never run under the lock, so it is never left half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_close(&self) {
        self.lock().closing = true;
        self.wake.notify_all();
    }

    /// Waits until no thread is left. `false` if that takes too long.
    pub(super) fn wait_end(&self, until: Instant) -> bool {
        let mut queue = self.lock();
        while queue.threads > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = self.ended.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl<B, T> Device<B, T>
where
    B: AsRef<[u8]> + AsMut<[u8]> + Send + 'static,
    T: Send + 'static,
{
    pub(super) fn submit(self: &Arc<Self>, job: Job<B, T>) -> Result<(), Rejected<B, T>> {
        let (touch, bytes) = touch_of(&job.work);
        let mut queue = self.lock();
        let over = queue.bytes + bytes > self.config.queue_bytes && queue.bytes > 0;
        if queue.closing || over || queue.entries.len() >= self.config.queue_jobs.max(1) {
            return Err(Rejected { closing: queue.closing, job: Box::new(job) });
        }
        let ready = queue.insert(job, touch, bytes);
        let start = ready && queue.idle == 0 && queue.threads < self.config.threads.max(1);
        if start {
            queue.threads += 1;
        }
        drop(queue);
        if !start {
            // Who waits for others is waked by them.
            if ready {
                self.wake.notify_one();
            }
        } else if !self.start() {
            self.lone();
        }
        Ok(())
    }

    fn start(self: &Arc<Self>) -> bool {
        let device = self.clone();
        let made = std::thread::Builder::new().name("disk".into()).spawn(move || device.work());
        made.is_ok()
    }

    /// The system gave no thread. Without any other there is nobody to do the work: it all comes back as an error.
    fn lone(&self) {
        let mut queue = self.lock();
        queue.threads -= 1;
        if queue.threads > 0 {
            return;
        }
        let batches: Vec<_> = std::iter::from_fn(|| queue.cancel_all()).collect();
        drop(queue);
        for batch in batches {
            self.finish(batch, |_, work| (run::give_back(work), Err(StorageError::Cancelled)));
        }
    }

    fn work(&self) {
        while let Some((batch, cancel)) = self.next_batch() {
            if cancel {
                self.finish(batch, |_, work| (run::give_back(work), Err(StorageError::Cancelled)));
            } else if batch.jobs.len() == 1 {
                self.finish(batch, |storage, work| run::one(storage, work));
            } else {
                let joined = run::joined(&batch);
                self.finish(batch, |storage, work| match joined {
                    Ok(()) => (run::give_back(work), Ok(())),
                    Err(()) => run::one(storage, work),
                });
            }
        }
        self.lock().threads -= 1;
        self.ended.notify_all();
    }

    /// Waits for work. `None` when the pool closes and nothing is left. The flag says that the jobs are to be cancelled.
    fn next_batch(&self) -> Option<(Batch<B, T>, bool)> {
        let mut queue = self.lock();
        loop {
            if queue.closing
                && let Some(batch) = queue.take_cancelled()
            {
                return Some((batch, true));
            }
            if let Some(batch) = queue.take(&self.config) {
                return Some((batch, false));
            }
            if queue.closing && queue.entries.is_empty() {
                self.wake.notify_all();
                return None;
            }
            queue.idle += 1;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Carries out each job of a batch, tells the sink, and lets go those that waited.
    fn finish(
        &self,
        batch: Batch<B, T>,
        mut carry_out: impl FnMut(&dyn Storage, Work<B>) -> (super::Outcome<B>, Result<(), StorageError>),
    ) {
        let (last, alone) = (batch.jobs.len().saturating_sub(1), batch.alone);
        for (n, (seq, job)) in batch.jobs.into_iter().enumerate() {
            let (outcome, result) = carry_out(&*job.storage, job.work);
            let mut queue = self.lock();
            let woken = queue.remove(seq);
            // This thread looks for work again at once: nobody is waked for the next write.
            if let Some(storage) = alone.filter(|_| n == last) {
                queue.next_alone(storage);
            }
            drop(queue);
            // After the entry is gone: whoever submits from the sink finds room.
            let done = Done { tag: job.tag, outcome, result };
            run::quietly(|| (self.sink)(done));
            drop(job.storage);
            for _ in 0..woken {
                self.wake.notify_one();
            }
        }
        let queue = self.lock();
        let finished = queue.closing && queue.entries.is_empty();
        drop(queue);
        if finished {
            self.wake.notify_all();
        }
    }
}

impl<B, T> Queue<B, T> {
    /// Returns whether the job can run at once.
    fn insert(&mut self, job: Job<B, T>, touch: Touch, bytes: usize) -> bool {
        let (seq, storage, class) = (self.next, key_of(&job.storage), job.class);
        self.next += 1;
        let order = self.orders.entry(storage).or_default();
        let before = order.before(&touch);
        order.insert(seq, &touch);
        for earlier in &before {
            if let Some(entry) = self.entries.get_mut(earlier) {
                entry.after.push(seq);
            }
        }
        let waits = before.len();
        self.bytes += bytes;
        let alone = matches!(touch, Touch::Write(_)) && job.storage.writes_alone();
        let entry = Entry { job: Some(job), touch, storage, alone, class, bytes, waits, after: Vec::new() };
        self.entries.insert(seq, entry);
        waits == 0 && self.make_ready(seq)
    }

    /// A job waits for no earlier one. Whether it can run at once.
    fn make_ready(&mut self, seq: Seq) -> bool {
        let Some(entry) = self.entries.get(&seq) else { return false };
        if entry.alone {
            if let Some(line) = self.alone.get_mut(&entry.storage) {
                line.push_back(seq);
                return false;
            }
            self.alone.insert(entry.storage, VecDeque::new());
        }
        self.ready[entry.class as usize].push_back(seq);
        true
    }

    /// The write that kept others from its storage has ended: the next one has its turn.
    fn next_alone(&mut self, storage: usize) {
        let Some(line) = self.alone.get_mut(&storage) else { return };
        // Those that were taken along are in line still.
        let is_left = |seq: &Seq| self.entries.get(seq).is_some_and(|entry| entry.job.is_some());
        let next = std::iter::from_fn(|| line.pop_front()).find(is_left);
        match next.and_then(|seq| Some((seq, self.entries.get(&seq)?.class))) {
            Some((seq, class)) => self.ready[class as usize].push_front(seq),
            None => _ = self.alone.remove(&storage),
        }
    }

    /// Forgets a finished job. Returns how many others became ready.
    fn remove(&mut self, seq: Seq) -> usize {
        let Some(entry) = self.entries.remove(&seq) else { return 0 };
        self.bytes -= entry.bytes;
        if let Some(order) = self.orders.get_mut(&entry.storage) {
            order.remove(seq, &entry.touch);
            if order.is_empty() {
                self.orders.remove(&entry.storage);
                self.alone.remove(&entry.storage);
            }
        }
        let mut woken = 0;
        for later in entry.after {
            if let Some(waiting) = self.entries.get_mut(&later) {
                waiting.waits -= 1;
                if waiting.waits == 0 && self.make_ready(later) {
                    woken += 1;
                }
            }
        }
        woken
    }

    /// The next jobs to run.
    fn take(&mut self, config: &PoolConfig) -> Option<Batch<B, T>> {
        self.choices += 1;
        let reversed = self.choices.is_multiple_of(FAIRNESS);
        for step in 0..CLASSES {
            let class = if reversed { CLASSES - 1 - step } else { step };
            while let Some(seq) = self.ready[class].pop_front() {
                if let Some(job) = self.start(seq) {
                    let alone = self.entries.get(&seq).filter(|entry| entry.alone).map(|entry| entry.storage);
                    let mut batch = Batch { jobs: vec![(seq, job)], alone };
                    self.join_neighbours(seq, &mut batch, config);
                    return Some(batch);
                }
            }
        }
        None
    }

    /// Takes a job that is ready and not running.
    fn start(&mut self, seq: Seq) -> Option<Job<B, T>> {
        self.entries.get_mut(&seq).filter(|entry| entry.waits == 0)?.job.take()
    }

    /// Adds the writes that lie next to the first job of a batch and are ready too.
    fn join_neighbours(&mut self, seq: Seq, batch: &mut Batch<B, T>, config: &PoolConfig) {
        let Some(Entry { touch: Touch::Write(range), storage, bytes, .. }) = self.entries.get(&seq) else {
            return;
        };
        let (mut range, storage, mut total) = (range.clone(), *storage, *bytes);
        loop {
            let Some(order) = self.orders.get(&storage) else { return };
            let (before, after) = (order.write_until(range.start), order.write_from(range.end));
            let fits = |queue: &Queue<B, T>, seq: &Seq| {
                queue.entries.get(seq).is_some_and(|entry| {
                    entry.bytes > 0 && entry.waits == 0 && total + entry.bytes <= config.join_bytes
                })
            };
            let before = before.filter(|seq| fits(self, seq)).and_then(|seq| Some((seq, self.start(seq)?)));
            let (at_end, (seq, job)) = match before {
                Some(found) => (false, found),
                None => {
                    match after.filter(|seq| fits(self, seq)).and_then(|seq| Some((seq, self.start(seq)?))) {
                        Some(found) => (true, found),
                        None => return,
                    }
                }
            };
            let Some(len) = self.entries.get(&seq).map(|entry| entry.bytes) else { return };
            total += len;
            if at_end {
                range.end += len as u64;
                batch.jobs.push((seq, job));
            } else {
                range.start -= len as u64;
                batch.jobs.insert(0, (seq, job));
            }
        }
    }

    /// A job that need not be done when the pool closes.
    fn take_cancelled(&mut self) -> Option<Batch<B, T>> {
        let optional = |entry: &&mut Entry<B, T>| {
            entry.job.as_ref().is_some_and(|job| matches!(job.work, Work::Read { .. } | Work::Run(_)))
        };
        // Whatever it waits for or is waited for by is counted as if it had run.
        let (seq, entry) = self.entries.iter_mut().find(|(_, entry)| optional(entry))?;
        let job = entry.job.take()?;
        Some(Batch { jobs: vec![(*seq, job)], alone: None })
    }

    fn cancel_all(&mut self) -> Option<Batch<B, T>> {
        let (seq, job) = self.entries.iter_mut().find_map(|(seq, entry)| Some((*seq, entry.job.take()?)))?;
        Some(Batch { jobs: vec![(seq, job)], alone: None })
    }
}
