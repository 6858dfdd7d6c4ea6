//! The stages of a test run, in their order.

use std::process::Command;

use super::{Context, Outcome, Stage, budget, cross};
use crate::{Result, deny, laws, layers, process, tidy};

/// Every stage. To add one: write its function, and a line here.
pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "the sources are formatted", gate: true, run: fmt },
    Stage { name: "clippy", about: "no lint, warnings denied, all targets", gate: false, run: clippy },
    Stage { name: "outer", about: "the same for fuzz/, interop/ and bench/", gate: false, run: outer },
    Stage { name: "docs", about: "the documentation builds without a warning", gate: false, run: docs },
    Stage { name: "layers", about: "the arrows between crates, and purity", gate: false, run: layers },
    Stage { name: "tidy", about: "sizes, documentation, proofs, hygiene", gate: false, run: tidy },
    Stage { name: "deny", about: "licences, duplicates, sources, advisories", gate: false, run: deny },
    Stage { name: "laws", about: "each law, broken on purpose, is refused", gate: false, run: laws },
    Stage { name: "unit", about: "unit, property and documentation tests", gate: false, run: unit },
    Stage { name: "msrv", about: "the workspace builds with its rust-version", gate: false, run: msrv },
    Stage {
        name: "cross",
        about: "the libraries type-check for other platforms",
        gate: false,
        run: cross::cross,
    },
    Stage { name: "sim", about: "simulated swarms", gate: false, run: sim },
    Stage { name: "budget", about: "what a block costs in instructions", gate: false, run: budget::budget },
    Stage { name: "interop", about: "other clients and trackers, both ways", gate: false, run: interop },
];

/// With optimisation, and the assertions and overflow checks of a development build.
pub(super) const OPTIMISED: [&str; 6] =
    ["--config", "profile.sim.inherits='dev'", "--config", "profile.sim.opt-level=3", "--profile", "sim"];

/// The package whose tests are a stage of their own.
const SIM: &str = "riverrun-sim";

/// Runs a command as a stage, counting the cases it reports.
fn stream(command: Command) -> Result<Outcome> {
    let run = process::stream(command)?;
    let outcome =
        Outcome { success: run.success && run.cases.failed == 0, cases: run.cases, ..Outcome::default() };
    Ok(run.not_run.into_iter().fold(outcome, |outcome, line| outcome.without(true, line)))
}

/// The sentences of a check, as a stage.
fn sentences(broken: Vec<String>) -> Outcome {
    for sentence in &broken {
        println!("{sentence}");
    }
    Outcome::of(broken.is_empty())
}

fn fmt(context: &Context<'_>) -> Result<Outcome> {
    stream(context.repo.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(context: &Context<'_>) -> Result<Outcome> {
    stream(context.repo.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The packages outside the workspace: formatted, and without a lint.
///
/// They share the workspace's target directory, and with it what they have in common. The fuzz targets are checked with
/// the toolchain at hand; only to run them takes nightly.
fn outer(context: &Context<'_>) -> Result<Outcome> {
    let target = context.repo.target_dir()?;
    let mut all = Outcome::of(true);
    for package in ["fuzz", "interop", "bench"] {
        let manifest = context.repo.path(package).join("Cargo.toml");
        let manifest = manifest.to_string_lossy();
        let format = context.repo.cargo(&["fmt", "--manifest-path", &manifest, "--check"]);
        let mut lint = context.repo.cargo(&["clippy", "--manifest-path", &manifest, "--all-targets"]);
        lint.args(["--", "-D", "warnings"]).env("CARGO_TARGET_DIR", &target);
        for command in [format, lint] {
            all.success &= stream(command)?.success;
        }
    }
    Ok(all)
}

fn docs(context: &Context<'_>) -> Result<Outcome> {
    let mut command =
        context.repo.cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--keep-going"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    stream(command)
}

fn layers(context: &Context<'_>) -> Result<Outcome> {
    layers::check(context.repo).map(sentences)
}

fn tidy(context: &Context<'_>) -> Result<Outcome> {
    tidy::check(context.repo).map(sentences)
}

fn deny(context: &Context<'_>) -> Result<Outcome> {
    if let Err(error) = deny::CARGO_DENY.ensure() {
        return Ok(Outcome::idle(true, format!("cargo-deny cannot be installed: {error}")));
    }
    let verdict = deny::check(context.repo)?;
    let outcome = Outcome::of(verdict.success);
    Ok(match verdict.not_run {
        Some(line) => outcome.without(false, line),
        None => outcome,
    })
}

fn laws(context: &Context<'_>) -> Result<Outcome> {
    let cases = laws::show(context.repo)?;
    Ok(Outcome { success: cases.failed == 0, cases, ..Outcome::default() })
}

fn unit(context: &Context<'_>) -> Result<Outcome> {
    stream(context.repo.cargo(&["test", "--workspace", "--exclude", SIM, "--no-fail-fast"]))
}

/// Checks the workspace with the oldest toolchain it claims to build with, where rustup can bring it.
fn msrv(context: &Context<'_>) -> Result<Outcome> {
    let metadata = context.repo.metadata()?;
    let oldest =
        metadata.workspace_packages().into_iter().filter_map(|package| package.rust_version.clone()).min();
    let version = oldest.ok_or("no package has a rust-version")?;
    let toolchain = format!("{}.{}", version.major, version.minor);
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", &toolchain, "--profile", "minimal", "--no-self-update"]);
    if !process::capture(install).is_ok_and(|(success, _)| success) {
        let line = format!("rustup could not bring Rust {toolchain}; clippy's incompatible_msrv held it");
        return Ok(Outcome::idle(false, line));
    }
    let mut check = Command::new("rustup");
    check.args([
        "run",
        &toolchain,
        "cargo",
        "check",
        "--workspace",
        "--all-targets",
        "--locked",
        "--keep-going",
    ]);
    check.current_dir(context.repo.root()).env("CARGO_TARGET_DIR", context.repo.target_dir()?.join("msrv"));
    // The outer cargo's own path would win over the toolchain asked for.
    check.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTDOC");
    stream(check)
}

/// Simulated swarms run with optimisation, and keep the assertions and overflow checks of a development build.
fn sim(context: &Context<'_>) -> Result<Outcome> {
    let mut command = context.repo.cargo(&["test", "--package", SIM, "--no-fail-fast"]);
    command.args(OPTIMISED);
    stream(command)
}

/// Runs `interop/run`, which exits with 0 if every cell it ran passed, ends with `N passed, N failed`, and names every
/// cell whose counterpart is missing in a line `not run: CELL: REASON`. It is given `--all` when nothing may be missing.
fn interop(context: &Context<'_>) -> Result<Outcome> {
    if !context.repo.path("interop").is_dir() {
        return Ok(Outcome::idle(false, "this tree has no interop/"));
    }
    let mut command = Command::new(context.repo.path("interop/run"));
    command.current_dir(context.repo.root());
    if context.all {
        command.arg("--all");
    }
    stream(command)
}
