//! Trackers on loopback: opentracker and our own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sha1::Digest;

use crate::counterparts::riverrun;
use crate::process::{self, Process};
use crate::{Result, http, install, metainfo, ports};

/// Which tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Debian's opentracker, which serves the info hashes of its list alone.
    Opentracker,
    /// `torrent tracker`.
    Riverrun,
}

impl Kind {
    /// Its name in cells.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Opentracker => "opentracker",
            Kind::Riverrun => "riverrun",
        }
    }

    /// Makes sure that it is there.
    pub(crate) fn install(self) -> Result {
        match self {
            Kind::Opentracker => install::debian("opentracker", &["opentracker"]),
            Kind::Riverrun => Ok(()),
        }
    }

    /// Starts it for one torrent.
    pub(crate) fn start(self, torrent: &[u8], scratch: &Path) -> Result<Tracker> {
        self.start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), torrent, scratch)
    }

    /// Starts it for one torrent at one of our addresses.
    pub(crate) fn start_at(self, ip: IpAddr, torrent: &[u8], scratch: &Path) -> Result<Tracker> {
        let at = SocketAddr::new(ip, ports::free()?);
        let hash = announced_hash(torrent)?;
        let command = match self {
            Kind::Opentracker => opentracker(at, &hash, scratch)?,
            Kind::Riverrun => ours(at)?,
        };
        let process = Process::spawn(command, &scratch.join(format!("tracker-{}.log", self.name())))?;
        let mut tracker = Tracker { process, at, hash };
        process::until(Duration::from_secs(20), "the tracker", || {
            tracker.process.must_run()?;
            Ok(tracker.peers().is_ok())
        })?;
        Ok(tracker)
    }
}

fn opentracker(at: SocketAddr, hash: &[u8; 20], scratch: &Path) -> Result<Command> {
    // It leaves root behind and locks itself into its directory, the list with it.
    let jail = std::env::temp_dir().join(format!("riverrun-opentracker-{}", at.port()));
    std::fs::create_dir_all(&jail)?;
    std::fs::set_permissions(&jail, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(jail.join("whitelist.txt"), hex(hash) + "\n")?;
    std::fs::set_permissions(jail.join("whitelist.txt"), std::fs::Permissions::from_mode(0o644))?;
    let mut command = Command::new("opentracker");
    command.args(["-i", &at.ip().to_string(), "-p", &at.port().to_string(), "-P", &at.port().to_string()]);
    command.arg("-d").arg(&jail).args(["-w", "whitelist.txt"]).current_dir(scratch);
    Ok(command)
}

fn ours(at: SocketAddr) -> Result<Command> {
    let mut command = Command::new(riverrun::program()?);
    command.args(["tracker", "--http", &at.to_string(), "--udp", &at.to_string(), "--stats-interval", "1s"]);
    Ok(command)
}

/// A tracker at work.
pub(crate) struct Tracker {
    process: Process,
    at: SocketAddr,
    hash: [u8; 20],
}

impl Tracker {
    /// Its announce URL over HTTP.
    pub(crate) fn http(&self) -> String {
        format!("http://{}/announce", self.at)
    }

    /// Its announce URL over UDP.
    pub(crate) fn udp(&self) -> String {
        format!("udp://{}/announce", self.at)
    }

    /// Seeds and leechers of the torrent, by scrape.
    pub(crate) fn peers(&self) -> Result<(u64, u64)> {
        let hash: String = self.hash.iter().map(|byte| format!("%{byte:02x}")).collect();
        let answer = http::get(self.at, &format!("/scrape?info_hash={hash}"))?;
        let files = metainfo::value(&answer.body, "files")
            .ok_or_else(|| format!("a scrape without files: {}", String::from_utf8_lossy(&answer.body)))?;
        // A dictionary with one key of 20 bytes, or empty.
        let Some(counts) = files.get(1 + 3 + 20..).filter(|rest| !rest.is_empty()) else { return Ok((0, 0)) };
        let number = |key: &str| -> u64 {
            let text = metainfo::value(counts, key).and_then(|value| value.get(1..value.len() - 1));
            text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
        };
        Ok((number("complete"), number("incomplete")))
    }

    /// Waits until it knows a seed (or, if not, a leecher).
    pub(crate) fn wait_for(&self, seed: bool) -> Result {
        process::until(Duration::from_secs(30), "an announce to reach the tracker", || {
            let (seeds, leechers) = self.peers()?;
            Ok(if seed { seeds > 0 } else { leechers > 0 })
        })
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        // Only opentracker has one.
        let _ = std::fs::remove_dir_all(
            std::env::temp_dir().join(format!("riverrun-opentracker-{}", self.at.port())),
        );
    }
}

/// What a torrent is announced as: SHA-1 of a v1 or hybrid info dictionary, the first 20 bytes of SHA-256 of a v2 one.
pub(crate) fn announced_hash(torrent: &[u8]) -> Result<[u8; 20]> {
    let info = metainfo::value(torrent, "info").ok_or("a torrent without info")?;
    if metainfo::value(info, "pieces").is_some() {
        return Ok(sha1::Sha1::digest(info).into());
    }
    let full: [u8; 32] = sha2::Sha256::digest(info).into();
    Ok(full[..20].try_into()?)
}

/// Lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
