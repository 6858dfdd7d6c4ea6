//! `cargo xtask test [--all] [--only STAGE,...]`: everything that must hold before a merge, in one run.
//!
//! Stages run in order, their output streams, and a failed one does not keep the later ones from running (but for `fmt`:
//! unformatted sources end the run at once). What is missing on this machine is named in the last lines as not run; a
//! missing counterpart or tool is a failure with `--all`, or with `CI` set in the environment. The RustSec database, the
//! oldest toolchain and other platforms' targets come from the network alone: without them a line says so, always.
//!
//! The last line is `N passed, N failed`, alone. It counts the test cases of stages that run some, each law as a case,
//! and every other stage as one.

mod budget;
mod cross;
mod report;
mod stages;

use std::time::Instant;

use crate::process::Cases;
use crate::repo::Repo;
use crate::{Chore, Result};
use report::{Report, Row};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "test",
    args: "[--all] [--only STAGE,...]",
    about: "every check and every test; see --list",
    run,
};

/// What the stages are given.
pub(crate) struct Context<'a> {
    /// The checkout.
    pub(crate) repo: &'a Repo,
    /// Whether a missing counterpart or tool is a failure.
    pub(crate) all: bool,
}

/// One line of the table of stages.
pub(crate) struct Stage {
    /// Its name, for `--only`.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// Whether its failure ends the run.
    pub(crate) gate: bool,
    /// The stage itself; an error is a failure with that sentence.
    pub(crate) run: fn(&Context<'_>) -> Result<Outcome>,
}

/// How a stage ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Whether all that ran passed.
    pub(crate) success: bool,
    /// Whether nothing ran: such a stage counts neither as passed nor as failed.
    pub(crate) idle: bool,
    /// Test cases, of a stage that counts them.
    pub(crate) cases: Cases,
    /// What did not run, and why.
    pub(crate) not_run: Vec<NotRun>,
}

/// Something that a stage would do on another machine.
#[derive(Debug)]
pub(crate) struct NotRun {
    /// The line about it.
    pub(crate) line: String,
    /// Whether it fails the stage when everything is asked for.
    pub(crate) needed: bool,
}

impl Outcome {
    /// A stage without cases of its own.
    pub(crate) fn of(success: bool) -> Outcome {
        Outcome { success, ..Outcome::default() }
    }

    /// A stage that could not run at all.
    pub(crate) fn idle(needed: bool, line: impl Into<String>) -> Outcome {
        Outcome { success: true, idle: true, ..Outcome::default() }.without(needed, line)
    }

    /// The same, naming something that did not run.
    pub(crate) fn without(mut self, needed: bool, line: impl Into<String>) -> Outcome {
        self.not_run.push(NotRun { line: line.into(), needed });
        self
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Args {
    all: bool,
    only: Vec<String>,
    list: bool,
}

fn run(repo: &Repo, args: &[String]) -> Result {
    let mut args = parse(args)?;
    if args.list {
        for stage in stages::STAGES {
            println!("{:<8} {}", stage.name, stage.about);
        }
        return Ok(());
    }
    args.all |= std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    let context = Context { repo, all: args.all };
    let report = run_stages(&context, &args.only);
    print!("{report}");
    // The counts stand on the last line of the output, so the reason of the exit code goes without words.
    if report.success() { Ok(()) } else { std::process::exit(1) }
}

fn parse(args: &[String]) -> Result<Args> {
    let mut parsed = Args::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let only = match arg.as_str() {
            "--all" => {
                parsed.all = true;
                continue;
            }
            "--list" => {
                parsed.list = true;
                continue;
            }
            "--only" => args.next().ok_or("--only needs stages: --only tidy,layers")?.as_str(),
            other => other.strip_prefix("--only=").ok_or_else(|| format!("unknown argument `{other}`"))?,
        };
        parsed.only.extend(only.split(',').map(str::to_owned));
    }
    let known = |name: &&String| stages::STAGES.iter().any(|stage| stage.name == name.as_str());
    match parsed.only.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("there is no stage `{name}`; see `cargo xtask test --list`").into()),
        None => Ok(parsed),
    }
}

fn run_stages(context: &Context<'_>, only: &[String]) -> Report {
    let mut report = Report::default();
    let wanted = |stage: &&Stage| only.is_empty() || only.iter().any(|name| name == stage.name);
    for stage in stages::STAGES.iter().filter(wanted) {
        if report.closed_by.is_some() {
            report.rows.push(Row::skipped(stage.name));
            continue;
        }
        println!("\n== {}: {}", stage.name, stage.about);
        let start = Instant::now();
        let outcome = (stage.run)(context);
        let row = Row::of(stage.name, start.elapsed(), outcome, context.all);
        if let Some(error) = &row.error {
            println!("{}: {error}", stage.name);
        }
        if stage.gate && !row.success {
            report.closed_by = Some(stage.name);
        }
        report.rows.push(row);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Result<Args> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read() {
        let both = args("--all --only tidy,layers").unwrap();
        assert_eq!(both, Args { all: true, only: vec!["tidy".into(), "layers".into()], list: false });
        assert_eq!(args("--only=fmt").unwrap().only, ["fmt"]);
        assert!(args("--list").unwrap().list);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for text in ["--al", "--only", "--only cellar", "tidy"] {
            assert!(args(text).is_err(), "{text}");
        }
    }
}
