//! aria2.

use std::process::Command;

use super::{Done, Job, Peer, debian};
use crate::{Result, proc};

/// The client.
pub(crate) struct Aria2;

fn transfer(job: &Job<'_>) -> Command {
    let mut command = Command::new("aria2c");
    command.args([
        "--no-conf",
        "--quiet",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
    ]);
    command.args(["--enable-peer-exchange=false", "--file-allocation=none", "--bt-max-peers=0"]);
    command.args(["--bt-require-crypto=false", "--bt-min-crypto-level=plain"]);
    command
        .arg(format!("--listen-port={}", job.listen.port()))
        .arg(format!("--interface={}", job.listen.ip()));
    command.arg(format!("--dir={}", job.dir.display()));
    command
}

impl Peer for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn install(&self) -> Result<String> {
        debian("aria2", "aria2c")?;
        let said = proc::output(Command::new("aria2c").arg("--version"))?;
        Ok(said.split_whitespace().nth(2).unwrap_or_default().to_owned())
    }

    fn version(&self) -> Result<Option<Command>> {
        let mut command = Command::new("aria2c");
        command.arg("--version");
        Ok(Some(command))
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        let mut command = transfer(job);
        command.arg("--seed-time=0").arg(job.torrent);
        Ok(Some((command, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        let mut command = transfer(job);
        command
            .args(["--check-integrity=true", "--bt-hash-check-seed=true", "--seed-ratio=0.0"])
            .arg(job.torrent);
        Ok(Some(command))
    }
}
