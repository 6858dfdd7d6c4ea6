//! rqbit, asked over its HTTP API. It speaks v1 alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{Client, Counterpart, Job, State};
use crate::process::{self, Process};
use crate::{Result, http, install, ports};

/// The client.
pub(crate) struct Rqbit;

const VERSION: &str = "9.1.0";

/// The program. Of its TLS libraries one must be chosen; the default brings OpenSSL, and with it the SHA-1 it hashes with.
fn program() -> Result<PathBuf> {
    let args = ["--no-default-features", "--features", "default-tls"];
    install::crates_io("rqbit", VERSION, &args, ("openssl", "libssl-dev"))
}

impl Counterpart for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn install(&self) -> Result {
        self.version().map(drop)
    }

    fn version(&self) -> Result<String> {
        let said = process::run(Command::new(program()?).arg("--version"))?;
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn takes_peers(&self) -> bool {
        true
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        let api = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?);
        let mut command = Command::new(program()?);
        command.args(["--disable-dht", "--disable-lsd", "--disable-upnp-port-forward", "-v", "warn"]);
        command.args(["--http-api-listen-addr", &api.to_string(), "--tracker-refresh-interval", "2s"]);
        command.arg(format!("--listen-ip={}", job.listen.ip()));
        command.arg(format!("--listen-port={}", job.listen.port()));
        // Listening on loopback it would announce a port that is not its own.
        command.arg(format!("--announce-port={}", job.listen.port()));
        if job.up_rate > 0 {
            command.arg(format!("--ratelimit-upload={}", job.up_rate));
        }
        command.arg("download").arg("--output-folder").arg(job.dir);
        if !job.peers.is_empty() {
            let peers: Vec<String> = job.peers.iter().map(SocketAddr::to_string).collect();
            command.arg(format!("--initial-peers={}", peers.join(",")));
        }
        if job.seed {
            // Without it, files that are there are an error.
            command.arg("--overwrite");
        }
        command.arg(job.source()).env("HOME", job.scratch);
        let process = Process::spawn(command, &job.scratch.join("rqbit.log"))?;
        Ok(Box::new(Running { process, api, seed: job.seed }))
    }
}

struct Running {
    process: Process,
    api: SocketAddr,
    seed: bool,
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        self.process.must_run()?;
        // Until its interface listens and the torrent is added, there is nothing to know.
        let Ok(answer) = http::get(self.api, "/torrents/0/stats/v1").and_then(http::Response::text) else {
            return Ok(State::default());
        };
        let stats: Value = serde_json::from_str(&answer)?;
        if let Some(error) = stats["error"].as_str() {
            return Err(format!("rqbit: {error}").into());
        }
        let live = stats["state"].as_str() == Some("live");
        let whole = stats["finished"].as_bool() == Some(true);
        let up = stats["uploaded_bytes"].as_u64().unwrap_or(0);
        Ok(State { ready: live && (whole || !self.seed), complete: live && whole, up })
    }
}
