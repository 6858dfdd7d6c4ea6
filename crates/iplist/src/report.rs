//! What became of the lines of a list.

use std::fmt;

use crate::line::Reason;

/// A line that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: u64,
    /// What is wrong with it.
    pub reason: Reason,
    /// How it begins: at most 80 characters, without control characters.
    pub text: String,
}

impl BadLine {
    const SHOWN: usize = 80;

    pub(crate) fn new(number: u64, reason: Reason, line: &[u8]) -> BadLine {
        // No character takes more than four bytes.
        let start = &line[..line.len().min(4 * BadLine::SHOWN)];
        let text = String::from_utf8_lossy(start.trim_ascii());
        let text = text.chars().filter(|c| !c.is_control()).take(BadLine::SHOWN).collect();
        BadLine { number, reason, text }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.number, self.reason, self.text)
    }
}

/// What became of the lines of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// All lines, blank ones included.
    pub lines: u64,
    /// Lines that gave a range to block.
    pub ranges: u64,
    /// Lines that let a range through (access level 128 or more in `ipfilter.dat`). They block nothing, and take
    /// nothing away from what other lines block.
    pub allowed: u64,
    /// Lines that could not be read.
    pub bad: u64,
    /// The first few of them: [`Report::SHOWN`] at most.
    pub bad_lines: Vec<BadLine>,
}

impl Report {
    /// How many bad lines are kept to be shown.
    pub const SHOWN: usize = 10;

    pub(crate) fn add_bad(&mut self, reason: Reason, line: &[u8]) {
        self.bad += 1;
        if self.bad_lines.len() < Report::SHOWN {
            self.bad_lines.push(BadLine::new(self.lines, reason, line));
        }
    }
}

impl fmt::Display for Report {
    /// One line, and one for each bad line that was kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { lines, ranges, allowed, bad, bad_lines } = self;
        write!(f, "{lines} lines: {ranges} ranges blocked, {allowed} allowed, {bad} lines not understood")?;
        bad_lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
