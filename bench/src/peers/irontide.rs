//! IronTide, a library; `irontide/` is a small program over it.

use std::path::PathBuf;
use std::process::Command;

use super::{Done, Job, Peer, built, here};
use crate::Result;

/// The client.
pub(crate) struct Irontide;

const VERSION: &str = "1.7.0";

fn program() -> Result<PathBuf> {
    built(&format!("irontide-{VERSION}"), "irontide-driver", |home| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["install", "--locked", "--path"]).arg(here("irontide")).arg("--root").arg(home);
        command
    })
}

fn transfer(job: &Job<'_>, verb: &str) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .arg(verb)
        .arg(job.torrent)
        .arg(job.dir)
        .arg(job.listen.port().to_string())
        .env("HOME", job.scratch);
    Ok(command)
}

impl Peer for Irontide {
    fn name(&self) -> &'static str {
        "irontide"
    }

    fn install(&self) -> Result<String> {
        program().map(|_| VERSION.to_owned())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(Some((transfer(job, "download")?, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        transfer(job, "seed").map(Some)
    }
}
