//! Programs run by a cell: each leads a process group that ends with the value that stands for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::Result;

/// How often anything is looked at that gives no notice.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// A running program and the file that all it says goes to.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    command: String,
}

impl Process {
    /// Starts `command`; its output is appended to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(log)?;
        let shown = show(&command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().map_err(|error| format!("{shown}: {error}"))?;
        Ok(Process { child, log: log.to_owned(), command: shown })
    }

    /// Its exit status, once it has one.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error if it has ended.
    pub(crate) fn must_run(&mut self) -> Result {
        match self.exited()? {
            Some(status) => Err(format!("`{}` ended early ({status})", self.command).into()),
            None => Ok(()),
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let mut found = None;
        until(within, &format!("the end of `{}`", self.command.clone()), || {
            found = self.exited()?;
            Ok(found.is_some())
        })?;
        found.ok_or_else(|| "no exit status".into())
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) -> Result {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// All it has said so far.
    pub(crate) fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// The last 16 KiB of what it has said.
    pub(crate) fn said_last(&self) -> Result<String> {
        let mut file = File::open(&self.log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(16 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                // It may have ended in between; then there is nobody to end.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// Runs a program to its end and returns what it wrote to stdout; a failure shows both streams.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", show(command)))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed ({})\n{stdout}{stderr}", show(command), output.status).into())
}

/// Asks `done` until it says yes; an error names what was waited for.
pub(crate) fn until(within: Duration, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > within {
            return Err(format!("waited {} s in vain for {what}", within.as_secs()).into());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
