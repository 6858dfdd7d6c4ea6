//! Running other programs: streaming, capturing, counting test cases.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::Result;

/// Test cases found in a program's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cases {
    /// Cases that passed.
    pub(crate) passed: u64,
    /// Cases that failed.
    pub(crate) failed: u64,
}

/// What a program did while its output streamed to the terminal.
pub(crate) struct Run {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// The sum of the result lines it printed.
    pub(crate) cases: Cases,
    /// The lines in which it named what it did not run (`not run: ...`), without that prefix.
    pub(crate) not_run: Vec<String>,
}

/// Runs a program with its output on the terminal; a failure names the command.
pub(crate) fn check(mut command: Command) -> Result {
    let status =
        command.stdin(Stdio::null()).status().map_err(|error| format!("{}: {error}", show(&command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", show(&command)).into()) }
}

/// Runs a program in silence; returns whether it succeeded, and all it wrote.
pub(crate) fn capture(mut command: Command) -> Result<(bool, String)> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", show(&command)))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), text))
}

/// Runs a program, streams its output line by line, and adds up its result lines on the way.
pub(crate) fn stream(mut command: Command) -> Result<Run> {
    println!("$ {}", show(&command));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| format!("{}: {error}", show(&command)))?;
    let mut run = Run { success: false, cases: Cases::default(), not_run: Vec::new() };
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            std::io::stdout().write_all(&line)?;
            run.read(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    run.success = child.wait()?.success();
    Ok(run)
}

impl Run {
    fn read(&mut self, line: &str) {
        if let Some(cases) = cases(line) {
            self.cases.passed += cases.passed;
            self.cases.failed += cases.failed;
        } else if let Some(what) = line.trim().strip_prefix("not run: ") {
            self.not_run.push(what.to_owned());
        }
    }
}

/// Reads `test result: ok. 12 passed; 0 failed; ...` (libtest) or `12 passed, 0 failed` (ours) from one line.
fn cases(line: &str) -> Option<Cases> {
    let line = line.trim();
    let counts = match line.strip_prefix("test result: ") {
        Some(rest) => rest.split_once(". ")?.1,
        None => line,
    };
    let (passed, rest) = counts.split_once(" passed")?;
    let rest = rest.strip_prefix("; ").or_else(|| rest.strip_prefix(", "))?;
    let (failed, tail) = rest.split_once(" failed")?;
    if !tail.is_empty() && !tail.starts_with(';') {
        return None;
    }
    Some(Cases { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

/// The command as one would type it, without its environment.
pub(crate) fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text += &arg.to_string_lossy();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let libtest =
            "test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        assert_eq!(cases(libtest), Some(Cases { passed: 12, failed: 3 }));
        assert_eq!(cases("7 passed, 0 failed"), Some(Cases { passed: 7, failed: 0 }));
    }

    #[test]
    fn other_lines_are_not() {
        for line in
            ["running 3 tests", "test a ... ok", "the 7 passed, 0 failed cars", "7 passed, 0 failed so far"]
        {
            assert_eq!(cases(line), None, "{line}");
        }
    }

    #[test]
    fn what_was_not_run_is_kept() {
        let mut run = Run { success: true, cases: Cases::default(), not_run: Vec::new() };
        run.read("not run: aria2 is not installed\n");
        assert_eq!(run.not_run, ["aria2 is not installed"]);
    }
}
