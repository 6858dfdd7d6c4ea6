//! Programs under measurement: their CPU time and memory as the kernel tells them, while they run and after their end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Result;

/// A running program; it ends with the value.
pub(crate) struct Program {
    child: Child,
    peak_kib: f64,
}

impl Program {
    /// Starts it; what it says goes to a file.
    pub(crate) fn start(mut command: Command, log: &std::path::Path) -> Result<Program> {
        note(&command);
        let file = std::fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().map_err(|error| format!("{}: {error}", show(&command)))?;
        Ok(Program { child, peak_kib: 0.0 })
    }

    /// Seconds of CPU so far, all threads, user and system.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let (_, rest) = self.stat()?;
        // utime and stime, in hundredths.
        let ticks = |n: usize| rest.get(n).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Whether it has ended; it stays to be asked for its CPU time.
    pub(crate) fn ended(&self) -> Result<bool> {
        Ok(self.stat()?.0 == "Z")
    }

    fn stat(&self) -> Result<(String, Vec<String>)> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name stands in parentheses and may hold anything.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        Ok((words.first().cloned().unwrap_or_default(), words))
    }

    /// The most memory it ever held, in MiB; to be called while it runs, often.
    pub(crate) fn peak(&mut self) -> f64 {
        self.peak_kib = self.peak_kib.max(self.status("VmHWM:"));
        self.peak_kib / 1024.0
    }

    /// The memory it holds now, in MiB.
    pub(crate) fn resident(&self) -> f64 {
        self.status("VmRSS:") / 1024.0
    }

    fn status(&self, key: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Whether it ended well; only after its end.
    pub(crate) fn success(&mut self) -> Result<bool> {
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that says words on stdout and waits for one on stdin: the load generator.
pub(crate) struct Talker {
    pub(crate) program: Program,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Talker {
    pub(crate) fn start(mut command: Command) -> Result<Talker> {
        note(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", show(&command)))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        Ok(Talker { program: Program { child, peak_kib: 0.0 }, lines: lines(stdout) })
    }

    /// Waits for a line that begins with a word; the rest of it.
    pub(crate) fn wait(&self, word: &str, within: Duration) -> Result<String> {
        let start = Instant::now();
        while let Some(left) = within.checked_sub(start.elapsed()) {
            let line = self.lines.recv_timeout(left).map_err(|_| format!("no `{word}`"))?;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
        Err(format!("no `{word}`").into())
    }

    pub(crate) fn go(&mut self) -> Result {
        let stdin = self.program.child.stdin.as_mut().ok_or("no stdin")?;
        Ok(stdin.write_all(b"go\n")?)
    }
}

fn lines(stdout: ChildStdout) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A client that holds torrents, and how long it took to get them.
pub(crate) struct Holder {
    pub(crate) client: Talker,
    /// Seconds until the `.torrent` was read, where it tells.
    pub(crate) read: f64,
    /// Seconds until it was added and started.
    pub(crate) added: f64,
    /// Goes after the client.
    pub(crate) place: crate::harness::Place,
}

/// Runs a program to its end; what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    note(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", show(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("`{}` failed\n{text}{}", show(command), String::from_utf8_lossy(&output.stderr)).into())
}

/// The first command that was run since somebody asked.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

fn note(command: &Command) {
    FIRST.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_with(|| show(command));
}

/// The first command that was run since this was called last: a client's, as the load generator is started after it.
pub(crate) fn take_command() -> String {
    FIRST.lock().unwrap_or_else(|e| e.into_inner()).take().unwrap_or_default()
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text = format!("{text} {}", arg.to_string_lossy());
    }
    text
}
