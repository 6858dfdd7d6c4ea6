//! The clients that are measured. One more is one file and one line here.

mod anacrolix;
mod aria2;
mod floor;
mod irontide;
mod libtorrent;
pub(crate) mod riverrun;
mod rqbit;
mod transmission;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, proc};

/// Every client, in the order of the tables; ours first, the floor last.
pub(crate) static ALL: &[&dyn Peer] = &[
    &riverrun::Riverrun,
    &libtorrent::Libtorrent,
    &rqbit::Rqbit,
    &irontide::Irontide,
    &aria2::Aria2,
    &transmission::Transmission,
    &anacrolix::Anacrolix,
    &floor::Floor,
];

/// What a client is to move.
pub(crate) struct Job<'a> {
    /// The .torrent of one file.
    pub(crate) torrent: &'a Path,
    /// Its info hash in hex.
    pub(crate) hash: &'a str,
    /// Pieces of 1 MiB.
    pub(crate) pieces: usize,
    /// Where the file is, or is to be.
    pub(crate) dir: &'a Path,
    /// Where it waits for the load generator.
    pub(crate) listen: SocketAddr,
    /// A directory of its own.
    pub(crate) scratch: &'a Path,
}

/// How a download is seen to be complete.
pub(crate) enum Done {
    /// The program ends.
    Exit,
    /// A file appears.
    File(PathBuf),
}

/// What kind of torrent a file is hashed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// SHA-1 of pieces (BEP 3).
    V1,
    /// SHA-256 of blocks, in trees (BEP 52).
    V2,
}

/// A piece of work of one process.
pub(crate) struct Timed {
    /// What is run.
    pub(crate) command: Command,
    /// Whether it prints the wall and CPU seconds of the work itself, so that its start is not held against it.
    pub(crate) tells: bool,
}

/// A client. What it can't do it has no command for.
pub(crate) trait Peer: Sync {
    /// Its name in the tables.
    fn name(&self) -> &'static str;

    /// Makes sure that it is there, installing it where that is possible; its version.
    fn install(&self) -> Result<String>;

    /// Downloads from whoever connects.
    fn download(&self, _: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(None)
    }

    /// Seeds to whoever connects.
    fn seed(&self, _: &Job<'_>) -> Result<Option<Command>> {
        Ok(None)
    }

    /// Makes a torrent of a file, with pieces of 1 MiB.
    fn create(&self, _: Format, _file: &Path, _out: &Path) -> Result<Option<Timed>> {
        Ok(None)
    }

    /// Compares a file with its torrent, on two threads.
    fn verify(&self, _: Format, _torrent: &Path, _dir: &Path) -> Result<Option<Timed>> {
        Ok(None)
    }

    /// Reads the file `payload` of a directory on two threads and does nothing with it.
    fn read(&self, _dir: &Path) -> Result<Option<Timed>> {
        Ok(None)
    }

    /// Says its version and ends; the program's path stands first.
    fn version(&self) -> Result<Option<Command>> {
        Ok(None)
    }

    /// Adds so many torrents of 64 pieces and starts them, prints `added SECONDS`, and stays.
    fn idle(&self, _torrents: usize, _dir: &Path) -> Result<Option<Command>> {
        Ok(None)
    }

    /// Reads this `.torrent`, of which nothing is there, prints `parsed SECONDS`, adds and starts it, prints
    /// `added SECONDS`, and stays.
    fn huge(&self, _torrent: &Path, _dir: &Path) -> Result<Option<Command>> {
        Ok(None)
    }
}

/// A path in `bench/`.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `$RIVERRUN_CACHE`, or `~/.cache/riverrun`.
pub(crate) fn cache() -> Result<PathBuf> {
    match std::env::var_os("RIVERRUN_CACHE").filter(|value| !value.is_empty()) {
        Some(path) => Ok(path.into()),
        None => {
            Ok(std::env::home_dir().ok_or("no home directory: set RIVERRUN_CACHE")?.join(".cache/riverrun"))
        }
    }
}

/// Makes sure that a program of a Debian package is there.
pub(crate) fn debian(package: &str, program: &str) -> Result {
    let there = || {
        Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if !there() {
        println!("installing the Debian package {package}");
        let mut install = Command::new("apt-get");
        install.args(["-qq", "-y", "--no-install-recommends", "install", package]);
        proc::output(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

/// A program built by cargo or go into the cache, once.
pub(crate) fn built(home: &str, program: &str, build: impl FnOnce(&Path) -> Command) -> Result<PathBuf> {
    let home = cache()?.join(home);
    let path = home.join("bin").join(program);
    if !path.is_file() {
        println!("building {program} into {}", home.display());
        std::fs::create_dir_all(home.join("bin"))?;
        let mut command = build(&home);
        command.env("CARGO_TARGET_DIR", home.join("build")).env_remove("RUSTFLAGS").current_dir(&home);
        proc::output(&mut command)?;
        let _ = std::fs::remove_dir_all(home.join("build"));
    }
    Ok(path)
}
