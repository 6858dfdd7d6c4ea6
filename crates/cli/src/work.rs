//! Work that takes its time: a small runtime, Ctrl-C, and a bar.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use storage::Progress;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::exit::{Code, Failure};
use crate::output;

/// A runtime on this thread.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let problem = |error| Failure::new(Code::Other, format!("cannot start: {error}"));
    Builder::new_current_thread().enable_all().build().map_err(problem)
}

/// Runs `future` on this thread. Ctrl-C and termination end it as [`Code::Interrupted`].
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            // First, so that it is listened for before anything begins.
            biased;
            () = interruption() => Err(Failure::interrupted()),
            done = future => done,
        }
    });
    // A look-up of a name can't be cancelled; nobody waits for it.
    runtime.shutdown_background();
    done
}

/// Requests of the user or the system to end this program. Each is seen once.
pub(crate) struct Interruptions {
    /// Ctrl-C and termination. Where they can't be caught they end the program in the system's way.
    #[cfg(unix)]
    signals: Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>,
    /// The terminal or the session is gone. None where somebody asked us to outlive it.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Interruptions {
    /// Listens from now on; to be called on a runtime.
    pub(crate) fn listen() -> Interruptions {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signals = signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok());
            let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup()).ok()).flatten();
            Interruptions { signals, hangup }
        }
        #[cfg(not(unix))]
        Interruptions {}
    }

    /// The next request.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some((interrupt, terminate)) = &mut self.signals {
            let hangup = &mut self.hangup;
            let hung_up = async {
                match hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether SIGHUP was ignored when we were started, as `nohup` does it: listening for it would undo that. Where the system
/// does not tell, nobody listens, and the signal does what it always did.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit is signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 != 0)
}

/// Returns at the next request of the user or the system to end this program. It is listened for when the future is first
/// polled.
pub(crate) async fn interruption() {
    Interruptions::listen().next().await;
}

/// Runs `work`, which hashes and tells `progress` of it, on a thread of its own; with a bar where stderr is a terminal
/// and nobody asked for quiet. Ctrl-C cancels it, a second one ends the program at once.
pub(crate) fn hashing<T: Send>(
    quiet: bool,
    what: &'static str,
    progress: &Progress,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Failure> {
    let runtime = runtime()?;
    let bar = bar(quiet, what);
    let (tell, told) = oneshot::channel();
    std::thread::scope(|scope| {
        // Where nobody listens any more, the program is ending.
        let body = move || drop(tell.send(work()));
        let worker = std::thread::Builder::new().name("hashing".to_owned()).spawn_scoped(scope, body);
        let worker =
            worker.map_err(|error| Failure::new(Code::Other, format!("cannot start a thread: {error}")))?;
        let (done, interrupted) = runtime.block_on(watch(told, what, progress, &bar));
        bar.finish_and_clear();
        match (done, worker.join()) {
            _ if interrupted => Err(Failure::interrupted()),
            (Some(done), Ok(())) => Ok(done),
            _ => Err(Failure::new(
                Code::Other,
                format!("{what} ended in a defect of this program; please report it"),
            )),
        }
    })
}

async fn watch<T>(
    told: oneshot::Receiver<T>,
    what: &str,
    progress: &Progress,
    bar: &ProgressBar,
) -> (Option<T>, bool) {
    let mut told = pin!(told);
    let mut interrupted = false;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut interruption_comes = pin!(interruption());
    // Listened for before anybody hears that the work has begun.
    tokio::select! {
        biased;
        () = &mut interruption_comes => {
            progress.cancel();
            return (None, true);
        }
        () = std::future::ready(()) => tracing::info!("{what}"),
    }
    loop {
        tokio::select! {
            biased;
            done = &mut told => return (done.ok(), interrupted),
            _ = ticks.tick() => {
                bar.set_length(progress.total());
                bar.set_position(progress.bytes());
            }
            () = &mut interruption_comes => {
                if interrupted {
                    std::process::exit(Code::Interrupted as i32);
                }
                interrupted = true;
                progress.cancel();
                output::say("torrent: stopping; once more stops at once");
                interruption_comes.set(interruption());
            }
        }
    }
}

fn bar(quiet: bool, what: &'static str) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "{msg} [{wide_bar}] {percent:>3} %  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_message(what)
}
