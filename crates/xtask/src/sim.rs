//! `cargo xtask sim`: plays scenarios of the swarm simulator, as its failures ask for.

use crate::repo::Repo;
use crate::{Chore, Result, process};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "sim",
    args: "[--seed N | --seeds A..B] [--scenario NAME] [--trace]",
    about: "plays simulated swarms; a failure names its seed",
    run,
};

fn run(repo: &Repo, args: &[String]) -> Result {
    let mut command = repo.cargo(&["run", "--quiet", "--package", "riverrun-sim", "--"]);
    command.args(args);
    process::check(command)
}
