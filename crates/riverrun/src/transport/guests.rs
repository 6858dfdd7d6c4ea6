//! The thread that runs the code of embedders, so that what blocks or panics there holds up nothing of ours.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use super::{DialRequest, Dialer, PeerStream};
use crate::Error;
use crate::inner::Tasks;

/// Most threads for functions that block.
const BLOCKING: usize = 64;

/// A runtime for the dialer and the peer sources of one client; without any there is none.
#[derive(Debug)]
pub(crate) struct Guests {
    pub(crate) tasks: Tasks,
}

impl Guests {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has none to give.
    pub(crate) fn start() -> Result<Guests, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING)
            .thread_name("riverrun-guests")
            .enable_all()
            .build()
            .map_err(|e| Error::system("start a thread for the embedder's code", e))?;
        Ok(Guests { tasks: Tasks::new(runtime) })
    }

    /// What shards need to dial through `dialer`.
    pub(crate) fn dialing(&self, dialer: Arc<dyn Dialer>) -> OwnDialer {
        OwnDialer { dialer, runtime: self.tasks.handle() }
    }
}

/// An embedder's dialer, and where it runs.
#[derive(Clone)]
pub(crate) struct OwnDialer {
    dialer: Arc<dyn Dialer>,
    runtime: Handle,
}

impl fmt::Debug for OwnDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnDialer")
    }
}

impl OwnDialer {
    /// Begins a dial. `answer` hears how it ended, once, whatever happens: a dialer that panics, or a client that ends,
    /// gives an error.
    pub(crate) fn begin(
        &self,
        to: DialRequest,
        answer: impl FnOnce(std::io::Result<PeerStream>) + Send + 'static,
    ) -> AbortHandle {
        let (dialer, answer) = (self.dialer.clone(), Answer(Some(answer)));
        let task = self.runtime.spawn(async move {
            let result = dialer.dial(to).await;
            answer.give(result);
        });
        task.abort_handle()
    }
}

/// Answers when it is dropped, if nobody did before.
struct Answer<F: FnOnce(std::io::Result<PeerStream>)>(Option<F>);

impl<F: FnOnce(std::io::Result<PeerStream>)> Answer<F> {
    fn give(mut self, result: std::io::Result<PeerStream>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl<F: FnOnce(std::io::Result<PeerStream>)> Drop for Answer<F> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(std::io::Error::other("the dialer gave no answer: it panicked, or was given up")));
        }
    }
}
