//! The option table: what `--help`, the man pages, the completions and the environment variables are made of.

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{commands, environment};

/// The option table, each option with its environment variable: the one that is parsed, shown and documented.
pub(crate) fn command() -> clap::Command {
    environment::name_variables(Cli::command())
}

/// Reads the arguments of this process and its environment.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let mut command = environment::settle(command(), &arguments);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// BitTorrent from the command line: download, seed, create, inspect and verify torrents.
#[derive(Parser, Debug)]
#[command(name = "torrent", version, propagate_version = true, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
#[command(
    after_help = "Data goes to stdout, words to stderr. `torrent help exit` lists the exit codes, `torrent help environment` \
                         the environment variables."
)]
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
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for details, three times for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to log: a level, or levels by module such as `warn,riverrun=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Download(Box<commands::download::Options>),
    Seed(Box<commands::seed::Options>),
    Serve(Box<commands::serve::Options>),
    #[command(visible_alias = "info")]
    Metainfo(commands::metainfo::Options),
    Magnet(commands::magnet::Options),
    Create(Box<commands::create::Options>),
    Verify(commands::verify::Options),
    Edit(commands::edit::Options),
    Announce(commands::announce::Options),
    Scrape(commands::scrape::Options),
    Tracker(commands::tracker::Options),
    #[command(subcommand)]
    Blocklist(commands::blocklist::Command),
    #[command(subcommand)]
    Bencode(commands::bencode::Command),
    Demo(commands::demo::Options),
    Help(commands::help::Options),
    Completions(commands::completions::Options),
    Man(commands::man::Options),
    /// Print the version, the user agent and the peer id prefix
    Version(commands::version::Options),
}
