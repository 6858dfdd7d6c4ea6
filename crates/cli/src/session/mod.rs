//! A client at work: what `download`, `seed`, `serve` and `demo` share.

mod fetch;
mod handles;
mod json;
pub(crate) mod options;
mod progress;
mod seeding;
mod signals;
mod status;
mod watch;

pub(crate) use fetch::metadata;
pub(crate) use options::{ClientOptions, PerTorrent, Ready};
pub(crate) use seeding::{GoalOptions, announce_start, checked};
pub(crate) use signals::Stop;
pub(crate) use status::{StatusOptions, StatusServer};
pub(crate) use watch::{Until, Watch};

use std::future::Future;

use riverrun::{Client, SeedGoal, Torrent};

use crate::exit::{Code, Failure};

/// What a person who only seeds can do about a file that is gone or was cut.
pub(crate) const PUT_BACK: &str = "put the file back to serve it again; the rest is served meanwhile";

/// Runs a command's asynchronous part on this thread. A request to end it is left to whoever attends to it, as there may
/// be something to save; before that it ends the command.
pub(crate) fn run<T, W>(work: impl FnOnce(Stop) -> W) -> Result<T, Failure>
where
    W: Future<Output = Result<T, Failure>>,
{
    crate::work::runtime()?.block_on(async {
        let stop = Stop::listen();
        tokio::select! {
            biased;
            () = stop.clone().unattended() => Err(Failure::interrupted()),
            done = work(stop) => done,
        }
    })
}

/// Begins a client, with its status where that is to be served.
pub(crate) fn begin(
    ready: Ready<'_>,
    status: &StatusOptions,
    json: bool,
    quiet: bool,
) -> Result<(Client, PerTorrent, StatusServer), Failure> {
    let socket = status.open()?;
    let (client, each) = ready.start()?;
    let server = socket.serve(&client, json, quiet)?;
    Ok((client, each, server))
}

/// Seeds until a goal is reached, where there is one, or the user has enough.
pub(crate) fn watch_seeds(
    client: Client,
    torrents: Vec<Torrent>,
    goal: Option<SeedGoal>,
    stop: Stop,
) -> Watch {
    let until = if goal.is_some() { Until::Goal } else { Until::Interrupted };
    Watch::new(client, torrents, until, stop).repair(PUT_BACK)
}

/// A library error with its exit code.
pub(crate) fn failure(error: &riverrun::Error) -> Failure {
    Failure::new(Code::of_library(error.code()), error)
}
