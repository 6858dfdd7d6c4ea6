//! `cargo xtask laws`: shows that each law is enforced, by breaking it.
//!
//! Copies the workspace outside the tree, breaks one law at a time there, and asks that the check which holds the law
//! fails with a sentence that names the fault. The sentence must be absent before: a law is not shown to hold by a fault
//! that was there anyway.

mod cases;
mod copy;

use std::collections::BTreeMap;

use crate::process::{self, Cases};
use crate::repo::Repo;
use crate::{Chore, Result, deny, layers, no_more_args, tidy};
use cases::Law;
use copy::Copy;

/// The line in the table of chores.
pub(crate) const CHORE: Chore =
    Chore { name: "laws", args: "", about: "breaks each law in a copy, and shows that its check fails", run };

/// Something that refuses what breaks a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// `xtask layers`
    Layers,
    /// `xtask tidy`
    Tidy,
    /// `cargo clippy -p PACKAGE -- -D warnings`
    Clippy(&'static str),
    /// `cargo fmt --check`
    Fmt,
    /// `cargo doc -p PACKAGE` with warnings denied
    Doc(&'static str),
    /// `cargo deny check WHICH`
    Deny(&'static str),
}

fn run(repo: &Repo, args: &[String]) -> Result {
    no_more_args(args)?;
    let cases = show(repo)?;
    if cases.failed == 0 { Ok(()) } else { Err(format!("{} laws are not enforced", cases.failed).into()) }
}

/// Breaks every law once; a case passes when the violation was refused.
pub(crate) fn show(repo: &Repo) -> Result<Cases> {
    let mut copy = Copy::of(repo)?;
    let mut before = BTreeMap::new();
    let mut cases = Cases::default();
    for law in cases::laws() {
        if matches!(law.check, Check::Deny(_)) && deny::CARGO_DENY.installed()?.is_none() {
            println!("not run: law \"{}\": cargo-deny is not in the cache", law.says);
            continue;
        }
        let sound = match before.entry(law.check) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(ask(&copy, law.check)?.1),
        };
        let verdict = judge(&mut copy, &law, sound)?;
        match &verdict {
            None => cases.passed += 1,
            Some(_) => cases.failed += 1,
        }
        println!("law: {} ... {}", law.says, verdict.as_deref().unwrap_or("refused"));
    }
    println!("laws: {} violations refused, {} not", cases.passed, cases.failed);
    Ok(cases)
}

/// Breaks one law; `None` if the check refused it in the words expected, otherwise what went wrong.
fn judge(copy: &mut Copy, law: &Law, before: &str) -> Result<Option<String>> {
    if law.names.iter().all(|words| before.contains(words)) {
        return Ok(Some("FAILED: the tree breaks this law already".to_owned()));
    }
    if let Err(error) = law.edits.iter().try_for_each(|edit| copy.apply(edit)) {
        copy.restore()?;
        return Ok(Some(format!("FAILED: cannot be broken: {error}")));
    }
    let answer = ask(copy, law.check);
    copy.restore()?;
    let (accepted, text) = answer?;
    Ok(match law.names.iter().find(|words| !text.contains(*words)) {
        _ if accepted => Some(format!("FAILED: {:?} accepted the violation", law.check)),
        Some(words) => Some(format!("FAILED: {:?} did not say \"{words}\" but:\n{text}", law.check)),
        None => None,
    })
}

/// Runs a check on the copy; returns whether it accepts the tree, and what it says.
fn ask(copy: &Copy, check: Check) -> Result<(bool, String)> {
    let sentences = |broken: Vec<String>| (broken.is_empty(), broken.join("\n"));
    let repo = copy.repo();
    match check {
        Check::Layers => layers::check(repo).map(sentences),
        Check::Tidy => tidy::check(repo).map(sentences),
        Check::Clippy(package) => {
            process::capture(copy.cargo(&["clippy", "--quiet", "--package", package, "--", "-D", "warnings"]))
        }
        Check::Fmt => process::capture(copy.cargo(&["fmt", "--all", "--check"])),
        Check::Doc(package) => {
            let mut command = copy.cargo(&["doc", "--quiet", "--no-deps", "--package", package]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            process::capture(command)
        }
        Check::Deny(which) => deny::cargo_deny(repo, &[which]),
    }
}
