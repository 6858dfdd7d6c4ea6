//! What a run says: a line for each cell, logs of those that failed, the table, the counts.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// How a cell ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As it should, with a note.
    Passed(String),
    /// Not so, and why.
    Failed(String),
    /// It could not run, and why.
    NotRun(String),
}

/// A cell's line.
#[derive(Debug)]
pub(crate) struct Row {
    /// The cell.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) about: String,
    /// How long it took.
    pub(crate) took: Duration,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// Prints a cell's line.
pub(crate) fn line(row: &Row) {
    let seconds = row.took.as_secs_f64();
    match &row.outcome {
        Outcome::Passed(note) => println!("ok      {seconds:>6.1} s  {:<48} {note}", row.name),
        Outcome::Failed(why) => println!("FAILED  {seconds:>6.1} s  {:<48} {why}", row.name),
        Outcome::NotRun(why) => println!("-       {seconds:>6.1} s  {:<48} {why}", row.name),
    }
}

/// Prints the end of every log below a cell's directory.
pub(crate) fn logs(dir: &Path) {
    const LINES: usize = 25;
    let Ok(files) = crate::data::files_below(dir) else { return };
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "log")) {
        let Ok(bytes) = std::fs::read(dir.join(file)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        println!("    --- {}", file.display());
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            println!("    | {}", line.chars().take(300).collect::<String>());
        }
    }
}

/// Prints what did not run and the counts; whether all is well.
pub(crate) fn close(rows: &[Row], all: bool) -> bool {
    let (mut passed, mut failed) = (0, 0);
    println!();
    for row in rows {
        match &row.outcome {
            Outcome::Passed(_) => passed += 1,
            Outcome::Failed(why) => {
                failed += 1;
                println!("failed: {}: {}", row.name, why.lines().next().unwrap_or(""));
            }
            Outcome::NotRun(why) => {
                failed += u64::from(all);
                println!("not run: {}: {why}", row.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    failed == 0
}

/// Writes the table to `interop/RESULTS.md`.
pub(crate) fn write_table(rows: &[Row]) -> Result {
    let mut text =
        "# Interop\n\nWritten by `interop/run --table`; each cell is filled again by its command.\n\n"
            .to_owned();
    for client in crate::counterparts::ALL {
        writeln!(text, "- {} {}", client.name(), client.version().unwrap_or_else(|_| "(missing)".into()))?;
    }
    text += "\n| What it shows | Result | Seconds | Note | Command |\n|---|---|---:|---|---|\n";
    for row in rows {
        let (result, note) = match &row.outcome {
            Outcome::Passed(note) => ("passed", note.as_str()),
            Outcome::Failed(why) => ("FAILED", why.lines().next().unwrap_or("")),
            Outcome::NotRun(why) => ("not run", why.as_str()),
        };
        let seconds = row.took.as_secs_f64();
        let (about, name) = (&row.about, &row.name);
        writeln!(text, "| {about} | {result} | {seconds:.1} | {note} | `interop/run --only {name}` |")?;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    std::fs::write(&path, text)?;
    println!("wrote {}", path.display());
    Ok(())
}
