//! The option table: what `--help`, the man pages, the completions and the environment variables are made of; and which
//! command answers to it.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Failure;
use crate::global::Global;
use crate::{commands, environment};

/// The option table, each option with its environment variable: the one that is parsed, shown and documented.
pub(crate) fn command() -> clap::Command {
    accept_negatives(environment::name_variables(Cli::command()))
}

/// Lets a negative number be an option's value, so that its own rule is what says no, and not a flag by that name.
fn accept_negatives(command: clap::Command) -> clap::Command {
    let with_value = |arg: &clap::Arg| !arg.is_positional() && arg.get_action().takes_values();
    let accept = |arg| if with_value(&arg) { arg.allow_negative_numbers(true) } else { arg };
    command.mut_args(accept).mut_subcommands(accept_negatives)
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

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Download(Box<commands::download::Options>),
    Seed(Box<commands::seed::Options>),
    Serve(Box<commands::serve::Options>),
    #[command(visible_alias = "info")]
    Metainfo(Box<commands::metainfo::Options>),
    Magnet(commands::magnet::Options),
    Create(Box<commands::create::Options>),
    Verify(commands::verify::Options),
    Edit(commands::edit::Options),
    Announce(commands::announce::Options),
    Scrape(commands::scrape::Options),
    Tracker(commands::tracker::Options),
    #[command(visible_alias = "lsd")]
    Lpd(commands::lpd::Options),
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

/// Carries out what the arguments say.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Download(options) => commands::download::run(&options, &cli.global),
        Command::Seed(options) => commands::seed::run(&options, &cli.global),
        Command::Serve(options) => commands::serve::run(&options, &cli.global),
        Command::Metainfo(options) => commands::metainfo::run(&options, &cli.global),
        Command::Magnet(options) => commands::magnet::run(&options),
        Command::Create(options) => commands::create::run(&options, &cli.global),
        Command::Verify(options) => commands::verify::run(&options, &cli.global),
        Command::Edit(options) => commands::edit::run(&options),
        Command::Announce(options) => commands::announce::run(&options),
        Command::Scrape(options) => commands::scrape::run(&options),
        Command::Tracker(options) => commands::tracker::run(&options),
        Command::Lpd(options) => commands::lpd::run(&options, &cli.global),
        Command::Blocklist(command) => commands::blocklist::run(&command),
        Command::Bencode(command) => commands::bencode::run(&command),
        Command::Demo(options) => commands::demo::run(&options, &cli.global),
        Command::Help(options) => commands::help::run(&options, command()),
        Command::Completions(options) => commands::completions::run(&options, command()),
        Command::Man(options) => commands::man::run(&options, command()),
        Command::Version(options) => commands::version::run(&options),
    }
}
