//! `cargo xtask deny`: licences, bans, duplicates and sources of every dependency, and known vulnerabilities.
//!
//! Runs cargo-deny with `deny.toml`. Known vulnerabilities need the RustSec database; where it cannot be fetched, that
//! is said in one line and everything else still holds.

use crate::cache::Tool;
use crate::repo::Repo;
use crate::{Chore, Result, no_more_args, process};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "deny",
    args: "",
    about: "licences, duplicates, sources and advisories of dependencies",
    run,
};

/// The exact cargo-deny this repository's `deny.toml` is written for.
pub(crate) const CARGO_DENY: Tool = Tool { package: "cargo-deny", version: "0.20.2", program: "cargo-deny" };

/// What cargo-deny found.
pub(crate) struct Verdict {
    /// Whether every check that ran passed.
    pub(crate) success: bool,
    /// What did not run, and why.
    pub(crate) not_run: Option<String>,
}

fn run(repo: &Repo, args: &[String]) -> Result {
    no_more_args(args)?;
    let verdict = check(repo)?;
    if let Some(line) = verdict.not_run {
        println!("not run: {line}");
    }
    if verdict.success { Ok(()) } else { Err("cargo-deny refuses the dependencies".into()) }
}

/// Runs every check, the output on the terminal.
pub(crate) fn check(repo: &Repo) -> Result<Verdict> {
    let (mut success, text) = cargo_deny(repo, &["licenses", "bans", "sources"])?;
    print!("{text}");
    let (safe, text) = cargo_deny(repo, &["advisories"])?;
    if !safe && no_database(&text) {
        let line = "advisories: the RustSec database cannot be fetched here; licences, bans and sources were enforced";
        return Ok(Verdict { success, not_run: Some(line.to_owned()) });
    }
    print!("{text}");
    success &= safe;
    Ok(Verdict { success, not_run: None })
}

/// One cargo-deny run, captured.
pub(crate) fn cargo_deny(repo: &Repo, checks: &[&str]) -> Result<(bool, String)> {
    let mut command = std::process::Command::new(CARGO_DENY.ensure()?);
    command.current_dir(repo.root()).args([
        "--color",
        "never",
        "--log-level",
        "warn",
        "check",
        "--hide-inclusion-graph",
    ]);
    command.args(checks);
    process::capture(command)
}

/// Whether advisories failed for want of the database, not for want of safety.
fn no_database(text: &str) -> bool {
    text.contains("failed to fetch advisory database") || text.contains("failed to load advisory database")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_database_is_no_vulnerability() {
        assert!(no_database("[ERROR] failed to fetch advisory database https://example.org/db"));
        assert!(!no_database("error[vulnerability]: a crate has a known vulnerability"));
    }
}
