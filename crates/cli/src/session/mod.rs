//! A client at work: what `download`, `seed`, `serve` and `demo` share.

mod fetch;
mod json;
pub(crate) mod options;
mod progress;
mod seeding;
mod signals;
mod watch;

pub(crate) use fetch::fetch;
pub(crate) use options::{ClientOptions, Dress, Ready};
pub(crate) use seeding::{announce_start, checked, goal};
pub(crate) use watch::{Until, Watch};

use std::future::Future;

use crate::exit::{Code, Failure};

/// Runs a command's asynchronous part on this thread. Unlike [`crate::work::block_on`] it leaves Ctrl-C to the work, which
/// has something to save.
pub(crate) fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    crate::work::runtime()?.block_on(work)
}

/// A library error with its exit code.
pub(crate) fn failure(error: &riverrun::Error) -> Failure {
    Failure::new(Code::of_library(error.code()), error)
}
