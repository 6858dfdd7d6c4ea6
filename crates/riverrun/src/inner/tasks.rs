//! The client's own small runtime, and what becomes of a panic in a task.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use super::lane::{Lane, Task, first_step, may_wait};
use crate::runtime::panic_message;
use crate::{Error, park};

/// The control thread.
#[derive(Debug)]
pub(crate) struct Tasks {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
    lane: Arc<Lane>,
}

impl Tasks {
    pub(crate) fn new(runtime: Runtime) -> Tasks {
        Tasks { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)), lane: Arc::default() }
    }

    /// The way in for those who have tasks of their own.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs a task. A panic in it is logged.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_or(task, |message| tracing::error!(message, "a task of the client panicked"));
    }

    /// Runs a task. `panicked` hears what it said when it panicked.
    pub(crate) fn spawn_or(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        panicked: impl FnOnce(String) + Send + 'static,
    ) {
        self.handle.spawn(guarded(task, panicked));
    }

    /// Runs a task that begins with work which may wait for a disk ([`Tasks::brief`]). Its first step is on a thread for such
    /// work; if there is more, that is on the control thread. `panicked` hears what it said when it panicked.
    pub(crate) fn begin_or(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        panicked: impl FnOnce(String) + Send + 'static,
    ) {
        self.lane.push(&self.handle, Box::pin(guarded(task, panicked)));
    }

    /// Runs a task that begins with work which may wait for a disk, as [`Tasks::begin_or`], and waits for it. The task goes on
    /// when the caller does not.
    pub(crate) async fn begin<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (task, done) = answered(task);
        self.lane.push(&self.handle, task);
        done.await.map_err(|_| Error::Closed)
    }

    /// As [`Tasks::begin`], with its first step on this thread, which waits for the rest too.
    pub(crate) fn begin_here<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (task, done) = answered(task);
        first_step(&self.handle, task);
        park::block_on(done).map_err(|_| Error::Closed)
    }

    /// Runs a task and waits for it. The task goes on when the caller does not.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn(task).await.map_err(|_| Error::Closed)
    }

    /// Runs work that may wait for a disk, and takes a moment: at once where this thread may wait.
    pub(crate) async fn brief<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if may_wait() {
            return Ok(work());
        }
        self.blocking(work).await
    }

    /// Runs work that may wait for a disk, on a thread for such work.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn_blocking(work).await.map_err(|_| Error::Closed)
    }

    /// Ends all tasks without waiting for them.
    pub(crate) fn shut_down(&self) {
        self.lane.close();
        let runtime = self.runtime.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// A task that tells what it came to. Whoever asked may have gone meanwhile.
fn answered<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> (Task, oneshot::Receiver<T>) {
    let (to, done) = oneshot::channel();
    let panicked = |message| tracing::error!(message, "a task of the client panicked");
    (Box::pin(guarded(async move { _ = to.send(task.await) }, panicked)), done)
}

/// A task that ends when it panics, and lets `panicked` hear what it said.
async fn guarded(task: impl Future<Output = ()>, panicked: impl FnOnce(String)) {
    let mut task = pin!(task);
    // It is not polled again after a panic, and what it shares guards itself.
    let step = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
        Ok(step) => step.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    if let Err(panic) = step.await {
        panicked(panic_message(&*panic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_heard_and_the_end_is_an_error() {
        let tasks =
            Tasks::new(tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap());
        let (to, heard) = tokio::sync::oneshot::channel();
        tasks.spawn_or(async { panic!("on purpose") }, |message| drop(to.send(message)));
        assert_eq!(crate::park::block_on(heard).unwrap(), "on purpose");
        assert_eq!(crate::park::block_on(tasks.run(async { 7 })).unwrap(), 7);
        tasks.shut_down();
        assert!(crate::park::block_on(tasks.run(async { 7 })).is_err());
        assert!(crate::park::block_on(tasks.begin(async { 7 })).is_err());
    }
    #[test]
    fn brief_work_is_done_where_the_task_begins_and_elsewhere_later() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let tasks = std::sync::Arc::new(Tasks::new(runtime));
        let here = || std::thread::current().id();
        let of = tasks.clone();
        let task = async move {
            let begun = here();
            let first = of.brief(here).await.unwrap();
            tokio::task::yield_now().await;
            (begun, first, here(), of.brief(here).await.unwrap())
        };
        let (begun, first, control, later) = crate::park::block_on(tasks.begin(task)).unwrap();
        assert_eq!(begun, first);
        assert!(control != begun && later != control, "the control thread never waits for a disk");
        let (to, heard) = tokio::sync::oneshot::channel();
        tasks.begin_or(async { panic!("on purpose") }, |message| drop(to.send(message)));
        assert_eq!(crate::park::block_on(heard).unwrap(), "on purpose");
        tasks.shut_down();
    }
}
