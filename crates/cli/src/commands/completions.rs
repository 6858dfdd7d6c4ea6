//! `torrent completions`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Failure;
use crate::output;

/// Print the completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(options: &Options, mut root: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut root, "torrent", &mut script);
    output::bytes(&script)
}
