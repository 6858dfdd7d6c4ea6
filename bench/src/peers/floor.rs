//! The floor, as if it were a client.

use std::path::Path;
use std::process::Command;

use super::{Done, Format, Job, Peer, Timed};
use crate::Result;

/// The floor.
pub(crate) struct Floor;

fn command(job: &Job<'_>, verb: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", verb, "--hash", job.hash, "--pieces", &job.pieces.to_string()]);
    command.args(["--listen", &job.listen.to_string(), "--data"]).arg(job.dir.join("payload"));
    Ok(command)
}

/// Reads the file from end to end.
fn through(dir: &Path, hash: &str) -> Result<Option<Timed>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "through", "--hash", hash, "--data"]).arg(dir.join("payload"));
    Ok(Some(Timed { command, tells: false }))
}

impl Peer for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn install(&self) -> Result<String> {
        Ok("a program of this benchmark".into())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(Some((command(job, "receive")?, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        Ok(Some(command(job, "send")?))
    }

    fn verify(&self, format: Format, _: &Path, dir: &Path) -> Result<Option<Timed>> {
        through(dir, if format == Format::V1 { "sha1" } else { "sha256" })
    }

    fn read(&self, dir: &Path) -> Result<Option<Timed>> {
        through(dir, "nothing")
    }
}
