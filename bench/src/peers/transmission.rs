//! Transmission's daemon. It takes the torrent from a directory that it watches, and runs a script when it is complete.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Done, Job, Peer, debian};
use crate::Result;

/// The client.
pub(crate) struct Transmission;

fn transfer(job: &Job<'_>) -> Result<Command> {
    let (config, watch, script) =
        (job.scratch.join("config"), job.scratch.join("watch"), job.scratch.join("script"));
    std::fs::create_dir_all(&config)?;
    std::fs::create_dir_all(&watch)?;
    std::fs::copy(job.torrent, watch.join("payload.torrent"))?;
    std::fs::write(&script, format!("#!/bin/sh\ntouch '{}'\n", job.scratch.join("done").display()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let text = |value: &std::path::Path| format!("\"{}\"", value.display());
    let off = [
        "dht-enabled",
        "lpd-enabled",
        "pex-enabled",
        "utp-enabled",
        "port-forwarding-enabled",
        "rpc-enabled",
        "peer-port-random-on-start",
        "incomplete-dir-enabled",
        "ratio-limit-enabled",
        "idle-seeding-limit-enabled",
        "rename-partial-files",
        "speed-limit-up-enabled",
        "speed-limit-down-enabled",
    ];
    let settings = [
        ("bind-address-ipv4", format!("\"{}\"", job.listen.ip())),
        ("peer-port", job.listen.port().to_string()),
        ("download-dir", text(job.dir)),
        ("watch-dir", text(&watch)),
        ("watch-dir-enabled", "true".into()),
        ("script-torrent-done-enabled", "true".into()),
        ("script-torrent-done-filename", text(&script)),
        ("encryption", "0".into()),
        ("peer-limit-global", "2000".into()),
        ("peer-limit-per-torrent", "1000".into()),
        ("upload-slots-per-torrent", "1000".into()),
        ("preallocation", "0".into()),
        ("start-added-torrents", "true".into()),
    ];
    let lines = settings.into_iter().chain(off.map(|name| (name, "false".to_owned())));
    let lines: Vec<String> = lines.map(|(name, value)| format!("\"{name}\": {value}")).collect();
    std::fs::write(config.join("settings.json"), format!("{{{}}}", lines.join(", ")))?;
    let mut command = Command::new("transmission-daemon");
    command.args(["--foreground", "--config-dir"]).arg(config);
    Ok(command)
}

impl Peer for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn install(&self) -> Result<String> {
        debian("transmission-daemon", "transmission-daemon")?;
        let output = Command::new("transmission-daemon").arg("--version").output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn download(&self, job: &Job<'_>) -> Result<Option<(Command, Done)>> {
        Ok(Some((transfer(job)?, Done::File(job.scratch.join("done")))))
    }

    fn seed(&self, job: &Job<'_>) -> Result<Option<Command>> {
        transfer(job).map(Some)
    }
}
