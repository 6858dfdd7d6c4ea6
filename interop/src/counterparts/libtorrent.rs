//! libtorrent, by the bindings of its PyPI wheel; `py/lt.py` drives them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Client, Counterpart, Job, State};
use crate::data::Shape;
use crate::network::Network;
use crate::process::{self, Process};
use crate::{Result, install};

/// The client.
pub(crate) struct Libtorrent;

impl Counterpart for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn install(&self) -> Result {
        self.version().map(drop)
    }

    fn version(&self) -> Result<String> {
        let answer = process::run(script()?.arg("version"))?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["version"].as_str().unwrap_or_default().to_owned())
    }

    fn reads(&self, _: &Shape) -> bool {
        true
    }

    fn takes_peers(&self) -> bool {
        true
    }

    fn takes_magnet(&self, _: &Shape) -> bool {
        true
    }

    fn takes_linked_peers(&self) -> bool {
        true
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        spawn(job, command(job)?)
    }
}

/// Starts it with a node of the DHT to begin at.
pub(crate) fn start_at(node: SocketAddr, job: &Job<'_>) -> Result<Box<dyn Client>> {
    let mut command = command(job)?;
    command.args(["--dht-node", &node.to_string()]);
    spawn(job, command)
}

/// Starts a node of the DHT alone, without torrents.
pub(crate) fn start_node(listen: SocketAddr, scratch: &Path) -> Result<Box<dyn Client>> {
    let mut command = script()?;
    command.args(["node", "--listen", &listen.to_string()]);
    Ok(Box::new(Running(Process::spawn(command, &scratch.join("node.log"))?)))
}

/// Starts it in a network of its own.
pub(crate) fn start_in(network: &Network, job: &Job<'_>) -> Result<Box<dyn Client>> {
    spawn(job, network.wrap(&command(job)?))
}

fn spawn(job: &Job<'_>, command: Command) -> Result<Box<dyn Client>> {
    Ok(Box::new(Running(Process::spawn(command, &job.scratch.join("libtorrent.log"))?)))
}

fn command(job: &Job<'_>) -> Result<Command> {
    let mut command = script()?;
    command.arg("run").arg(job.source()).arg(job.dir).args(["--listen", &job.listen.to_string()]);
    command.args(job.peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
    if job.seed {
        command.arg("--seed");
    }
    if job.lsd {
        command.arg("--lsd");
    }
    command.args(["--up-rate", &job.up_rate.to_string()]);
    if !job.pex {
        command.arg("--no-pex");
    }
    Ok(command)
}

/// How many times every piece is among the peers it knows, itself among them.
pub(crate) fn copies(client: &mut dyn Client) -> Result<u64> {
    Ok(last_line(client.process())?.and_then(|line| line["copies"].as_u64()).unwrap_or(0))
}

/// What it said last.
fn last_line(process: &Process) -> Result<Option<Value>> {
    let said = process.said_last()?;
    // Whole lines only: the last may still be in the writing.
    let lines = said.rsplit_once('\n').map_or("", |(whole, _)| whole).lines();
    let line = lines.rev().find(|line| line.starts_with("{\"ready"));
    Ok(line.map(serde_json::from_str).transpose()?)
}

struct Running(Process);

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.0
    }

    fn state(&mut self) -> Result<State> {
        self.0.must_run()?;
        let Some(line) = last_line(&self.0)? else { return Ok(State::default()) };
        let yes = |key: &str| line[key].as_bool().unwrap_or(false);
        Ok(State { ready: yes("ready"), complete: yes("complete"), up: line["up"].as_u64().unwrap_or(0) })
    }
}

/// The helper script, without its command.
pub(crate) fn script() -> Result<Command> {
    let mut command = Command::new(install::wheel("libtorrent", "2.1.1")?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("py/lt.py"));
    Ok(command)
}

/// Info hashes in hex.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hashes {
    /// SHA-1.
    pub(crate) v1: Option<String>,
    /// SHA-256.
    pub(crate) v2: Option<String>,
}

/// Makes a torrent of `path`, and returns its info hashes.
pub(crate) fn create(
    path: &Path,
    out: &PathBuf,
    piece_len: u32,
    version: &str,
    private: bool,
) -> Result<Hashes> {
    let mut command = script()?;
    command.arg("create").arg(out).arg(path);
    command.args(["--piece-len", &piece_len.to_string(), "--version", version]);
    if private {
        command.arg("--private");
    }
    read(&process::run(&mut command)?)
}

/// The info hashes of a torrent as libtorrent loads it.
pub(crate) fn hashes(torrent: &Path) -> Result<Hashes> {
    read(&process::run(script()?.arg("hashes").arg(torrent))?)
}

fn read(answer: &str) -> Result<Hashes> {
    let answer: Value = serde_json::from_str(answer)?;
    let text = |key: &str| answer[key].as_str().map(str::to_owned);
    Ok(Hashes { v1: text("v1"), v2: text("v2") })
}
