//! `torrent help`.

use clap::{Args, Command};

use crate::exit::{Code, Failure};
use crate::{environment, output};

/// Explain a command, the exit codes (`exit`) or the environment variables (`environment`)
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A command such as `bencode json`, or `exit`, or `environment`
    topic: Vec<String>,
}

pub(crate) fn run(options: &Options, mut root: Command) -> Result<(), Failure> {
    // Before it is built, for that gives each command the options that all share.
    let variables = environment::list(&root);
    root.build();
    match options.topic.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["exit"] => exit(),
        ["environment"] => {
            let width = variables.iter().map(|(variable, _)| variable.len()).max().unwrap_or(0);
            variables
                .iter()
                .try_for_each(|(variable, option)| output::line(format!("{variable:<width$}  {option}")))
        }
        ref words => {
            let found = words.iter().try_fold(&mut root, |at, word| at.find_subcommand_mut(word).ok_or(word));
            let unknown =
                |word| Failure::usage(format!("there is no command `{word}`; `torrent help` lists them"));
            let text = found.map_err(unknown)?.render_long_help().to_string();
            output::bytes(text.as_bytes())
        }
    }
}

fn exit() -> Result<(), Failure> {
    Code::TABLE.iter().try_for_each(|(code, meaning)| output::line(format!("{code:>4}  {meaning}")))
}
