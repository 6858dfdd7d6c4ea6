//! Transmission: the daemon, asked by transmission-remote.
//!
//! 3.00 reads no hybrid (the empty key in the file tree is an error to it) and makes no empty files.
//! It takes no address of a peer, and calls 127.0.0.0/8 Martian: it never connects there, but accepts who comes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::{Client, Counterpart, Job, State};
use crate::process::{self, Process};
use crate::{Result, install, ports};

/// The client.
pub(crate) struct Transmission;

impl Counterpart for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn install(&self) -> Result {
        install::debian("transmission-daemon", &["transmission-daemon"])?;
        install::debian("transmission-cli", &["transmission-remote", "transmission-create"])
    }

    fn version(&self) -> Result<String> {
        let output = Command::new("transmission-daemon").arg("--version").output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn makes_empty_files(&self) -> bool {
        false
    }

    fn dials_loopback(&self) -> bool {
        false
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        let rpc = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?);
        let config = job.scratch.join("transmission");
        std::fs::create_dir_all(&config)?;
        std::fs::write(config.join("settings.json"), settings(job, rpc).to_string())?;
        let mut command = Command::new("transmission-daemon");
        command.arg("--foreground").arg("--log-debug").arg("--config-dir").arg(&config);
        let process = Process::spawn(command, &job.scratch.join("transmission.log"))?;
        let running = Running { process, rpc, seed: job.seed };
        process::until(Duration::from_secs(20), "transmission-daemon", || {
            Ok(std::net::TcpStream::connect(rpc).is_ok())
        })?;
        running.remote(&["--add", &job.source().to_string_lossy()])?;
        if job.seed {
            running.remote(&["--torrent", "all", "--verify"])?;
        }
        Ok(Box::new(running))
    }
}

fn settings(job: &Job<'_>, rpc: SocketAddr) -> serde_json::Value {
    serde_json::json!({
        "bind-address-ipv4": if job.listen.is_ipv4() { job.listen.ip().to_string() } else { "127.0.0.1".into() },
        "bind-address-ipv6": "::1",
        "peer-port": job.listen.port(),
        "peer-port-random-on-start": false,
        "download-dir": job.dir,
        "incomplete-dir-enabled": false,
        "dht-enabled": false,
        "lpd-enabled": job.lsd,
        "pex-enabled": job.pex,
        "utp-enabled": false,
        "port-forwarding-enabled": false,
        // 0: what comes encrypted is taken, what goes out is plain.
        "encryption": 0,
        "rpc-enabled": true,
        "rpc-bind-address": rpc.ip().to_string(),
        "rpc-port": rpc.port(),
        "rpc-authentication-required": false,
        "rpc-whitelist-enabled": false,
        "rpc-host-whitelist-enabled": false,
        "rename-partial-files": false,
        "speed-limit-up-enabled": job.up_rate > 0,
        "speed-limit-up": job.up_rate / 1000,
        "ratio-limit-enabled": false,
        "idle-seeding-limit-enabled": false,
        "start-added-torrents": true,
    })
}

struct Running {
    process: Process,
    rpc: SocketAddr,
    seed: bool,
}

impl Running {
    fn remote(&self, args: &[&str]) -> Result<String> {
        process::run(Command::new("transmission-remote").arg(self.rpc.to_string()).args(args))
    }
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        self.process.must_run()?;
        let info = self.remote(&["--torrent", "all", "--info"])?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.trim().strip_prefix(name)).map_or("", str::trim).to_owned()
        };
        let state = field("State:");
        let whole = field("Percent Done:") == "100%";
        let idle = state != "Stopped" && !state.contains("erify") && !state.is_empty();
        let up = bytes(&field("Uploaded:"));
        Ok(State { ready: idle && (whole || !self.seed), complete: whole && idle, up })
    }
}

/// What it prints as `25.2 MB` or `None`.
fn bytes(text: &str) -> u64 {
    let mut words = text.split_whitespace();
    let number: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let unit = match words.next() {
        Some("kB") => 1e3,
        Some("MB") => 1e6,
        Some("GB") => 1e9,
        _ => 1.0,
    };
    (number * unit) as u64
}
