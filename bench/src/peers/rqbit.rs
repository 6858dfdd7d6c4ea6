//! rqbit, its own program.

use std::path::PathBuf;
use std::process::Command;

use super::{Done, Job, Peer, built};
use crate::{Result, proc};

/// The client.
pub(crate) struct Rqbit;

const VERSION: &str = "9.1.0";

/// With OpenSSL, whose SHA-1 its releases use.
fn program() -> Result<PathBuf> {
    built(&format!("rqbit-{VERSION}"), "rqbit", |home| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["install", "rqbit", "--locked", "--version", VERSION, "--no-default-features"]);
        command.args(["--features", "default-tls", "--root"]).arg(home);
        command
    })
}

fn transfer(job: &Job<'_>) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args([
        "--disable-dht",
        "--disable-lsd",
        "--disable-upnp-port-forward",
        "--disable-trackers",
        "-v",
        "error",
    ]);
    command
        .arg(format!("--listen-ip={}", job.listen.ip()))
        .arg(format!("--listen-port={}", job.listen.port()));
    command
        .args(["download", "--disable-http-api", "--overwrite", "--output-folder"])
        .arg(job.dir)
        .arg(job.torrent);
    command.env("HOME", job.scratch);
    Ok(command)
}

impl Peer for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn install(&self) -> Result<String> {
        let said = proc::output(Command::new(program()?).arg("--version"))?;
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn version(&self) -> Result<Option<Command>> {
        let mut command = Command::new(program()?);
        command.arg("--version");
        Ok(Some(command))
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        let mut command = transfer(job)?;
        command.arg("--exit-on-finish");
        Ok(Some((command, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        transfer(job).map(Some)
    }
}
