//! `torrent man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::exit::{Code, Failure};
use crate::output;

/// Print the man page, or write the pages of all commands into a directory
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The command whose page to print; without it, the page of `torrent` itself
    #[arg(conflicts_with = "dir")]
    command: Vec<String>,
    /// Write every page into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, mut root: Command) -> Result<(), Failure> {
    root.build();
    if let Some(dir) = &options.dir {
        std::fs::create_dir_all(dir).map_err(|error| Failure::io(dir.display(), &error))?;
        return write_all(&root, "torrent", dir);
    }
    let mut found = &root;
    for word in &options.command {
        found = found.find_subcommand(word).ok_or_else(|| {
            Failure::usage(format!("there is no command `{word}`; `torrent help` lists them"))
        })?;
    }
    let name = ["torrent"]
        .into_iter()
        .chain(options.command.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    output::bytes(&page(found, &name)?)
}

fn write_all(command: &Command, name: &str, dir: &std::path::Path) -> Result<(), Failure> {
    let path = dir.join(format!("{name}.1"));
    std::fs::write(&path, page(command, name)?).map_err(|error| Failure::io(path.display(), &error))?;
    let inner = command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set());
    inner.into_iter().try_for_each(|sub| write_all(sub, &format!("{name}-{}", sub.get_name()), dir))
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    // clap keeps names for the whole run of the program; the pages are made once.
    let command = command.clone().name(name.to_owned()).bin_name(name.replace('-', " "));
    Man::new(command)
        .render(&mut out)
        .map_err(|error| Failure::new(Code::Other, format!("cannot make the page of {name}: {error}")))?;
    out.extend(b".SH \"EXIT STATUS\"\n");
    for (code, meaning) in Code::TABLE {
        out.extend(format!(".TP\n{code}\n{}\n", meaning.replace('-', "\\-")).as_bytes());
    }
    Ok(out)
}
