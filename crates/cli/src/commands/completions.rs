//! `torrent completions`.

use clap::Args;
use clap_complete::Shell;

use crate::args;
use crate::exit::Failure;
use crate::output;

/// Print the completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut args::command(), "torrent", &mut script);
    output::bytes(&script)
}
