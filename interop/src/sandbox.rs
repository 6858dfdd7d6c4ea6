//! Where root may, the cells run behind walls: a network that has loopback alone, and a process table and mounts of
//! their own. Nothing reaches the outside, nothing collides with the machine's ports, and nothing outlives the run.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Result, install};

const MARK: &str = "RIVERRUN_INTEROP_INSIDE";
const MISSING: &str = "RIVERRUN_INTEROP_MISSING";

/// Whether this process is behind the walls (or could not have any), past all installation.
pub(crate) fn inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Whether the network, the process table and the mounts are our own.
pub(crate) fn walled() -> bool {
    std::env::var_os(MARK).is_some_and(|value| value == "walled")
}

/// What could not be had before the walls were built, with the reasons.
pub(crate) fn missing_outside() -> Result<HashMap<String, String>> {
    let Ok(text) = std::env::var(MISSING) else { return Ok(HashMap::new()) };
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)?;
    Ok(object.into_iter().map(|(name, why)| (name, why.as_str().unwrap_or_default().to_owned())).collect())
}

/// Runs this program again, with the same arguments, behind the walls; returns only if that fails.
pub(crate) fn enter(missing: &HashMap<String, String>) -> Result {
    let program = std::env::current_exe()?;
    let walls = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let possible = install::root()
        && install::which("unshare").is_some()
        && install::which("ip").is_some()
        && Command::new("unshare").args(walls).arg("true").status().is_ok_and(|status| status.success());
    let mut command;
    if possible {
        command = Command::new("unshare");
        // The shell stays the first process of the namespace, which signals from the keyboard do not end.
        command
            .args(walls)
            .args(["--", "sh", "-c", "ip link set lo up && \"$0\" \"$@\"; exit $?"])
            .arg(program);
        command.env(MARK, "walled");
    } else {
        println!(
            "no network namespace for the cells (that needs root): they run on the machine's own loopback"
        );
        command = Command::new(program);
        command.env(MARK, "open");
    }
    command.env(MISSING, serde_json::json!(missing).to_string());
    Err(command.args(std::env::args_os().skip(1)).exec().into())
}
