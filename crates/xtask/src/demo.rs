//! `cargo xtask demo`: the main job on this machine alone.

use crate::repo::Repo;
use crate::{Chore, Result, process};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "demo",
    args: "[ARGS]",
    about: "build `torrent` and run its demo: tracker, seeder and download on loopback",
    run,
};

fn run(repo: &Repo, args: &[String]) -> Result {
    let mut command = repo.cargo(&["run", "--release", "-p", "riverrun-cli", "--", "demo"]);
    command.args(args);
    process::check(command)
}
