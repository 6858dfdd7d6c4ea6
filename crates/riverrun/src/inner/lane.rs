//! Where tasks begin whose first step may wait for a disk.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::Handle;

thread_local! {
    /// A task is at its first step on a thread that may wait for a disk.
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Tasks whose first step may wait for a disk. A thread for each of thousands that are begun at once would have them wait for
/// each other instead.
#[derive(Default)]
pub(super) struct Lane(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<Task>,
    /// How many were taken from it.
    taken: u64,
    threads: usize,
    /// Somebody looks whether it moves.
    watched: bool,
    closed: bool,
}

/// A task with its future on the heap.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Lane {
    /// Threads that take tasks from it at the same time, as long as it moves.
    const THREADS: usize = 16;
    /// And where it does not: a disk that hangs keeps a thread for each task that waits for it.
    const MOST_THREADS: usize = 256;
    /// It stands still when nothing was taken from it for so long.
    const PATIENCE: Duration = Duration::from_millis(10);

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Puts a task at the end. One that comes after the close is dropped, so that whoever waits for it hears of it.
    pub(super) fn push(self: &Arc<Lane>, handle: &Handle, task: Task) {
        let mut line = self.line();
        if line.closed {
            // Not under the lock.
            drop(line);
            return drop(task);
        }
        line.waiting.push_back(task);
        if line.waiting.len() >= line.threads && line.threads < Lane::THREADS {
            line.threads += 1;
            drop(line);
            self.start(handle);
        } else if !std::mem::replace(&mut line.watched, true) {
            drop(line);
            handle.spawn(self.clone().watch(handle.clone()));
        }
    }

    fn start(self: &Arc<Lane>, handle: &Handle) {
        let (lane, to) = (self.clone(), handle.clone());
        handle.spawn_blocking(move || lane.work(&to));
    }

    /// Begins tasks until none is left.
    fn work(&self, handle: &Handle) {
        while let Some(task) = self.next() {
            // Whoever hears of panics may panic as well: that is no reason to begin no other task.
            let _ = catch_unwind(AssertUnwindSafe(|| first_step(handle, task)));
        }
    }

    /// Starts a thread whenever the line stands still, until nobody waits.
    async fn watch(self: Arc<Lane>, handle: Handle) {
        let mut before = None;
        loop {
            {
                let mut line = self.line();
                if line.waiting.is_empty() {
                    line.watched = false;
                    return;
                }
                if before == Some(line.taken) && line.threads < Lane::MOST_THREADS {
                    line.threads += 1;
                    self.start(&handle);
                }
                before = Some(line.taken);
            }
            tokio::time::sleep(Lane::PATIENCE).await;
        }
    }

    /// Begins none from now on.
    pub(super) fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        let waiting = std::mem::take(&mut line.waiting);
        drop(line);
        drop(waiting);
    }

    fn next(&self) -> Option<Task> {
        let mut line = self.line();
        let next = line.waiting.pop_front();
        line.taken += 1;
        line.threads -= usize::from(next.is_none());
        next
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}

/// Polls a task for the first time, on this thread, which may wait for a disk. What is left of it goes to the control thread.
pub(super) fn first_step(handle: &Handle, mut task: Task) {
    let _inside = handle.enter();
    let first = First(MAY_WAIT.replace(true));
    // Whoever polls it next asks everything again.
    let step = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(first);
    if step.is_pending() {
        handle.spawn(task);
    }
}

/// A first step is being made; before it this thread might wait, or not.
struct First(bool);

impl Drop for First {
    fn drop(&mut self) {
        MAY_WAIT.set(self.0);
    }
}

/// Whether this thread may wait for a disk: a task is at its first step on it.
pub(super) fn may_wait() -> bool {
    MAY_WAIT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that hangs holds up those alone who wait for it.
    #[test]
    fn tasks_that_hang_hold_up_no_other() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (lane, handle) = (Arc::new(Lane::default()), runtime.handle().clone());
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..2 * Lane::THREADS {
            let held = held.clone();
            lane.push(&handle, Box::pin(async move { _ = held.lock().unwrap().recv() }));
        }
        let (to, done) = std::sync::mpsc::channel();
        lane.push(&handle, Box::pin(async move { _ = to.send(()) }));
        done.recv().unwrap();
        drop(let_go);
    }
}
