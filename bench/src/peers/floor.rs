//! The floor, as if it were a client.

use std::process::Command;

use super::{Done, Job, Peer};
use crate::Result;

/// The floor.
pub(crate) struct Floor;

fn command(job: &Job<'_>, verb: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", verb, "--hash", job.hash, "--pieces", &job.pieces.to_string()]);
    command.args(["--listen", &job.listen.to_string(), "--data"]).arg(job.dir.join("payload"));
    Ok(command)
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
}
