//! What a block costs in instructions. Callgrind counts them, and the count is nearly the same in every run: it may be a
//! test where a time may not.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Context, Outcome};
use crate::Result;
use crate::process::{self, Cases};

/// The most instructions that a crate may spend on each block, on both ends together. What the compiler builds into its
/// functions counts; the allocator, containers of the standard library that stay functions, hashes, and the test's pipes
/// don't. When something gets cheaper the number goes down.
const BUDGETS: [(&str, u64); 3] =
    [("riverrun_shard", 8_600), ("riverrun_engine", 4_100), ("riverrun_wire", 420)];

/// A transfer of so many blocks, and of more: what a connection and a torrent cost once is in both.
const BLOCKS: [u64; 2] = [256, 1_024];

/// The stage.
pub(crate) fn budget(context: &Context<'_>) -> Result<Outcome> {
    if !has_valgrind() {
        let line = "valgrind is not there: apt-get install valgrind";
        return Ok(Outcome::idle(true, line));
    }
    let program = build(context)?;
    let [few, many] = BLOCKS.map(|blocks| count(context, &program, blocks));
    let (few, many) = (few?, many?);
    let mut cases = Cases::default();
    for (name, budget) in BUDGETS {
        let spent = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
        let each = spent(&many).saturating_sub(spent(&few)) / (BLOCKS[1] - BLOCKS[0]);
        println!("{name}: {each} instructions a block, at most {budget}");
        // None at all is no saving: callgrind did not see what it was to count.
        let passed = each > 0 && each <= budget;
        (cases.passed, cases.failed) = (cases.passed + u64::from(passed), cases.failed + u64::from(!passed));
    }
    Ok(Outcome { success: cases.failed == 0, cases, ..Outcome::default() })
}

/// Whether valgrind is there, once root has had the system bring it.
fn has_valgrind() -> bool {
    let there = || {
        let mut version = Command::new("valgrind");
        version.arg("--version");
        process::capture(version).is_ok_and(|(success, _)| success)
    };
    let bring = || {
        let mut install = Command::new("apt-get");
        install.args(["-qq", "-y", "--no-install-recommends", "install", "valgrind"]);
        process::capture(install).is_ok_and(|(success, _)| success)
    };
    there() || bring() && there()
}

/// Builds the transfer that is counted, as the simulator is built; its program.
fn build(context: &Context<'_>) -> Result<String> {
    let mut command =
        context.repo.cargo(&["test", "--package", "riverrun-shard", "--test", "instructions", "--no-run"]);
    command.args(super::stages::OPTIMISED).arg("--message-format=json-render-diagnostics");
    let (success, text) = process::capture(command)?;
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.to_owned())
    };
    let program = text.lines().filter_map(executable).next_back();
    program.filter(|_| success).ok_or_else(|| format!("the transfer does not build\n{text}").into())
}

/// Instructions of each crate while so many blocks are moved.
fn count(context: &Context<'_>, program: &str, blocks: u64) -> Result<BTreeMap<String, u64>> {
    let out = context.repo.target_dir()?.join(format!("callgrind.{blocks}"));
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).arg("--ignored").env("RIVERRUN_BLOCKS", blocks.to_string());
    let (success, text) = process::capture(command)?;
    if !success {
        return Err(format!("the transfer failed under callgrind\n{text}").into());
    }
    Ok(sums(&std::fs::read_to_string(out)?))
}

/// Adds up the own cost of functions by the first word of their names, which is the crate's. The format is callgrind's: a
/// name is written once and has a number from then on; the line after `calls=` is what the called function cost, which
/// has lines of its own.
fn sums(profile: &str) -> BTreeMap<String, u64> {
    let (mut names, mut sums) = (BTreeMap::new(), BTreeMap::new());
    let (mut current, mut called) = (String::new(), false);
    for line in profile.lines() {
        if let Some((key @ ("fn" | "cfn"), value)) = line.split_once('=') {
            let (number, name) = value.split_once(' ').unwrap_or((value, ""));
            if !name.is_empty() {
                names.insert(number.to_owned(), room(name).to_owned());
            }
            if key == "fn" {
                current = names.get(number).cloned().unwrap_or_default();
            }
        } else if line.starts_with("calls=") {
            called = true;
        } else if let Some((place, cost)) = line.split_once(' ')
            && place.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*'))
            && let Ok(cost) = cost.parse::<u64>()
            && !std::mem::take(&mut called)
        {
            *sums.entry(current.clone()).or_default() += cost;
        }
    }
    sums
}

/// The crate that a function is of: `<riverrun_shard::Shard as Trait>::poll` and `riverrun_shard::poll` alike.
fn room(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&']);
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_costs_are_added_up_and_those_of_others_are_not() {
        let profile = "events: Ir\n\nfl=(1) a.rs\nfn=(1) riverrun_shard::poll\n10 5\n+2 7\n* 1\ncfn=(2) <riverrun_engine::A as B>::c\n\
                       calls=3 20\n-1 900\n12 2\n\nfn=(2)\n20 300\nfi=(2)\n9 8\n\nfn=(3) malloc\n0 4\n\ntotals: 1227\n";
        let sums = sums(profile);
        let of = |name| sums.get(name).copied();
        assert_eq!(
            (of("riverrun_shard"), of("riverrun_engine"), of("malloc")),
            (Some(15), Some(308), Some(4))
        );
    }
}
