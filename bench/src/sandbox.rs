//! Where root may, everything runs in a network that has loopback alone, so that no client looks for the outside.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::Result;

const MARK: &str = "RIVERRUN_BENCH_INSIDE";

/// Whether this is the inside, or as far as one gets.
pub(crate) fn inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs this program again inside; returns only if that fails.
pub(crate) fn enter() -> Result {
    let program = std::env::current_exe()?;
    let walls = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let possible =
        Command::new("unshare").args(walls).arg("true").status().is_ok_and(|status| status.success());
    let mut command = if possible {
        let mut command = Command::new("unshare");
        command
            .args(walls)
            .args(["--", "sh", "-c", "ip link set lo up && \"$0\" \"$@\"; exit $?"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    Err(command.env(MARK, "1").args(std::env::args_os().skip(1)).exec().into())
}
