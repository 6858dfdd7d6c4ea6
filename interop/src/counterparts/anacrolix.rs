//! The `torrent` command of anacrolix/torrent, in Go. It saves to the directory it stands in, ends when it has everything,
//! and tells no more than its log does.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Client, Counterpart, Job, State};
use crate::data::Shape;
use crate::process::Process;
use crate::{Result, install};

/// The client.
pub(crate) struct Anacrolix;

/// v1.62.0 names a module version that nobody has.
const VERSION: &str = "1.61.0";

fn program() -> Result<PathBuf> {
    install::go("github.com/anacrolix/torrent/cmd/torrent", VERSION, "torrent", "anacrolix")
}

impl Counterpart for Anacrolix {
    fn name(&self) -> &'static str {
        "anacrolix"
    }

    fn install(&self) -> Result {
        program().map(drop)
    }

    fn version(&self) -> Result<String> {
        program().map(|_| VERSION.to_owned())
    }

    fn saves(&self, shape: &Shape) -> bool {
        // Of these names and lengths one ends it with "error writing chunk: invalid argument", from a libtorrent seed as
        // from ours: the cell `drivers/libtorrent-to-anacrolix/many` shows it.
        shape.name != "many"
    }

    fn takes_peers(&self) -> bool {
        true
    }

    fn takes_linked_peers(&self) -> bool {
        true
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        let mut command = Command::new(program()?);
        command.args(["download", "--dht=false", "--port-forward=false", "--utp-peers=false"]);
        command.args(["--webtorrent=false", "--addr", &job.listen.to_string()]);
        // It listens on that address in both families, or not at all.
        command.arg(if job.listen.is_ipv4() { "--ipv6=false" } else { "--ipv4=false" });
        command.args(job.peers.iter().flat_map(|peer| ["--test-peer".to_owned(), peer.to_string()]));
        if job.up_rate > 0 {
            command
                .arg(format!("--upload-rate={}", job.up_rate))
                .arg("--max-alloc-peer-request-data-per-conn=1048576");
        }
        if job.seed {
            command.arg("--seed");
        }
        match job.magnet {
            Some(magnet) => command.arg(magnet),
            None => command.arg(std::path::absolute(job.torrent)?),
        };
        command.current_dir(if job.seed { place(job)? } else { job.dir.to_owned() }).env("HOME", job.scratch);
        let process = Process::spawn(command, &job.scratch.join("anacrolix.log"))?;
        Ok(Box::new(Running { process, listen: job.listen, seed: job.seed, ready: false }))
    }
}

/// It keeps a database beside the data, so a seed stands in a directory of its own that leads to the shared one.
fn place(job: &Job<'_>) -> Result<PathBuf> {
    let dir = job.scratch.join("data");
    std::fs::create_dir_all(&dir)?;
    for entry in std::fs::read_dir(job.dir)? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), dir.join(entry.file_name()))?;
    }
    Ok(dir)
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
            if status.success() && !self.seed {
                return Ok(State { ready: true, complete: true, up: 0 });
            }
            return Err(format!("anacrolix's `torrent` ended early ({status})").into());
        }
        let whole = self.seed && self.process.said()?.contains("downloaded ALL the torrents");
        self.ready = self.ready
            || (whole || !self.seed)
                && TcpStream::connect_timeout(&self.listen, Duration::from_millis(200)).is_ok();
        Ok(State { ready: self.ready, complete: self.ready && whole, up: 0 })
    }
}
