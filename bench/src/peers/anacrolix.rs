//! The `torrent` command of anacrolix/torrent, in Go. It keeps a database in the directory it stands in.

use std::path::PathBuf;
use std::process::Command;

use super::{Done, Job, Peer, built};
use crate::Result;

/// The client.
pub(crate) struct Anacrolix;

/// v1.62.0 names a module version that nobody has.
const VERSION: &str = "1.61.0";

fn program() -> Result<PathBuf> {
    built(&format!("anacrolix-{VERSION}"), "torrent", |home| {
        let mut command = Command::new("go");
        command.args(["install", &format!("github.com/anacrolix/torrent/cmd/torrent@v{VERSION}")]);
        command.env("GOBIN", home.join("bin")).env("GOFLAGS", "");
        command
    })
}

fn transfer(job: &Job<'_>) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args([
        "download",
        "--dht=false",
        "--port-forward=false",
        "--utp-peers=false",
        "--webtorrent=false",
    ]);
    command.args(["--pex=false", "--ipv6=false", "--quiet", "--addr", &job.listen.to_string()]);
    command.env("HOME", job.scratch);
    Ok(command)
}

impl Peer for Anacrolix {
    fn name(&self) -> &'static str {
        "anacrolix"
    }

    fn install(&self) -> Result<String> {
        program().map(|_| VERSION.to_owned())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        let mut command = transfer(job)?;
        command.arg(job.torrent).current_dir(job.dir);
        Ok(Some((command, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        let mut command = transfer(job)?;
        std::os::unix::fs::symlink(job.dir.join("payload"), job.scratch.join("payload"))?;
        command.arg("--seed").arg(job.torrent).current_dir(job.scratch);
        Ok(Some(command))
    }
}
