//! The options that every command has.

use clap::{ArgAction, Args};
use tracing_subscriber::EnvFilter;

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for details, three times for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to log: a level, or levels by module such as `warn,riverrun=debug`
    #[arg(long, global = true, value_name = "FILTER", value_parser = filter)]
    pub(crate) log: Option<EnvFilter>,
}

/// Reads a filter: levels, and levels by module. A word alone must be a level: as the name of a module it would mean
/// everything of that module and nothing else, which nobody wants who mistyped a level.
fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.iter().any(|level| word.trim().eq_ignore_ascii_case(level));
    let is_fine = |part: &str| match part.rsplit_once('=') {
        // A span may have fields of its own: `module[span{field=value}]=level`.
        Some((module, level)) => !module.trim().is_empty() && is_level(level),
        None => is_level(part),
    };
    let wrong = || {
        format!(
            "`{text}` is no filter; write {}, or levels by module as in warn,riverrun=debug",
            LEVELS.join(", ")
        )
    };
    if !text.split(',').all(is_fine) {
        return Err(wrong());
    }
    EnvFilter::try_new(text).map_err(|_| wrong())
}
