//! The option table: what `--help`, the man pages, the completions and the environment variables are made of.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands;

/// BitTorrent from the command line: download, seed, create, inspect and verify torrents.
#[derive(Parser, Debug)]
#[command(name = "torrent", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Data goes to stdout, words to stderr. `torrent help exit` lists the exit codes.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Say nothing but errors
    #[arg(short, long, global = true, env = "RIVERRUN_QUIET", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for details, three times for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to log: a level, or levels by module such as `warn,riverrun=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "RIVERRUN_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    #[command(visible_alias = "info")]
    Metainfo(commands::metainfo::Options),
    Magnet(commands::magnet::Options),
    Edit(commands::edit::Options),
    #[command(subcommand)]
    Bencode(commands::bencode::Command),
    Completions(commands::completions::Options),
    Man(commands::man::Options),
    /// Print the version, the user agent and the peer id prefix
    Version(commands::version::Options),
}
