//! aria2, asked over its JSON-RPC. It takes no address of a peer. 1.36 drops the empty key of a file tree, and so has
//! another info hash for a hybrid than everybody else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};

use super::{Client, Counterpart, Job, State};
use crate::process::{self, Process};
use crate::{Result, http, install, ports};

/// The client.
pub(crate) struct Aria2;

impl Counterpart for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn install(&self) -> Result {
        install::debian("aria2", &["aria2c"])
    }

    fn version(&self) -> Result<String> {
        let said = process::run(Command::new("aria2c").arg("--version"))?;
        Ok(said.split_whitespace().nth(2).unwrap_or_default().to_owned())
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        let rpc = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?);
        let mut command = Command::new("aria2c");
        command.args(["--no-conf", "--enable-rpc", "--rpc-listen-all=false", "--console-log-level=notice"]);
        command.args(["--enable-dht6=false", "--bt-enable-lpd=false"]);
        // It asks trackers over UDP from the socket of its DHT alone, which gets no nodes to ask.
        let udp = match job.magnet {
            Some(magnet) => magnet.contains("tr=udp"),
            None => std::fs::read(job.torrent)?.windows(6).any(|window| window == b"udp://"),
        };
        command.arg(format!("--enable-dht={udp}")).arg(format!("--dht-listen-port={}", ports::free()?));
        command.arg(format!("--dht-file-path={}", job.scratch.join("dht.dat").display()));
        command.args(["--enable-peer-exchange=false", "--file-allocation=none", "--seed-ratio=0.0"]);
        command.args(["--disable-ipv6=false", "--follow-torrent=true", "--summary-interval=0"]);
        // Encryption is taken when offered, never asked for.
        command.args(["--bt-require-crypto=false", "--bt-min-crypto-level=plain"]);
        command.arg(format!("--rpc-listen-port={}", rpc.port()));
        command.arg(format!("--listen-port={}", job.listen.port()));
        command.arg(format!("--interface={}", job.listen.ip()));
        command.arg(format!("--dir={}", job.dir.display()));
        command.arg(format!("--max-upload-limit={}", job.up_rate));
        if job.seed {
            command.args(["--check-integrity=true", "--bt-hash-check-seed=true"]);
        }
        command.arg(job.source());
        let process = Process::spawn(command, &job.scratch.join("aria2.log"))?;
        Ok(Box::new(Running { process, rpc, seed: job.seed }))
    }
}

struct Running {
    process: Process,
    rpc: SocketAddr,
    seed: bool,
}

impl Running {
    fn ask(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = http::post(self.rpc, "/jsonrpc", "application/json", body.as_bytes())?.text()?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["result"].clone())
    }
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        self.process.must_run()?;
        // Until its interface listens, there is nothing to know.
        let Ok(active) = self.ask("aria2.tellActive", json!([])) else { return Ok(State::default()) };
        let stopped = self.ask("aria2.tellStopped", json!([-1, 1]))?;
        if let Some(error) = stopped[0]["errorMessage"].as_str().filter(|error| !error.is_empty()) {
            return Err(format!("aria2: {error}").into());
        }
        let torrent = if active[0].is_object() { &active[0] } else { &stopped[0] };
        // The metadata of a magnet link is a download of its own, without a name.
        let named = torrent["bittorrent"]["info"].is_object();
        let number = |key: &str| torrent[key].as_str().and_then(|text| text.parse::<u64>().ok());
        let whole = number("totalLength").is_some_and(|all| number("completedLength") == Some(all));
        let checking = torrent["verifyIntegrityPending"].is_string() || torrent["verifiedLength"].is_string();
        let there = torrent.is_object() && !checking;
        let up = number("uploadLength").unwrap_or(0);
        Ok(State { ready: there && (whole || !self.seed), complete: there && whole && named, up })
    }
}
