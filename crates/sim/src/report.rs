//! What a run is given and what it tells.

use std::fmt;

use types::Time;

/// What a run is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Run {
    /// The number that everything follows from.
    pub seed: u64,
    /// Whether each event is also kept as a line of text.
    pub text: bool,
}

impl Run {
    /// A run that keeps the text of its trace.
    pub const fn traced(seed: u64) -> Run {
        Run { seed, text: true }
    }
}

impl From<u64> for Run {
    /// A run of this seed, without text.
    fn from(seed: u64) -> Run {
        Run { seed, text: false }
    }
}

/// What a run showed. No rule was broken.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Its seed.
    pub seed: u64,
    /// Virtual time at its end.
    pub ended: Time,
    /// Events that happened.
    pub events: u64,
    /// The rolling hash over all of them.
    pub trace: u64,
    /// Each of them in words, where that was asked for.
    pub lines: Vec<String>,
    /// When each node had everything: host number and time. Seeds have it from the start.
    pub completed: Vec<(u32, Time)>,
    /// Payload bytes that all nodes received, the useless ones included.
    pub downloaded: u64,
    /// Of those, received in vain.
    pub wasted: u64,
    /// Payload bytes that all nodes served.
    pub uploaded: u64,
    /// What this scenario measures besides.
    pub figures: Vec<(&'static str, f64)>,
}

impl Report {
    /// A figure by its name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { scenario, seed, ended, events, trace, .. } = self;
        write!(f, "{scenario} seed {seed}: ok at {ended}, {events} events, trace {trace:016x}")?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let wasted = 100.0 * self.wasted as f64 / self.downloaded.max(1) as f64;
        write!(f, ", {:.1} MiB received, {wasted:.2} % in vain", mib(self.downloaded))?;
        self.figures.iter().try_for_each(|(name, value)| write!(f, ", {name} {value:.3}"))
    }
}

/// A rule that was broken, and how to see it again.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error(
    "{scenario} seed {seed} failed at {at}: {message}\n  again: cargo xtask sim --seed {seed} --scenario {scenario} --trace"
)]
#[non_exhaustive]
pub struct Failure {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Its seed.
    pub seed: u64,
    /// Virtual time.
    pub at: Time,
    /// What was broken.
    pub message: String,
    /// The rolling hash over all events up to then.
    pub trace: u64,
    /// Each of them in words, where that was asked for.
    pub lines: Vec<String>,
}
