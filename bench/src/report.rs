//! What a run says: a table for each row, as medians with their spread.

use std::fmt::Write as _;

use crate::rows::{Column, Row};
use crate::targets::growth;

/// All rounds of one peer in one row.
pub(crate) struct Series {
    /// Its name.
    pub(crate) peer: &'static str,
    /// One number for each column, for each round.
    pub(crate) rounds: Vec<Vec<f64>>,
    /// Whether it takes no more part.
    pub(crate) over: bool,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// What was run.
    pub(crate) command: String,
}

impl Series {
    pub(crate) fn new(peer: &'static str) -> Series {
        Series { peer, rounds: Vec::new(), over: false, error: None, command: String::new() }
    }

    fn sorted(&self, column: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| round.get(column).copied())
            .filter(|v| !v.is_nan())
            .collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The middle of all rounds.
    pub(crate) fn median(&self, column: usize) -> Option<f64> {
        let values = self.sorted(column);
        let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
        Some(f64::midpoint(values[low], values[high]))
    }

    fn cell(&self, number: usize, column: &Column, rounds: usize) -> String {
        let values = self.sorted(number);
        let (Some(least), Some(most), Some(median)) = (values.first(), values.last(), self.median(number))
        else {
            return String::new();
        };
        let digits = column.digits;
        if values.len() == 1 {
            let once = if rounds > 1 { " (once)" } else { "" };
            return format!("{median:.digits$}{once}");
        }
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

/// The text as it grows.
pub(crate) struct Report {
    text: String,
    rounds: usize,
}

impl Report {
    pub(crate) fn new(rounds: usize, mib: usize, versions: Vec<(&'static str, String)>) -> Report {
        let mut text = format!(
            "# Results\n\nMade by `cargo xtask bench --rounds {rounds} --size {mib}`: {mib} MiB in pieces of 1 MiB on tmpfs, over \
             loopback, all clients in turns, after one round that does not count. Each cell is the median of {rounds} \
             rounds, and the least and the most; who takes more than 8 s, with starting and checking (30 s where we watch for long), is asked once more, and that counts; who takes more than 30 s is asked once. CPU time is that of the client alone, user and system, from the first \
             connection on; the generator's stands beside it, as loopback charges some of a receiver's work to the \
             sender. The ratio is the first column against ours: above 1 we need less.\n\n"
        );
        text += &machine();
        text += "\n| client | version |\n|---|---|\n";
        for (peer, version) in versions {
            text += &format!("| {peer} | {version} |\n");
        }
        Report { text, rounds }
    }

    /// One row's table.
    pub(crate) fn row(&mut self, row: &dyn Row, series: &[Series]) {
        let columns = row.columns();
        let compared = if row.curve().is_some() { columns.len() - 1 } else { 0 };
        let ours = series.iter().find(|series| series.peer == "riverrun");
        let ours = ours.and_then(|series| series.median(compared));
        let (text, rounds) = (&mut self.text, self.rounds);
        let _ = write!(text, "\n## {}\n\n{}.\n\n", row.name(), row.about());
        if row.curve().is_some() {
            let _ = write!(text, "![{0}](plots/{0}.svg)\n\n", row.name());
            text.push_str("A cell is empty where the client did not get so far. The ratio is that of the last column.\n\n");
        }
        text.push_str("| client |");
        for column in columns {
            let _ = write!(text, " {} |", column.name);
        }
        let _ = write!(text, " ratio |\n|---|{}---:|\n", "---:|".repeat(columns.len()));
        for series in series {
            if let Some(error) = &series.error {
                let line = error.lines().next().unwrap_or_default();
                let _ = writeln!(text, "| {} | failed: {line} |{}", series.peer, " |".repeat(columns.len()));
                continue;
            }
            if series.median(0).is_none() {
                continue;
            }
            let _ = write!(text, "| {} |", series.peer);
            for (number, column) in columns.iter().enumerate() {
                let _ = write!(text, " {} |", series.cell(number, column, rounds));
            }
            let ratio =
                series.median(compared).zip(ours).map(|(theirs, ours)| format!("{:.2}", theirs / ours));
            let _ = writeln!(text, " {} |", ratio.unwrap_or_default());
        }
        let mut verdicts: Vec<String> =
            row.targets().iter().map(|target| target.verdict(columns, series)).collect();
        verdicts.extend(row.curve().map(|curve| growth(&curve, series)));
        if !verdicts.is_empty() {
            let _ = write!(text, "\nTargets:\n\n{}\n", verdicts.join("\n"));
        }
        let _ = write!(text, "\nCommands:\n\n");
        for Series { peer, command, .. } in series.iter().filter(|series| !series.command.is_empty()) {
            let _ = writeln!(text, "- {peer}: `{command}`");
        }
    }

    /// A remark at the end.
    pub(crate) fn note(&mut self, note: &str) {
        let _ = write!(self.text, "\n{note}\n");
    }

    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }
}

/// What this machine is.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map_or("unknown", |line| line.trim_start_matches([':', '\t', ' '])).to_owned()
    };
    let flags = field(&cpu, "flags");
    let has: Vec<&str> = ["sha_ni", "avx2", "avx512f"]
        .into_iter()
        .filter(|flag| flags.split(' ').any(|word| word == *flag))
        .collect();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "Machine: {}, {cores} cores ({}), memory {}, Linux {}.\n",
        field(&cpu, "model name"),
        has.join(", "),
        field(&memory, "MemTotal"),
        kernel.trim(),
    )
}
