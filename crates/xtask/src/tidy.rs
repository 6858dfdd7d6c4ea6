//! `cargo xtask tidy [-v]`: the style that a machine can hold.
//!
//! Counted without `#[cfg(test)]` items, `tests/`, `benches/` and files marked `@generated`:
//!
//! - `file-lines`: no file over 600 lines; over 500 is listed.
//! - `fn-lines`: no function over 70 lines, signature to closing brace; over 40 is listed with `-v`.
//! - `undocumented`: every `pub` item, field, variant, method and trait item has its documentation, and every crate its
//!   front page.
//! - `unproven`: `unwrap()` only with the proof in a comment on its line or the line above; `expect` with the proof in
//!   its message, a literal of at least two words. Programs beside the crates (`fuzz/`, `bench/`, `interop/`) are tests.
//! - `bypass`: no `allow` or `expect` of the lints that are law: in a pure crate those that keep it pure, anywhere those
//!   about the rust-version and the arguments of `unsafe`.
//!
//! In all files, tests included:
//!
//! - `unfinished`: no `todo!`, `unimplemented!`, `dbg!`, and no comment that says so.
//! - `hygiene`: no tabs, no spaces at line ends, no carriage returns, one newline at the end, no path of one machine.
//!
//! `tidy.toml` holds exceptions, each with a reason; it is a ratchet (see [`ratchet`]).

mod docs;
mod hygiene;
mod ratchet;
mod source;
mod syntax;

use std::collections::BTreeSet;

use crate::repo::Repo;
use crate::{Chore, Result};
use source::Source;

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "tidy",
    args: "[-v]",
    about: "sizes, documentation, proofs and hygiene of the sources",
    run,
};

/// No file may have more lines than this.
const FILE_LINES: usize = 600;
/// Files over this are listed: the next change should split them.
const FILE_LINES_LISTED: usize = 500;
/// No function may have more lines than this.
const FN_LINES: usize = 70;
/// Functions over this are listed with `-v`.
const FN_LINES_LISTED: usize = 40;

/// The rules, by the names that `tidy.toml` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A file is too long.
    FileLines,
    /// A function is too long.
    FnLines,
    /// A `pub` thing has no documentation.
    Undocumented,
    /// An `unwrap` or `expect` has no proof.
    Unproven,
    /// A lint that is law is switched off.
    Bypass,
    /// Something says that it is not finished.
    Unfinished,
    /// Tabs, line ends, machine paths.
    Hygiene,
}

impl Rule {
    /// The rule's name in `tidy.toml` and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rule::FileLines => "file-lines",
            Rule::FnLines => "fn-lines",
            Rule::Undocumented => "undocumented",
            Rule::Unproven => "unproven",
            Rule::Bypass => "bypass",
            Rule::Unfinished => "unfinished",
            Rule::Hygiene => "hygiene",
        }
    }
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The rule.
    pub(crate) rule: Rule,
    /// The file, below the root.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The function or item concerned; empty where the file itself is.
    pub(crate) item: String,
    /// Lines, for the rules that count lines; otherwise 1.
    pub(crate) measure: usize,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.file, self.line, self.message, self.rule.name())
    }
}

/// What one look at the tree found.
#[derive(Default)]
pub(crate) struct Report {
    /// Broken rules, before exceptions.
    pub(crate) findings: Vec<Finding>,
    /// Files near the limit.
    pub(crate) long_files: Vec<(String, usize)>,
    /// Functions over the listed size: `file:line`, name, lines.
    pub(crate) long_fns: Vec<(String, String, usize)>,
    /// How many Rust files were read.
    pub(crate) rust_files: usize,
}

fn run(repo: &Repo, args: &[String]) -> Result {
    let verbose = match args {
        [] => false,
        [flag] if flag == "-v" || flag == "--verbose" => true,
        _ => return Err("usage: cargo xtask tidy [-v]".into()),
    };
    let report = look(repo)?;
    for (file, lines) in &report.long_files {
        println!("{file}: {lines} lines without its tests: split it soon (limit {FILE_LINES})");
    }
    if verbose {
        for (place, name, lines) in &report.long_fns {
            println!("{place}: fn {name}: {lines} lines (aim at {FN_LINES_LISTED}, limit {FN_LINES})");
        }
    }
    let rust_files = report.rust_files;
    let broken = ratchet::hold(repo, report.findings)?;
    for sentence in &broken {
        println!("{sentence}");
    }
    if broken.is_empty() {
        println!("tidy: {rust_files} Rust files in order");
        return Ok(());
    }
    Err(format!("{} untidy", broken.len()).into())
}

/// One sentence for each broken rule that `tidy.toml` does not allow.
pub(crate) fn check(repo: &Repo) -> Result<Vec<String>> {
    ratchet::hold(repo, look(repo)?.findings)
}

fn look(repo: &Repo) -> Result<Report> {
    let mut report = Report::default();
    let mut sources = Vec::new();
    for file in repo.files()? {
        let Ok(text) = std::fs::read_to_string(repo.path(&file)) else { continue };
        report.findings.extend(hygiene::check(&file, &text));
        if file.ends_with(".rs") {
            sources.push(Source::parse(&file, text)?);
        }
    }
    report.rust_files = sources.len();
    let tests: BTreeSet<String> = sources.iter().flat_map(Source::test_modules).collect();
    let documented: BTreeSet<String> =
        sources.iter().filter(|source| source.has_front_page()).map(|source| source.path.clone()).collect();
    for source in &sources {
        syntax::unfinished(source, &mut report.findings);
        if !source.is_test(&tests) && !source.is_generated() {
            measure(source, &documented, &mut report);
        }
    }
    Ok(report)
}

/// Everything that is asked of production code.
fn measure(source: &Source, documented: &BTreeSet<String>, report: &mut Report) {
    let lines = source.production_lines();
    if lines > FILE_LINES {
        let message =
            format!("{lines} lines without its tests, over {FILE_LINES}: split the file by what it does");
        report.findings.push(source.finding(Rule::FileLines, 1, "", lines, message));
    } else if lines > FILE_LINES_LISTED {
        report.long_files.push((source.path.clone(), lines));
    }
    for function in syntax::functions(source) {
        if function.lines > FN_LINES {
            let message =
                format!("fn {} has {} lines, over {FN_LINES}: cut it", function.name, function.lines);
            report.findings.push(source.finding(
                Rule::FnLines,
                function.line,
                &function.name,
                function.lines,
                message,
            ));
        } else if function.lines > FN_LINES_LISTED {
            report.long_fns.push((
                format!("{}:{}", source.path, function.line),
                function.name,
                function.lines,
            ));
        }
    }
    if !source.is_harness() {
        syntax::bypasses(source, &mut report.findings);
        report.findings.extend(docs::undocumented(source, documented));
        syntax::unproven(source, &mut report.findings);
    }
}
