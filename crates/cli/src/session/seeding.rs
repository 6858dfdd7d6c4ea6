//! What `seed`, `serve` and `demo` do with a torrent that is to be complete, and how long it is seeded.

use std::time::Duration;

use clap::Args;
use riverrun::{Client, SeedGoal, Torrent, TorrentState};

use super::failure;
use crate::exit::{Code, Failure};
use crate::{data, output, units};

/// Waits for the check. Missing data is an error unless `partial`.
pub(crate) async fn checked(torrent: &Torrent, partial: bool) -> Result<(), Failure> {
    torrent.wait_checked().await.map_err(|error| failure(&error))?;
    let snapshot = torrent.snapshot().await.map_err(|error| failure(&error))?;
    if let TorrentState::Failed(trouble) = &snapshot.state {
        return Err(Failure::new(Code::of_library(trouble.code), trouble));
    }
    if snapshot.pieces_missing > 0 && !partial {
        let misplaced = torrent
            .metainfo()
            .map_or_else(String::new, |metainfo| data::misplaced(metainfo.info(), &torrent.output()));
        let message = format!(
            "{} of {} pieces of `{}` are missing or do not match under {}{misplaced}; --partial seeds the rest",
            snapshot.pieces_missing,
            snapshot.pieces,
            torrent.name(),
            torrent.output().display()
        );
        return Err(Failure::new(Code::HashMismatch, message));
    }
    Ok(())
}

/// When to stop seeding.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct GoalOptions {
    /// Seed until so many bytes were sent for each byte of the torrent
    #[arg(long, value_name = "RATIO", env = "RIVERRUN_SEED_RATIO", value_parser = units::parse_ratio)]
    seed_ratio: Option<f64>,
    /// Seed for this time, such as 90m or 1d
    #[arg(long, value_name = "TIME", env = "RIVERRUN_SEED_TIME", value_parser = units::parse_time)]
    seed_time: Option<Duration>,
    /// Seed until nobody was sent anything for this time
    #[arg(long, value_name = "TIME", env = "RIVERRUN_SEED_IDLE", value_parser = units::parse_time)]
    seed_idle: Option<Duration>,
}

impl GoalOptions {
    /// The goal that they name.
    pub(crate) fn goal(self) -> Option<SeedGoal> {
        let mut goal = SeedGoal::none();
        (goal.ratio, goal.time, goal.idle) = (self.seed_ratio, self.seed_time, self.seed_idle);
        (goal != SeedGoal::none()).then_some(goal)
    }
}

/// Says what is served and where.
pub(crate) fn announce_start(client: &Client, torrent: &Torrent, quiet: bool) {
    if !quiet {
        let addrs: Vec<String> = client.listen_addrs().iter().map(ToString::to_string).collect();
        output::say(format!("seeding {} on {}", torrent.name(), addrs.join(", ")));
    }
}
