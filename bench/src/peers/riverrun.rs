//! Ours: the `torrent` program, and the library where the program has no command for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Done, Format, Job, Peer, Timed};
use crate::{Result, proc};

/// The client.
pub(crate) struct Riverrun;

/// The program, as `cargo xtask bench` built it.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(std::env::var_os("RIVERRUN_TORRENT")
        .ok_or("RIVERRUN_TORRENT names no program: use cargo xtask bench")?
        .into())
}

fn transfer(job: &Job<'_>, verb: &str, dir: &str) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args([verb, "--quiet"]).arg(job.torrent).arg(dir).arg(job.dir);
    command.args([
        "--no-trackers",
        "--ipv4-only",
        "--max-peers",
        "2000",
        "--listen",
        &job.listen.to_string(),
    ]);
    command.arg("--state-dir").arg(job.scratch).env("HOME", job.scratch);
    Ok(command)
}

impl Peer for Riverrun {
    fn name(&self) -> &'static str {
        "riverrun"
    }

    fn install(&self) -> Result<String> {
        let said = proc::output(Command::new(program()?).arg("--version"))?;
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(Some((transfer(job, "download", "--output")?, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        Ok(Some(transfer(job, "seed", "--data")?))
    }

    fn create(&self, format: Format, file: &Path, out: &Path) -> Result<Option<Timed>> {
        let mut command = Command::new(program()?);
        command.args(["create", "--quiet", "--force", "--threads", "2", "--piece-length", "1048576"]);
        command.args((format == Format::V2).then_some("--v2"));
        command.arg(file).arg("--output").arg(out);
        Ok(Some(Timed { command, tells: false }))
    }

    fn verify(&self, _: Format, torrent: &Path, dir: &Path) -> Result<Option<Timed>> {
        let mut command = Command::new(program()?);
        command.args(["verify", "--quiet", "--threads", "2"]).arg(torrent).arg("--data").arg(dir);
        Ok(Some(Timed { command, tells: false }))
    }

    fn version(&self) -> Result<Option<Command>> {
        let mut command = Command::new(program()?);
        command.arg("version");
        Ok(Some(command))
    }

    fn idle(&self, torrents: usize, dir: &Path) -> Result<Option<Command>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["idle", "riverrun", "--torrents", &torrents.to_string(), "--dir"]).arg(dir);
        Ok(Some(command))
    }

    fn huge(&self, torrent: &Path, dir: &Path) -> Result<Option<Command>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["huge", "riverrun", "--torrent"]).arg(torrent).arg("--dir").arg(dir);
        Ok(Some(command))
    }
}
