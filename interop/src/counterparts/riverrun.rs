//! Ours: the `torrent` program.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Client, Counterpart, Job, State};
use crate::Result;
use crate::data::Shape;
use crate::network::Network;
use crate::process::{self, Process};

/// The client.
pub(crate) struct Riverrun;

impl Counterpart for Riverrun {
    fn name(&self) -> &'static str {
        "riverrun"
    }

    fn install(&self) -> Result {
        self.version().map(drop)
    }

    fn version(&self) -> Result<String> {
        let said = process::run(Command::new(program()?).arg("--version"))?;
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
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
        start(job, &[])
    }
}

/// Starts it with more arguments.
pub(crate) fn start(job: &Job<'_>, more: &[&str]) -> Result<Box<dyn Client>> {
    let mut command = command(job)?;
    command.args(more);
    spawn(job, command)
}

/// Starts it in a network of its own, with more arguments.
pub(crate) fn start_in(network: &Network, job: &Job<'_>, more: &[&str]) -> Result<Box<dyn Client>> {
    let mut command = command(job)?;
    command.args(more);
    spawn(job, network.wrap(&command))
}

fn spawn(job: &Job<'_>, command: Command) -> Result<Box<dyn Client>> {
    let process = Process::spawn(command, &job.scratch.join("riverrun.log"))?;
    Ok(Box::new(Running { process, listen: job.listen, seed: job.seed, ready: false }))
}

/// Starts a download that goes on as a seed, and tells by JSON how far it is; in a network of its own if there is one.
pub(crate) fn start_telling(network: Option<&Network>, job: &Job<'_>) -> Result<Box<dyn Client>> {
    let mut command = command(job)?;
    command.args(["--seed", "--json", "--no-port-forward"]);
    if let Some(network) = network {
        command = network.wrap(&command);
    }
    Ok(Box::new(Telling(Process::spawn(command, &job.scratch.join("riverrun.log"))?)))
}

/// How many pieces one that tells has.
pub(crate) fn pieces(client: &mut dyn Client) -> Result<usize> {
    Ok(client.process().said()?.matches("\"piece_completed\"").count())
}

struct Telling(Process);

impl Client for Telling {
    fn process(&mut self) -> &mut Process {
        &mut self.0
    }

    fn state(&mut self) -> Result<State> {
        self.0.must_run()?;
        let said = self.0.said()?;
        // Whole lines only: the last may still be in the writing.
        let lines = said.rsplit_once('\n').map_or("", |(whole, _)| whole).lines();
        let mut progress = lines.rev().filter(|line| line.starts_with('{') && line.contains("\"progress\""));
        let Some(line) = progress.next() else { return Ok(State::default()) };
        let line: serde_json::Value = serde_json::from_str(line)?;
        let complete = line["state"].as_str() == Some("seeding");
        Ok(State { ready: true, complete, up: line["uploaded"].as_u64().unwrap_or(0) })
    }
}

/// The command line of a job.
pub(crate) fn command(job: &Job<'_>) -> Result<Command> {
    let mut command = Command::new(program()?);
    if job.seed {
        command.arg("seed").arg(job.torrent).arg("--data").arg(job.dir);
    } else {
        command.arg("download").arg(job.source()).arg("--output").arg(job.dir);
    }
    // With its events, which say when it has checked its data.
    command.arg("-vv").args(["--listen", &job.listen.to_string()]);
    command.args(job.peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
    if !job.lsd {
        command.arg("--no-lsd");
    }
    if !job.pex {
        command.arg("--no-pex");
    }
    if job.up_rate > 0 {
        command.args(["--upload-rate", &job.up_rate.to_string()]);
    }
    // What it keeps for itself is the cell's own.
    command.env("HOME", job.scratch).env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
    command.env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
    Ok(command)
}

/// The program under test.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(std::env::var_os("RIVERRUN_TORRENT")
        .ok_or("RIVERRUN_TORRENT names no program: use interop/run")?
        .into())
}

struct Running {
    process: Process,
    listen: std::net::SocketAddr,
    seed: bool,
    ready: bool,
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        if let Some(status) = self.process.exited()? {
            // A download ends when it is complete.
            if status.success() && !self.seed {
                return Ok(State { ready: true, complete: true, up: 0 });
            }
            return Err(format!("`torrent` ended early ({status})").into());
        }
        // While it checks it listens, but takes no peers.
        self.ready = self.ready
            || (!self.seed || self.process.said()?.contains("State(Seeding)"))
                && TcpStream::connect_timeout(&self.listen, Duration::from_millis(200)).is_ok();
        Ok(State { ready: self.ready, complete: self.ready && self.seed, up: 0 })
    }
}
