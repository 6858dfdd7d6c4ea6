//! What happened, as one number and, where asked for, as text.

use std::fmt;

use types::Time;

/// A rolling hash over every event of a run. Two runs of one seed must end with the same one.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(text: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, events: 0, lines: text.then(Vec::new) }
    }

    /// Takes in one event: its kind, who it happened to, and two numbers that describe it.
    pub(crate) fn event(&mut self, now: Time, kind: &'static str, host: u32, a: u64, b: u64) {
        kind.bytes().for_each(|byte| self.mix(u64::from(byte)));
        [now.as_micros(), u64::from(host), a, b].into_iter().for_each(|word| self.mix(word));
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now} host {host} {kind} {a} {b}"));
        }
    }

    /// Takes in an event that is best described in words.
    pub(crate) fn note(&mut self, now: Time, host: u32, words: fmt::Arguments<'_>) {
        let mut sum = Sum(0);
        // Writing into a sum never fails.
        let _ = fmt::Write::write_fmt(&mut sum, words);
        self.mix(now.as_micros());
        self.mix(u64::from(host));
        self.mix(sum.0);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now} host {host} {words}"));
        }
    }

    fn mix(&mut self, word: u64) {
        // One round of a multiplicative hash: enough to tell two runs apart, and cheap enough for every event.
        let mixed = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ (mixed >> 29);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

/// Words as a number, without a string in between.
struct Sum(u64);

impl fmt::Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_words_count() {
        let run = |words: [&str; 2]| {
            let mut trace = Trace::new(false);
            words.iter().for_each(|word| trace.note(Time::ZERO, 1, format_args!("{word}")));
            trace.event(Time::ZERO, "x", 1, 2, 3);
            trace.hash()
        };
        assert_eq!(run(["a", "b"]), run(["a", "b"]));
        assert_ne!(run(["a", "b"]), run(["b", "a"]));
    }
}
