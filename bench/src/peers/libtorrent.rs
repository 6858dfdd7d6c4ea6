//! libtorrent, by the bindings of its PyPI wheel; `py/lt.py` drives them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Done, Format, Job, Peer, Timed, cache, here};
use crate::{Result, proc};

/// The client.
pub(crate) struct Libtorrent;

const VERSION: &str = "2.1.1";

fn python() -> Result<PathBuf> {
    let home = cache()?.join(format!("libtorrent-{VERSION}"));
    let (python, done) = (home.join("bin/python"), home.join("installed"));
    if !done.is_file() {
        println!("installing libtorrent {VERSION} from PyPI into the cache");
        proc::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary=:all:",
            &format!("libtorrent=={VERSION}"),
        ]);
        proc::output(&mut pip)?;
        std::fs::write(done, "")?;
    }
    Ok(python)
}

fn script(verb: &str) -> Result<Command> {
    let mut command = Command::new(python()?);
    command.arg(here("py/lt.py")).arg(verb);
    Ok(command)
}

fn transfer(job: &Job<'_>, verb: &str) -> Result<Command> {
    let mut command = script(verb)?;
    command.arg(job.torrent).arg(job.dir).arg(job.listen.to_string());
    Ok(command)
}

impl Peer for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn install(&self) -> Result<String> {
        Ok(proc::output(&mut script("version")?)?.trim().to_owned())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(Some((transfer(job, "download")?, Done::Exit)))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        Ok(Some(transfer(job, "seed")?))
    }

    fn create(&self, format: Format, file: &Path, _: &Path) -> Result<Option<Timed>> {
        let mut command = script("create")?;
        let kind = if format == Format::V1 { "v1" } else { "v2" };
        command.arg(file).arg("1048576").arg(kind);
        Ok(Some(Timed { command, tells: true }))
    }

    fn verify(&self, _: Format, torrent: &Path, dir: &Path) -> Result<Option<Timed>> {
        let mut command = script("verify")?;
        command.arg(torrent).arg(dir).arg("2");
        Ok(Some(Timed { command, tells: true }))
    }

    fn idle(&self, torrents: usize, dir: &Path) -> Result<Option<Command>> {
        let mut command = script("idle")?;
        command.arg(torrents.to_string()).arg(dir);
        Ok(Some(command))
    }

    fn huge(&self, torrent: &Path, dir: &Path) -> Result<Option<Command>> {
        let mut command = script("huge")?;
        command.arg(torrent).arg(dir);
        Ok(Some(command))
    }
}
