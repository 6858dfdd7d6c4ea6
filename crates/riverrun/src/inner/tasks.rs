//! The client's own small runtime, and what becomes of a panic in a task.

use std::sync::Mutex;

use tokio::runtime::{Handle, Runtime};

use crate::Error;
use crate::runtime::panic_message;

/// The control thread.
#[derive(Debug)]
pub(crate) struct Tasks {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl Tasks {
    pub(crate) fn new(runtime: Runtime) -> Tasks {
        Tasks { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)) }
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
        let task = self.handle.spawn(task);
        self.handle.spawn(async move {
            // A task that was cancelled is no panic: the client ends.
            if let Some(panic) = task.await.err().and_then(|error| error.try_into_panic().ok()) {
                panicked(panic_message(&*panic));
            }
        });
    }

    /// Runs a task and waits for it. The task goes on when the caller does not.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn(task).await.map_err(|_| Error::Closed)
    }

    /// Runs work that may wait for a disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn_blocking(work).await.map_err(|_| Error::Closed)
    }

    /// Ends all tasks without waiting for them.
    pub(crate) fn shut_down(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
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
    }
}
