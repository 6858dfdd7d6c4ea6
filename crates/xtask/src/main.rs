//! Repository chores: `cargo xtask CHORE [ARGS]`.
//!
//! One file per chore and one line in [`CHORES`]. Chores that forward to a program of the workspace (`demo`, `bench`)
//! are added by whoever builds that program.

#![forbid(unsafe_code)]

mod bench;
mod cache;
mod demo;
mod deny;
mod laws;
mod layers;
mod process;
mod repo;
mod rooms;
mod sim;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use repo::Repo;

/// What a chore returns; the error is a sentence for the person at the terminal.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One line of the table: `cargo xtask NAME`.
pub(crate) struct Chore {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// Its arguments, as shown in the usage text.
    pub(crate) args: &'static str,
    /// One line on what it does.
    pub(crate) about: &'static str,
    /// The chore itself.
    pub(crate) run: fn(&Repo, &[String]) -> Result,
}

/// Every chore. To add one: write its file with a `CHORE` constant, and name it here.
const CHORES: &[Chore] = &[
    layers::CHORE,
    tidy::CHORE,
    laws::CHORE,
    deny::CHORE,
    sim::CHORE,
    test::CHORE,
    bench::CHORE,
    demo::CHORE,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        eprint!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        eprint!("xtask: there is no chore `{name}`\n{}", usage());
        return ExitCode::from(2);
    };
    match Repo::find().and_then(|repo| (chore.run)(&repo, rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask CHORE [ARGS]\n\n");
    for chore in CHORES {
        text += &format!("  {:<42} {}\n", format!("{} {}", chore.name, chore.args), chore.about);
    }
    text
}

/// Refuses arguments a chore does not know, so that a misspelt flag is never silently ignored.
pub(crate) fn no_more_args(args: &[String]) -> Result {
    match args.first() {
        Some(arg) => Err(format!("unknown argument `{arg}`; see `cargo xtask help`").into()),
        None => Ok(()),
    }
}
