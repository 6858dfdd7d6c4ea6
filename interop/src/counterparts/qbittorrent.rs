//! qBittorrent without a display, asked over its web interface.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{Client, Counterpart, Job, State};
use crate::data::Shape;
use crate::process::{self, Process};
use crate::{Result, http, install, ports};

/// The client.
pub(crate) struct Qbittorrent;

impl Counterpart for Qbittorrent {
    fn name(&self) -> &'static str {
        "qbittorrent"
    }

    fn install(&self) -> Result {
        install::debian("qbittorrent-nox", &["qbittorrent-nox"])
    }

    fn version(&self) -> Result<String> {
        let said = process::run(Command::new("qbittorrent-nox").arg("--version"))?;
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
        let web = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?);
        let profile = job.scratch.join("profile");
        let config = profile.join("qBittorrent/config");
        std::fs::create_dir_all(&config)?;
        std::fs::write(config.join("qBittorrent.conf"), settings(job, web))?;
        let mut command = Command::new("qbittorrent-nox");
        command.arg(format!("--profile={}", profile.display()));
        let process = Process::spawn(command, &job.scratch.join("qbittorrent.log"))?;
        let mut running = Running { process, web, seed: job.seed, peers: Vec::new() };
        process::until(Duration::from_secs(30), "the web interface of qBittorrent", || {
            running.process.must_run()?;
            Ok(http::get(web, "/api/v2/app/version").is_ok_and(|answer| answer.status == 200))
        })?;
        running.add(job)?;
        running.peers = job.peers.to_vec();
        Ok(Box::new(running))
    }
}

fn settings(job: &Job<'_>, web: SocketAddr) -> String {
    let (address, port) = (job.listen.ip(), job.listen.port());
    let rate = job.up_rate / 1024;
    let session = [
        ("Port", port.to_string()),
        ("InterfaceAddress", address.to_string()),
        ("DHTEnabled", "false".into()),
        ("LSDEnabled", "false".into()),
        ("PeXEnabled", "false".into()),
        // TCP only, plain where the other side lets it be plain.
        ("BTProtocol", "TCP".into()),
        ("Encryption", "2".into()),
        ("MultiConnectionsPerIp", "true".into()),
        ("IgnoreLimitsOnLAN", "false".into()),
        ("IncludeOverheadInLimits", "false".into()),
        ("GlobalUPSpeedLimit", rate.to_string()),
        ("QueueingSystemEnabled", "false".into()),
        ("SSRFMitigation", "false".into()),
        ("AnnounceToAllTrackers", "true".into()),
        ("Preallocation", "false".into()),
        ("RefreshInterval", "200".into()),
    ];
    let mut text = "[LegalNotice]\nAccepted=true\n\n[BitTorrent]\n".to_owned();
    for (key, value) in session {
        text += &format!("Session\\{key}={value}\n");
    }
    text += "\n[Network]\nPortForwardingEnabled=false\n\n[Preferences]\n";
    text += &format!("WebUI\\Address={}\nWebUI\\Port={}\n", web.ip(), web.port());
    text += "WebUI\\LocalHostAuth=false\nWebUI\\CSRFProtection=false\nWebUI\\HostHeaderValidation=false\n";
    text += "WebUI\\UseUPnP=false\nConnection\\UPnP=false\nGeneral\\Locale=en\n";
    text
}

struct Running {
    process: Process,
    web: SocketAddr,
    seed: bool,
    peers: Vec<SocketAddr>,
}

impl Running {
    fn add(&self, job: &Job<'_>) -> Result {
        const BOUNDARY: &str = "riverrun-interop-boundary";
        let mut body = Vec::new();
        let dir = job.dir.to_string_lossy();
        let skip = job.seed.to_string();
        let fields = [
            ("savepath", dir.as_ref()),
            ("skip_checking", &skip),
            ("paused", "false"),
            ("contentLayout", "Original"),
            ("autoTMM", "false"),
        ];
        for (key, value) in fields {
            let part =
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let (head, source) = match job.magnet {
            Some(magnet) => {
                ("Content-Disposition: form-data; name=\"urls\"\r\n\r\n", magnet.as_bytes().to_vec())
            }
            None => (
                "Content-Disposition: form-data; name=\"torrents\"; filename=\"x.torrent\"\r\n\
                 Content-Type: application/x-bittorrent\r\n\r\n",
                std::fs::read(job.torrent)?,
            ),
        };
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}").as_bytes());
        body.extend_from_slice(&source);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = http::post(self.web, "/api/v2/torrents/add", &kind, &body)?.text()?;
        if answer.trim() == "Ok." { Ok(()) } else { Err(format!("qBittorrent: {answer}").into()) }
    }

    fn dial(&self, hash: &str) -> Result {
        let peers: Vec<String> = self.peers.iter().map(SocketAddr::to_string).collect();
        let body = format!("hashes={hash}&peers={}", peers.join("|"));
        let kind = "application/x-www-form-urlencoded";
        http::post(self.web, "/api/v2/torrents/addPeers", kind, body.as_bytes())?.text()?;
        Ok(())
    }
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        self.process.must_run()?;
        let answer = http::get(self.web, "/api/v2/torrents/info")?.text()?;
        let answer: Value = serde_json::from_str(&answer)?;
        let torrent = &answer[0];
        let state = torrent["state"].as_str().unwrap_or("");
        if matches!(state, "error" | "missingFiles") {
            return Err(format!("qBittorrent calls the torrent `{state}`").into());
        }
        let busy =
            state.is_empty() || state.starts_with("checking") || state == "allocating" || state == "moving";
        let whole = torrent["progress"].as_f64() == Some(1.0);
        if !busy && !self.peers.is_empty() {
            self.dial(torrent["hash"].as_str().unwrap_or(""))?;
            self.peers.clear();
        }
        let up = torrent["uploaded"].as_u64().unwrap_or(0);
        Ok(State { ready: !busy && (whole || !self.seed), complete: !busy && whole, up })
    }
}
