//! `cargo xtask bench`: us beside the peers, in one run, as ratios.

mod peers;
mod rows;
mod stats;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::repo::Repo;
use crate::{Chore, Result, cache, process};
use rows::Row;
use stats::Times;

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "bench",
    args: "[--rounds N] [--size MIB]",
    about: "measure us beside other clients and write bench/RESULTS.md",
    run,
};

struct Args {
    rounds: usize,
    mib: u64,
}

fn run(repo: &Repo, args: &[String]) -> Result {
    let args = parse(args)?;
    process::check(repo.cargo(&["build", "--release", "-p", "riverrun-cli"]))?;
    let target = repo.metadata()?.target_directory;
    let torrent = target.join("release").join("torrent");
    let python = peers::libtorrent()?;
    let scratch = scratch()?;
    let outcome = measure(repo, &args, torrent.as_std_path(), &python, &scratch);
    cache::remove_if_there(&scratch)?;
    let text = outcome?;
    print!("{text}");
    std::fs::write(repo.path("bench/RESULTS.md"), text)?;
    Ok(())
}

fn parse(args: &[String]) -> Result<Args> {
    let mut parsed = Args { rounds: 5, mib: 2048 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).ok_or(format!("{arg} needs a number"));
        match arg.as_str() {
            "--rounds" => parsed.rounds = number()? as usize,
            "--size" => parsed.mib = number()?,
            _ => return Err(format!("unknown argument `{arg}`").into()),
        }
    }
    Ok(parsed)
}

/// A directory in memory where the machine has one.
fn scratch() -> Result<std::path::PathBuf> {
    let base = Path::new("/dev/shm");
    let base = if base.is_dir() { base.to_path_buf() } else { cache::dir()? };
    let dir = base.join(format!("riverrun-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn measure(repo: &Repo, args: &Args, torrent: &Path, python: &Path, scratch: &Path) -> Result<String> {
    let data = rows::Data::make(scratch, args.mib, torrent)?;
    let script = repo.path("bench/py/libtorrent_hash.py");
    let mut text = head(args)?;
    for row in rows::rows(&data, torrent, python, &script) {
        println!("{}: {} rounds", row.name, args.rounds);
        let (ours, theirs) = interleave(&row, args.rounds)?;
        writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} |",
            row.name,
            ours.show(args.mib),
            theirs.show(args.mib),
            theirs.median_wall() / ours.median_wall(),
            theirs.median_cpu() / ours.median_cpu(),
        )?;
    }
    text += "\nCommands:\n\n";
    for row in rows::rows(&data, torrent, python, &script) {
        writeln!(text, "- {}: `{}`; `{}`", row.name, process::show(&row.ours), process::show(&row.theirs))?;
    }
    // The commands as anyone can type them: no path of this machine.
    let root = format!("{}/", repo.root().display());
    Ok(text.replace(&root, "").replace(&*scratch.to_string_lossy(), "DIR"))
}

fn head(args: &Args) -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([':', '\t', ' ']));
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "# Results\n\nMade by `cargo xtask bench --rounds {} --size {}` on {} ({cores} cores), in the page cache. Each \
         cell: wall seconds, median (min to max); GB/s of the median; CPU-seconds, median.\n\n\
         | work | riverrun | libtorrent | wall ratio | CPU ratio |\n|---|---|---|---|---|\n",
        args.rounds,
        args.mib,
        model.unwrap_or("an unnamed CPU"),
    ))
}

/// Runs both in turns, after one round that does not count.
fn interleave(row: &Row, rounds: usize) -> Result<(Times, Times)> {
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for round in 0..=rounds {
        let (a, b) = (stats::whole(clone(&row.ours))?, stats::told(clone(&row.theirs))?);
        if round > 0 {
            ours.add(a);
            theirs.add(b);
        }
    }
    Ok((ours, theirs))
}

fn clone(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}
