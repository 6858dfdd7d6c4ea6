//! `cargo xtask bench`: us beside the peers, in one run, as ratios. The harness is the package in `bench/`.

use std::process::Command;

use crate::repo::Repo;
use crate::{Chore, Result, process};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "bench",
    args: "[--rounds N] [--size MIB] [--rows A,B] ...",
    about: "measure us beside other clients and write bench/RESULTS.md",
    run,
};

fn run(repo: &Repo, args: &[String]) -> Result {
    process::check(repo.cargo(&["build", "--release", "-p", "riverrun-cli"]))?;
    let target = repo.metadata()?.target_directory;
    let mut build = repo.cargo(&["build", "--release", "--manifest-path"]);
    build.arg(repo.path("bench/Cargo.toml")).env("CARGO_TARGET_DIR", &target);
    process::check(build)?;
    let release = target.join("release");
    let mut bench = Command::new(release.join("bench"));
    bench.arg("run").args(args).env("RIVERRUN_TORRENT", release.join("torrent"));
    process::check(bench)
}
