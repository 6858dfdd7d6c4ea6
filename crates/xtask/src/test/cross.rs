//! The library crates, type-checked for platforms this machine is not.
//!
//! Rust code needs only the target's standard library, which rustup brings. C code would need that platform's compiler:
//! a library whose features compile some (TLS does, through `ring` or `aws-lc-sys`) is checked without its default
//! features, and where even those compile C, a line says that it was not checked.

use std::process::Command;

use cargo_metadata::TargetKind;

use super::{Context, Outcome};
use crate::repo::Repo;
use crate::tree::Tree;
use crate::{Result, process};

/// The platforms.
const TARGETS: &[&str] = &["x86_64-pc-windows-gnu", "x86_64-apple-darwin", "aarch64-unknown-linux-gnu"];

/// Packages that compile C when a build script runs them.
const C_COMPILERS: &[&str] = &["cc", "cmake"];

/// The stage.
pub(crate) fn cross(context: &Context<'_>) -> Result<Outcome> {
    let libraries = libraries(context.repo)?;
    let mut outcome = Outcome { idle: true, ..Outcome::of(true) };
    for target in TARGETS {
        let mut add = Command::new("rustup");
        add.args(["target", "add", target]).current_dir(context.repo.root());
        if process::capture(add).is_ok_and(|(success, _)| success) {
            outcome = check(context.repo, target, &libraries, Outcome { idle: false, ..outcome })?;
        } else {
            outcome = outcome.without(false, format!("rustup could not bring the target {target}"));
        }
    }
    Ok(outcome)
}

/// Packages with a library that are published: those other people build.
fn libraries(repo: &Repo) -> Result<Vec<String>> {
    let metadata = repo.metadata()?;
    let published =
        |package: &&cargo_metadata::Package| package.publish.as_ref().is_none_or(|to| !to.is_empty());
    let packages = metadata.workspace_packages().into_iter().filter(published);
    let with_library = packages
        .filter(|package| package.targets.iter().any(|target| target.kind.contains(&TargetKind::Lib)));
    Ok(with_library.map(|package| package.name.to_string()).collect())
}

fn check(repo: &Repo, target: &str, libraries: &[String], mut outcome: Outcome) -> Result<Outcome> {
    let (mut whole, mut reduced) = (Vec::new(), Vec::new());
    for library in libraries {
        if compiles_c(repo, library, &["--target", target])?.is_none() {
            whole.push(library.as_str());
            continue;
        }
        match compiles_c(repo, library, &["--target", target, "--no-default-features"])? {
            None => reduced.push(library.as_str()),
            Some(by) => {
                let line =
                    format!("{library} for {target}: {by} compiles C, which needs that platform's compiler");
                outcome = outcome.without(false, line);
            }
        }
    }
    outcome.success &= cargo_check(repo, target, &whole, &[])?;
    outcome.success &= cargo_check(repo, target, &reduced, &["--no-default-features"])?;
    Ok(outcome)
}

fn cargo_check(repo: &Repo, target: &str, packages: &[&str], args: &[&str]) -> Result<bool> {
    if packages.is_empty() {
        return Ok(true);
    }
    let mut command = repo.cargo(&["check", "--keep-going", "--target", target]);
    command.args(args).args(packages.iter().flat_map(|package| ["--package", package]));
    Ok(process::stream(command)?.success)
}

/// The package below `library` that compiles C for the target, if there is one.
fn compiles_c(repo: &Repo, library: &str, args: &[&str]) -> Result<Option<String>> {
    let mut found = None;
    Tree::of(repo, library, args)?.each(|way| {
        let at = way.iter().position(|name| C_COMPILERS.contains(name));
        if let Some(by) = at.and_then(|at| way.get(at.checked_sub(1)?)) {
            found = Some((*by).to_owned());
        }
    });
    Ok(found)
}
