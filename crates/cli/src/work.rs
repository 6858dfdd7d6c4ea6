//! Work that takes its time: a small runtime, and Ctrl-C.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use crate::exit::{Code, Failure};

fn runtime() -> Result<Runtime, Failure> {
    let problem = |error| Failure::new(Code::Other, format!("cannot start: {error}"));
    Builder::new_current_thread().enable_all().build().map_err(problem)
}

/// Runs `future` on this thread. Ctrl-C and termination end it as [`Code::Interrupted`].
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = future => done,
            () = interruption() => Err(Failure::interrupted()),
        }
    });
    // A look-up of a name can't be cancelled; nobody waits for it.
    runtime.shutdown_background();
    done
}

/// Returns when the user or the system asks this program to end. Each call waits for a request of its own.
pub(crate) async fn interruption() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Where a signal can't be caught it ends the program in the system's way.
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
