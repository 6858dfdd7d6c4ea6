//! Plays scenarios of the swarm simulator: `riverrun-sim --seed N [--scenario NAME] [--seeds A..B] [--trace]`.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::process::ExitCode;

use riverrun_sim::Run;
use riverrun_sim::scenarios::{SCENARIOS, Scenario, find};

const USAGE: &str = "\
usage: riverrun-sim [--seed N | --seeds A..B] [--scenario NAME]... [--trace]

  --seed N         play this seed (default 1)
  --seeds A..B     play every seed from A up to, but not with, B
  --scenario NAME  play this scenario, and others so named; without it, all
  --trace          print every event of each run
  --list           print the scenarios
";

struct Args {
    seeds: Range<u64>,
    scenarios: Vec<&'static Scenario>,
    trace: bool,
}

/// None where the usage or the list was asked for and printed.
fn parse(args: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let mut parsed = Args { seeds: 1..2, scenarios: Vec::new(), trace: false };
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--seed" => {
                let seed = number(&value()?)?;
                parsed.seeds = seed..seed.saturating_add(1);
            }
            "--seeds" => {
                let text = value()?;
                let (from, to) = text.split_once("..").ok_or("`--seeds` takes A..B")?;
                parsed.seeds = number(from)?..number(to)?;
            }
            "--scenario" => {
                let name = value()?;
                let known = find(&name).ok_or(format!("there is no scenario `{name}`; see --list"))?;
                parsed.scenarios.push(known);
            }
            "--trace" => parsed.trace = true,
            "--list" => {
                SCENARIOS.iter().for_each(|s| println!("{:<16} {}", s.name, s.about));
                return Ok(None);
            }
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(None);
            }
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    if parsed.scenarios.is_empty() {
        parsed.scenarios = SCENARIOS.iter().collect();
    }
    Ok(Some(parsed))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no seed: it must be a number"))
}

/// Whether no rule was broken.
fn play(scenario: &Scenario, seed: u64, trace: bool) -> bool {
    let run = if trace { Run::traced(seed) } else { Run::from(seed) };
    match (scenario.play)(run) {
        Ok(report) => {
            report.lines.iter().for_each(|line| println!("{line}"));
            println!("{report}");
            true
        }
        Err(failure) => {
            failure.lines.iter().for_each(|line| println!("{line}"));
            println!("{failure}");
            false
        }
    }
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprint!("riverrun-sim: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut failures = 0;
    for seed in args.seeds {
        failures += args.scenarios.iter().filter(|scenario| !play(scenario, seed, args.trace)).count();
    }
    if failures == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{failures} runs failed");
    ExitCode::FAILURE
}
