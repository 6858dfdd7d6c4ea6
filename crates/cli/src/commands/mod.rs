//! One file per command.

pub(crate) mod announce;
pub(crate) mod bencode;
pub(crate) mod blocklist;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod download;
pub(crate) mod edit;
pub(crate) mod help;
pub(crate) mod magnet;
pub(crate) mod man;
pub(crate) mod metainfo;
pub(crate) mod scrape;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod tracker;
pub(crate) mod verify;
pub(crate) mod version;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// Carries out what the arguments say.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Download(options) => download::run(&options, &cli.global),
        Command::Seed(options) => seed::run(&options, &cli.global),
        Command::Serve(options) => serve::run(&options, &cli.global),
        Command::Metainfo(options) => metainfo::run(&options),
        Command::Magnet(options) => magnet::run(&options),
        Command::Create(options) => create::run(&options, &cli.global),
        Command::Verify(options) => verify::run(&options, &cli.global),
        Command::Edit(options) => edit::run(&options),
        Command::Announce(options) => announce::run(&options),
        Command::Scrape(options) => scrape::run(&options),
        Command::Tracker(options) => tracker::run(&options),
        Command::Blocklist(command) => blocklist::run(&command),
        Command::Bencode(command) => bencode::run(&command),
        Command::Demo(options) => demo::run(&options, &cli.global),
        Command::Help(options) => help::run(&options),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => man::run(&options),
        Command::Version(options) => version::run(&options),
    }
}
