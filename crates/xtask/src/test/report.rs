//! The end of a test run: what did not run, the seconds of each stage, and the counts.

use std::fmt;
use std::time::Duration;

use super::{NotRun, Outcome};
use crate::Result;
use crate::process::Cases;

/// One stage that ran, or was skipped.
#[derive(Debug)]
pub(crate) struct Row {
    /// The stage.
    pub(crate) name: &'static str,
    /// How long it took; `None` if it did not run.
    pub(crate) took: Option<Duration>,
    /// Whether it passed.
    pub(crate) success: bool,
    /// What it counts for in the last line.
    pub(crate) cases: Cases,
    /// Why it could not even run.
    pub(crate) error: Option<String>,
    /// What it left out.
    pub(crate) not_run: Vec<NotRun>,
}

impl Row {
    /// The row of a stage that ran. With `all`, what is needed and missing fails it.
    pub(crate) fn of(name: &'static str, took: Duration, outcome: Result<Outcome>, all: bool) -> Row {
        let (outcome, error) = match outcome {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::default(), Some(error.to_string())),
        };
        let missing = all && outcome.not_run.iter().any(|not_run| not_run.needed);
        let success = outcome.success && !missing;
        let mut cases = outcome.cases;
        // A stage without cases counts as one, and no failure may go uncounted.
        if !success {
            cases.failed = cases.failed.max(1);
        } else if cases == Cases::default() && !outcome.idle {
            cases.passed = 1;
        }
        Row { name, took: Some(took), success, cases, error, not_run: outcome.not_run }
    }

    /// The row of a stage behind a closed gate.
    pub(crate) fn skipped(name: &'static str) -> Row {
        Row { name, took: None, success: true, cases: Cases::default(), error: None, not_run: Vec::new() }
    }
}

/// All rows; its `Display` is what a run ends with.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// One row for each stage asked for.
    pub(crate) rows: Vec<Row>,
    /// The stage whose failure kept the later ones from running.
    pub(crate) closed_by: Option<&'static str>,
}

impl Report {
    /// Whether every stage passed.
    pub(crate) fn success(&self) -> bool {
        self.rows.iter().all(|row| row.success)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<8} {:>8} {:>8} {:>8}", "stage", "seconds", "passed", "failed")?;
        let mut sum = Cases::default();
        for row in &self.rows {
            sum.passed += row.cases.passed;
            sum.failed += row.cases.failed;
            match row.took {
                Some(took) => {
                    let mark = if row.success { "" } else { "  FAILED" };
                    let (passed, failed) = (row.cases.passed, row.cases.failed);
                    writeln!(f, "{:<8} {:>8.1} {passed:>8} {failed:>8}{mark}", row.name, took.as_secs_f64())?;
                }
                None => writeln!(f, "{:<8} {:>8}", row.name, "-")?,
            }
        }
        if let Some(gate) = self.closed_by {
            writeln!(f, "not run: what stands after {gate}, which must pass first")?;
        }
        for row in &self.rows {
            for not_run in &row.not_run {
                writeln!(f, "not run: {}: {}", row.name, not_run.line)?;
            }
        }
        writeln!(f, "{} passed, {} failed", sum.passed, sum.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome, all: bool) -> Row {
        Row::of("x", Duration::from_secs(1), Ok(outcome), all)
    }

    #[test]
    fn a_stage_without_cases_counts_as_one() {
        assert_eq!(row(Outcome::of(true), true).cases, Cases { passed: 1, failed: 0 });
        assert_eq!(row(Outcome::of(false), true).cases, Cases { passed: 0, failed: 1 });
        let error = Row::of("x", Duration::ZERO, Err("no".into()), false);
        assert_eq!(error.cases, Cases { passed: 0, failed: 1 });
    }

    #[test]
    fn a_failure_without_a_failed_case_is_counted() {
        let outcome = Outcome { cases: Cases { passed: 5, failed: 0 }, ..Outcome::default() };
        assert_eq!(row(outcome, false).cases, Cases { passed: 5, failed: 1 });
    }

    #[test]
    fn a_stage_that_did_not_run_has_not_passed() {
        assert_eq!(row(Outcome::idle(false, "no toolchain"), true).cases, Cases::default());
        assert_eq!(row(Outcome::idle(true, "no cargo-deny"), true).cases, Cases { passed: 0, failed: 1 });
    }

    #[test]
    fn what_is_missing_fails_only_when_all_is_asked_for() {
        assert!(row(Outcome::of(true).without(true, "aria2"), false).success);
        assert!(!row(Outcome::of(true).without(true, "aria2"), true).success);
        assert!(row(Outcome::of(true).without(false, "advisories"), true).success);
    }

    #[test]
    fn the_last_line_is_the_sum_alone() {
        let rows = vec![row(Outcome::of(true).without(true, "aria2"), false), row(Outcome::of(false), false)];
        let text = Report { rows, closed_by: None }.to_string();
        assert!(text.contains("not run: x: aria2\n"), "{text}");
        assert!(text.ends_with("\n1 passed, 1 failed\n"), "{text}");
    }
}
