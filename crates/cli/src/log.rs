//! Logging to stderr, with repeated lines thinned out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::global::Global;

/// A line that repeats is shown again only after so long, with the number of times it came.
const THIN: Duration = Duration::from_secs(10);
/// Different lines remembered; beyond it all are forgotten and each is shown once more.
const REMEMBERED: usize = 1_000;

/// Starts logging. `--log` (or `RIVERRUN_LOG`) is a filter such as `debug` or `riverrun=trace`; `-v` raises and `-q`
/// lowers the default, which is warnings.
pub(crate) fn init(global: &Global) {
    let default = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    // What is wrong with `--log` was said when the arguments were read.
    let filter = global.log.clone().unwrap_or_else(|| EnvFilter::new(default));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(Thinned::default().with_filter(filter)).try_init();
}

/// A layer that prints each different line at most once in [`THIN`].
#[derive(Default)]
struct Thinned {
    seen: Mutex<HashMap<String, Seen>>,
}

struct Seen {
    at: Instant,
    times: u64,
}

impl Thinned {
    /// How often the line came unseen since it was last shown, or None where it is not to be shown now.
    fn admit(&self, line: &str, now: Instant) -> Option<u64> {
        let Ok(mut seen) = self.seen.lock() else { return Some(0) };
        if let Some(entry) = seen.get_mut(line) {
            if now.duration_since(entry.at) < THIN {
                entry.times += 1;
                return None;
            }
            let times = std::mem::take(&mut entry.times);
            entry.at = now;
            return Some(times);
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(line.to_owned(), Seen { at: now, times: 0 });
        Some(0)
    }
}

impl<S: Subscriber> Layer<S> for Thinned {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *meta.level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let line = format!("{level}: {}{}", text.message, text.fields);
        match self.admit(&line, Instant::now()) {
            None => {}
            Some(0) => crate::output::complain(line),
            Some(times) => crate::output::complain(format!("{line} ({times} times more since the last)")),
        }
        let _ = std::io::stderr().flush();
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            // Where a library logged from is long and helps few.
            name if name.starts_with("log.") => Ok(()),
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_thinned_and_counted() {
        let (thinned, start) = (Thinned::default(), Instant::now());
        assert_eq!(thinned.admit("a", start), Some(0));
        assert_eq!(thinned.admit("a", start + Duration::from_secs(1)), None);
        assert_eq!(thinned.admit("b", start + Duration::from_secs(1)), Some(0));
        assert_eq!(thinned.admit("a", start + THIN), Some(1));
        assert_eq!(thinned.admit("a", start + THIN * 2), Some(0));
    }
}
