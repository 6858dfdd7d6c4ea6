//! Times of several runs.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Result, process};

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    wall: f64,
    cpu: f64,
}

/// Several runs.
#[derive(Debug, Default)]
pub(crate) struct Times {
    runs: Vec<Run>,
}

impl Times {
    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    pub(crate) fn median_wall(&self) -> f64 {
        median(self.runs.iter().map(|run| run.wall).collect())
    }

    pub(crate) fn median_cpu(&self) -> f64 {
        median(self.runs.iter().map(|run| run.cpu).collect())
    }

    /// Wall median with its spread, the rate for so many MiB, and the CPU median.
    pub(crate) fn show(&self, mib: u64) -> String {
        let walls = || self.runs.iter().map(|run| run.wall);
        let (least, most) = (walls().fold(f64::INFINITY, f64::min), walls().fold(0.0, f64::max));
        let rate = mib as f64 * (1u64 << 20) as f64 / self.median_wall() / 1e9;
        let (wall, cpu) = (self.median_wall(), self.median_cpu());
        format!("{wall:.3} ({least:.3} to {most:.3}); {rate:.2} GB/s; {cpu:.2} CPU-s")
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Times a whole process from outside, with the CPU seconds that the shell's `time -p` reports of it.
pub(crate) fn whole(command: Command) -> Result<Run> {
    let mut timed = Command::new("bash");
    timed.args(["-c", "TIMEFORMAT='%U %S'; time \"$@\" >/dev/null 2>&1", "bench"]).arg(command.get_program());
    timed.args(command.get_args());
    let start = Instant::now();
    let output = timed.stdin(Stdio::null()).output()?;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("`{}` failed: {text}", process::show(&command)).into());
    }
    let cpu = text.split_whitespace().rev().take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    Ok(Run { wall, cpu })
}

/// Runs a process that prints its own wall and CPU seconds.
pub(crate) fn told(mut command: Command) -> Result<Run> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(Ok(wall)), Some(Ok(cpu))) => Ok(Run { wall, cpu }),
        _ => Err(format!("`{}` failed: {text}", process::show(&command)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let mut times = Times::default();
        for wall in [3.0, 1.0, 2.0] {
            times.add(Run { wall, cpu: wall * 2.0 });
        }
        assert_eq!((times.median_wall(), times.median_cpu()), (2.0, 4.0));
        assert!(times.show(1024).starts_with("2.000 (1.000 to 3.000); 0.54 GB/s"));
    }

    #[test]
    fn a_process_is_timed_and_its_failure_told() {
        let mut ok = Command::new("sh");
        ok.args(["-c", "echo noise; exit 0"]);
        assert!(whole(ok).unwrap().wall >= 0.0);
        let mut bad = Command::new("sh");
        bad.args(["-c", "exit 3"]);
        assert!(whole(bad).is_err());
        let mut told_ok = Command::new("sh");
        told_ok.args(["-c", "echo 1.5 2.5"]);
        assert_eq!(told(told_ok).unwrap().cpu, 2.5);
    }
}
