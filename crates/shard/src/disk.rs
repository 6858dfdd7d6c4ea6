//! The disk work of one torrent: what is to be done, what is under way, and what waits for a disk that refuses.

use std::collections::VecDeque;
use std::time::Duration;

use engine::{ConnId, DiskTrouble};
use types::Time;

use crate::{Block, DiskError, DiskOp};

/// Longest write that blocks of one pass are joined to, in bytes.
const MAX_WRITE: u64 = 1 << 20;
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// The disk work of one torrent.
///
/// Work that failed is kept with its buffers. After a wait one piece of it is tried; when that succeeds the rest follows,
/// and when all of it has succeeded the trouble is over. Reads for connections are never held back: a full disk can
/// still be read.
#[derive(Debug)]
pub(crate) struct Disk {
    queue: VecDeque<DiskOp>,
    /// Handed out and not returned.
    out: usize,
    /// Of those and of the queue: not for a connection.
    busy: usize,
    failed: VecDeque<DiskOp>,
    trouble: bool,
    /// One of the failed is being tried.
    probing: bool,
    retry_at: Time,
    backoff: Duration,
    /// Where a read for a connection failed; it is among the failed or under way, to see when it works again.
    sample: Option<u64>,
}

/// What to make of work that has returned.
#[derive(Debug)]
pub(crate) enum Back {
    /// It succeeded.
    Done(DiskOp),
    /// The read that failed before works again; nobody needs its block.
    Sample(Block),
    /// A connection's block can't be read. The buffer comes back unless it is needed for trying again.
    Unreadable(ConnId, u64, usize, Option<Block>),
    /// It is kept to be tried again.
    Kept,
}

/// What the brain is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
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
            sample: None,
        }
    }

    /// Whether the disk refuses to work.
    pub(crate) fn in_trouble(&self) -> bool {
        self.trouble
    }

    /// Whether nothing is to be done or under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.out == 0
    }

    /// When failed work is tried again.
    pub(crate) fn deadline(&self) -> Time {
        self.retry_at
    }

    /// Queues work; behind what waits for the disk to recover, where it does.
    pub(crate) fn push(&mut self, op: DiskOp) {
        if self.trouble && !is_for_conn(&op) { self.failed.push_back(op) } else { self.start(op) }
    }

    fn start(&mut self, op: DiskOp) {
        self.busy += usize::from(!is_for_conn(&op));
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
    ) -> (Back, Option<News>) {
        self.out = self.out.saturating_sub(1);
        self.busy = self.busy.saturating_sub(usize::from(!is_for_conn(&op)));
        match result {
            Ok(()) => self.succeeded(op),
            Err(error) => self.refused(now, op, error),
        }
    }

    fn succeeded(&mut self, op: DiskOp) -> (Back, Option<News>) {
        if is_for_conn(&op) {
            return (Back::Done(op), None);
        }
        let back = match op {
            DiskOp::Read { offset, block, conn: None } if self.sample == Some(offset) => {
                self.sample = None;
                Back::Sample(block)
            }
            op => Back::Done(op),
        };
        // Nothing scheduled means that the rest follows a success: what was queued behind it goes too.
        if self.probing || self.retry_at == Time::NEVER {
            self.probing = false;
            std::mem::take(&mut self.failed).into_iter().for_each(|op| self.start(op));
        }
        let over = self.trouble && self.busy == 0 && self.failed.is_empty();
        if over {
            (self.trouble, self.retry_at, self.backoff) = (false, Time::NEVER, FIRST_RETRY);
        }
        (back, over.then_some(News::Clear))
    }

    fn refused(&mut self, now: Time, op: DiskOp, error: DiskError) -> (Back, Option<News>) {
        let (back, keep) = match op {
            DiskOp::Read { offset, block, conn: Some(conn) } => {
                let len = block.len();
                if self.sample.is_none() {
                    self.sample = Some(offset);
                    let sample = DiskOp::Read { offset, block, conn: None };
                    (Back::Unreadable(conn, offset, len, None), Some(sample))
                } else {
                    (Back::Unreadable(conn, offset, len, Some(block)), None)
                }
            }
            op => (Back::Kept, Some(op)),
        };
        self.failed.extend(keep);
        if self.retry_at == Time::NEVER && !self.failed.is_empty() {
            if self.trouble {
                self.backoff = (self.backoff * 2).min(LAST_RETRY);
            }
            self.probing = false;
            self.retry_at = now + self.backoff;
        }
        let first = !std::mem::replace(&mut self.trouble, true);
        (back, first.then_some(News::Trouble(error.trouble)))
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

    /// Gives up on what failed and answers it, for its buffers, as `(work, whether its buffer is one for sending)`.
    pub(crate) fn give_up(&mut self) -> Vec<(DiskOp, bool)> {
        (self.trouble, self.retry_at) = (false, Time::NEVER);
        let sample = self.sample.take();
        let is_sample = |op: &DiskOp| matches!(op, DiskOp::Read { offset, .. } if sample == Some(*offset));
        self.failed.drain(..).map(|op| (is_sample(&op), op)).map(|(sample, op)| (op, sample)).collect()
    }
}

fn is_for_conn(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Read { conn: Some(_), .. })
}
