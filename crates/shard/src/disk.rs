//! The disk work of one torrent: what is to be done, what is under way, and what waits for a disk that
//! refuses.

use std::collections::VecDeque;
use std::time::Duration;

use engine::{ConnId, DiskTrouble};
use types::Time;

use crate::{Block, DiskError, DiskOp};

/// Longest write that blocks of one pass are joined to, in bytes.
const MAX_WRITE: u64 = 1 << 20;
/// A write that fails once may be a hiccup: it is tried again so soon, and only then is it trouble.
const HICCUP: Duration = Duration::from_millis(500);
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// The disk work of one torrent.
///
/// Writes that failed are kept with their buffers. One that fails a second time is trouble: the swarm is
/// asked for nothing more, which costs what is under way, so that it is not done for a mere hiccup. From then
/// on, after a wait one of them is tried; when that succeeds the rest follows, and when all of them have
/// succeeded the trouble is over. Reads and syncs are never held back, nor are they any trouble of the whole
/// torrent: a full disk can be read and synced, and one that can't costs the pieces concerned.
#[derive(Debug)]
pub(crate) struct Disk {
    queue: VecDeque<DiskOp>,
    /// Handed out and not returned.
    out: usize,
    /// Of those and of the queue: writes.
    busy: usize,
    failed: VecDeque<DiskOp>,
    trouble: bool,
    /// One of the failed is being tried.
    probing: bool,
    retry_at: Time,
    backoff: Duration,
}

/// What to make of work that has returned.
#[derive(Debug)]
pub(crate) enum Completion {
    /// It succeeded.
    Done(DiskOp),
    /// A block can't be read, for a connection or for its hash.
    Unreadable { conn: Option<ConnId>, offset: u64, block: Block, why: DiskTrouble },
    /// What was to be synced may be lost, whatever a later sync says.
    Unsynced(DiskTrouble),
    /// The write is kept to be tried again.
    Kept,
}

/// What the brain is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    Trouble(DiskTrouble),
    Clear,
}

impl Disk {
    pub(crate) fn new() -> Disk {
        Disk {
            queue: VecDeque::new(),
            out: 0,
            busy: 0,
            failed: VecDeque::new(),
            trouble: false,
            probing: false,
            retry_at: Time::NEVER,
            backoff: FIRST_RETRY,
        }
    }

    /// Whether the disk refuses to work.
    pub(crate) fn in_trouble(&self) -> bool {
        self.trouble
    }

    /// Whether nothing is to be done or under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.out == 0 && self.failed.is_empty()
    }

    /// When failed work is tried again.
    pub(crate) fn deadline(&self) -> Time {
        self.retry_at
    }

    /// Queues work; writes behind those that wait for the disk to recover.
    pub(crate) fn push(&mut self, op: DiskOp) {
        if self.trouble && is_write(&op) { self.failed.push_back(op) } else { self.start(op) }
    }

    fn start(&mut self, op: DiskOp) {
        self.busy += usize::from(is_write(&op));
        self.queue.push_back(op);
    }

    /// Queues the blocks of one pass, in payload order, adjacent ones as one write.
    pub(crate) fn push_writes(&mut self, blocks: impl IntoIterator<Item = (u64, Block)>) {
        let mut run: Option<(u64, u64, Vec<Block>)> = None;
        for (at, block) in blocks {
            let len = block.len() as u64;
            match &mut run {
                Some((offset, next, blocks)) if *next == at && at + len - *offset <= MAX_WRITE => {
                    *next += len;
                    blocks.push(block);
                }
                _ => {
                    let full = run.replace((at, at + len, vec![block]));
                    full.into_iter()
                        .for_each(|(offset, _, blocks)| self.push(DiskOp::Write { offset, blocks }));
                }
            }
        }
        run.into_iter().for_each(|(offset, _, blocks)| self.push(DiskOp::Write { offset, blocks }));
    }

    /// The next work to hand out.
    pub(crate) fn next(&mut self) -> Option<DiskOp> {
        let op = self.queue.pop_front()?;
        self.out += 1;
        Some(op)
    }

    /// Work has returned.
    pub(crate) fn returned(
        &mut self,
        now: Time,
        op: DiskOp,
        result: Result<(), DiskError>,
    ) -> (Completion, Option<Health>) {
        self.out = self.out.saturating_sub(1);
        self.busy = self.busy.saturating_sub(usize::from(is_write(&op)));
        match (op, result) {
            (op @ DiskOp::Write { .. }, Ok(())) => self.written(op),
            (op, Ok(())) => (Completion::Done(op), None),
            (DiskOp::Read { conn, offset, block }, Err(error)) => {
                (Completion::Unreadable { conn, offset, block, why: error.trouble }, None)
            }
            (DiskOp::Sync { .. }, Err(error)) => (Completion::Unsynced(error.trouble), None),
            (op @ DiskOp::Write { .. }, Err(error)) => (Completion::Kept, self.refused(now, op, error)),
        }
    }

    fn written(&mut self, op: DiskOp) -> (Completion, Option<Health>) {
        // Nothing scheduled means that the rest follows a success: what was queued behind it goes too.
        if self.probing || self.retry_at == Time::NEVER {
            self.probing = false;
            std::mem::take(&mut self.failed).into_iter().for_each(|op| self.start(op));
        }
        let over = self.trouble && self.busy == 0 && self.failed.is_empty();
        if over {
            (self.trouble, self.retry_at, self.backoff) = (false, Time::NEVER, FIRST_RETRY);
        }
        (Completion::Done(op), over.then_some(Health::Clear))
    }

    fn refused(&mut self, now: Time, op: DiskOp, error: DiskError) -> Option<Health> {
        self.failed.push_back(op);
        if !std::mem::take(&mut self.probing) && !self.trouble {
            self.retry_at = self.retry_at.min(now + HICCUP);
            return None;
        }
        if self.retry_at == Time::NEVER {
            if self.trouble {
                self.backoff = (self.backoff * 2).min(LAST_RETRY);
            }
            self.retry_at = now + self.backoff;
        }
        let first = !std::mem::replace(&mut self.trouble, true);
        first.then_some(Health::Trouble(error.trouble))
    }

    /// Tries failed work again when its time has come.
    pub(crate) fn on_timer(&mut self, now: Time) {
        if self.retry_at.is_due(now) {
            self.retry();
        }
    }

    /// Tries failed work again now.
    pub(crate) fn retry(&mut self) {
        self.retry_at = Time::NEVER;
        if let Some(op) = self.failed.pop_front() {
            self.probing = true;
            self.start(op);
        }
    }

    /// Gives up on the writes that failed and answers them, for their buffers; with that the trouble is over.
    pub(crate) fn give_up(&mut self) -> Vec<DiskOp> {
        (self.trouble, self.probing) = (false, false);
        (self.retry_at, self.backoff) = (Time::NEVER, FIRST_RETRY);
        self.failed.drain(..).collect()
    }
}

fn is_write(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Write { .. })
}
