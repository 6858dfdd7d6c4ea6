//! Real counterparts on loopback: `interop/run [--all] [--only PATTERN] [--skip PATTERN] [--list] [--table] [--keep] [--jobs N]`.
//!
//! Each cell of the table starts real programs, lets them exchange a torrent with ours, and compares every file by its
//! SHA-256. What is missing is installed where that is possible, and named as not run where it is not, which `--all` (or
//! `CI` in the environment) makes a failure. The last line is `N passed, N failed`.

#![forbid(unsafe_code)]

mod cell;
mod cells;
mod counterparts;
mod data;
mod http;
mod install;
mod metainfo;
mod network;
mod ports;
mod process;
mod report;
mod run;
mod sandbox;
mod trackers;

use std::process::ExitCode;

/// An error is a sentence.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
/// The harness reports; it recovers from nothing.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

const HELP: &str = "\
interop/run: real counterparts on loopback

  --all            a missing counterpart is a failure (so does CI in the environment)
  --only PATTERN   cells whose name contains PATTERN; may be repeated; `drivers` shows counterparts among themselves
  --skip PATTERN   not those whose name contains PATTERN; may be repeated
  --list           the cells, without running them
  --table          write the table of results to interop/RESULTS.md
  --keep           leave the cells' directories, and say where
  --jobs N         cells at once, where they do not want the machine to themselves (6)
";

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Args {
    all: bool,
    only: Vec<String>,
    skip: Vec<String>,
    list: bool,
    table: bool,
    keep: bool,
    jobs: usize,
}

fn main() -> ExitCode {
    let outcome = parse().and_then(|args| run::run(&args));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<Args> {
    let mut parsed = Args { jobs: 6, ..Args::default() };
    parsed.all = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--all" => parsed.all = true,
            "--list" => parsed.list = true,
            "--table" => parsed.table = true,
            "--keep" => parsed.keep = true,
            "--only" => parsed.only.push(args.next().ok_or("--only needs a pattern")?),
            "--skip" => parsed.skip.push(args.next().ok_or("--skip needs a pattern")?),
            "--jobs" => parsed.jobs = args.next().ok_or("--jobs needs a number")?.parse()?,
            "--help" | "-h" => {
                print!("{HELP}");
                std::process::exit(0);
            }
            other => return Err(format!("unknown argument `{other}`; see --help").into()),
        }
    }
    Ok(parsed)
}
