//! Ctrl-C and termination: once is a request, twice is an order.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::exit::Code;
use crate::output;
use crate::work::Interruptions;

/// The request to end, which may come at any time. It is listened for from the start of a command on, so that nothing
/// that is printed can be answered by a signal too early.
#[derive(Clone)]
pub(crate) struct Stop {
    requested: watch::Receiver<bool>,
    /// Whether somebody has work to finish when the request comes.
    attended: Arc<AtomicBool>,
}

impl Stop {
    /// Listens from now on. A second request ends the program at once.
    pub(super) fn listen() -> Stop {
        let mut interruptions = Interruptions::listen();
        let (tell, requested) = watch::channel(false);
        tokio::spawn(async move {
            interruptions.next().await;
            // Where nobody listens any more, the program is ending.
            let _ = tell.send(true);
            interruptions.next().await;
            std::process::exit(Code::Interrupted as i32);
        });
        Stop { requested, attended: Arc::default() }
    }

    async fn requested(mut self) {
        if self.requested.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the request comes and nobody attends to it.
    pub(super) async fn unattended(self) {
        let attended = self.attended.clone();
        self.requested().await;
        if attended.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// From this call on the caller attends to the request: it comes when the future is ready.
    pub(super) fn attend(&self, quiet: bool) -> impl Future<Output = ()> + use<> {
        self.attended.store(true, Ordering::Relaxed);
        let stop = self.clone();
        async move {
            stop.requested().await;
            if !quiet {
                output::say("torrent: stopping; once more to stop at once");
            }
        }
    }
}
