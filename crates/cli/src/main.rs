//! The `torrent` command line.
//!
//! One file per command under `commands`; what they share stands here: arguments, exit codes, units, selection of files,
//! logging, output. Data goes to stdout, words to stderr.

#![forbid(unsafe_code)]

mod args;
mod asked;
mod commands;
mod data;
mod describe;
mod environment;
mod exit;
mod global;
mod identity;
mod lists;
mod log;
mod output;
mod select;
mod session;
mod source;
mod units;
mod urls;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    if cli.global.quiet {
        output::be_quiet();
    }
    log::init(&cli.global);
    match args::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
