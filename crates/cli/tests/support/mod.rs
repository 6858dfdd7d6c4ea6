//! Runs `torrent` on generated data and judges what came out.

#![allow(dead_code, unused_macros, unused_imports, reason = "each test program uses its own part of this")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A directory with `data/` (three files and an empty one) and `data.torrent`, a v1 torrent of it.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Bytes that look random and are the same each time.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let scene = Scene::bare();
        scene.write("data/a.bin", &noise(300_000, 1));
        scene.write("data/docs/b.txt", &noise(70_000, 2));
        scene.write("data/docs/c.txt", b"short");
        scene.write("data/empty", b"");
        scene.ok("create data --reproducible --piece-length 32k -a http://tracker.test/announce -c scene -o data.torrent");
        scene
    }

    pub(crate) fn bare() -> Scene {
        Scene { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// `torrent` with these words, in the scene's directory and with a clean environment.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torrent"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RIVERRUN"))
        {
            command.env_remove(name);
        }
        // Tests keep to themselves, whatever they listen on.
        command.envs([("RIVERRUN_NO_LSD", "true"), ("RIVERRUN_NO_PORT_FORWARD", "true")]);
        command.current_dir(self.dir.path()).args(words.split_whitespace()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &str) -> Outcome {
        Outcome::of(self.command(words))
    }

    pub(crate) fn run_with(&self, words: &str, variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(words);
        command.envs(variables.iter().copied());
        Outcome::of(command)
    }

    /// Runs with `input` on stdin.
    pub(crate) fn run_on(&self, words: &str, input: &[u8]) -> Outcome {
        let mut command = self.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Outcome::from(child.wait_with_output().unwrap())
    }

    /// Runs what must succeed; its stdout.
    pub(crate) fn ok(&self, words: &str) -> String {
        let outcome = self.run(words);
        assert_eq!(outcome.code, Some(0), "{words}: {outcome:?}");
        String::from_utf8(outcome.stdout).unwrap()
    }

    /// Runs what prints JSON, one object a line, each with the schema number first.
    pub(crate) fn json(&self, words: &str) -> Vec<serde_json::Value> {
        json_lines(&self.run(words).stdout)
    }

    /// Runs, and compares code and streams: an empty pattern means an empty stream, another must be part of it.
    pub(crate) fn expect(&self, words: &str, code: i32, stdout: &str, stderr: &str) {
        let outcome = self.run(words);
        let seen = outcome.text();
        assert_eq!(outcome.code, Some(code), "{words}: {outcome:?}");
        let fits = |pattern: &str, text: &str| {
            if pattern.is_empty() { text.is_empty() } else { text.contains(pattern) }
        };
        assert!(fits(stdout, &seen), "{words}: stdout without `{stdout}`:\n{seen}");
        assert!(fits(stderr, &outcome.stderr), "{words}: stderr without `{stderr}`:\n{}", outcome.stderr);
    }

    /// Starts a command that goes on until it is stopped.
    pub(crate) fn start(&self, words: &str) -> Running {
        Running::of(self.command(words))
    }

    /// The same, heeding SIGHUP even if whoever runs the tests ignores it: `nohup` hands that down.
    pub(crate) fn start_heeding_hangup(&self, words: &str) -> Running {
        let plain = self.command(words);
        if !cfg!(target_os = "linux") {
            return Running::of(plain);
        }
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP")
            .arg(plain.get_program())
            .args(plain.get_args())
            .stdin(Stdio::null());
        command.current_dir(self.dir.path());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Running::of(command)
    }
}

pub(crate) fn json_lines(stdout: &[u8]) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(stdout).unwrap();
    let read = |line: &str| {
        assert!(line.starts_with("{\"schema\":1"), "{line}");
        serde_json::from_str(line).unwrap()
    };
    text.lines().map(read).collect()
}

impl Outcome {
    fn of(mut command: Command) -> Outcome {
        Outcome::from(command.output().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl From<std::process::Output> for Outcome {
    fn from(output: std::process::Output) -> Outcome {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Outcome { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

/// A program at work; ended when it goes out of scope.
pub(crate) struct Running {
    child: Child,
    lines: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn of(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = child.stdout.take().map(BufReader::new);
        Running { child, lines }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line of stderr.
    pub(crate) fn complaint(&mut self) -> String {
        let mut line = Vec::new();
        let from = self.child.stderr.as_mut().unwrap();
        let mut byte = [0];
        while from.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// What Ctrl-C does; then the exit code and the rest of both streams.
    pub(crate) fn interrupt(self) -> (Option<i32>, String, String) {
        self.signal("-INT")
    }

    /// Nobody reads stdout any more; then the exit code.
    pub(crate) fn leave_unread(mut self) -> Option<i32> {
        self.lines = None;
        self.child.wait().unwrap().code()
    }

    /// What `kill` with this does; then as above.
    pub(crate) fn signal(mut self, signal: &str) -> (Option<i32>, String, String) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args([OsStr::new(signal), OsStr::new(&pid)]).status().unwrap();
        assert!(told.success());
        let (mut out, mut err) = (String::new(), String::new());
        self.lines.as_mut().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pages of the project's documents.
pub(crate) fn document(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Each row is a test on a fresh [`Scene`]: its name, the words of a command, the exit code, and what stdout and stderr
/// contain; `""` where a stream must stay empty.
macro_rules! rows {
    ($($name:ident: $words:literal => $code:literal, $stdout:literal, $stderr:literal;)*) => {$(
        #[test]
        fn $name() {
            support::Scene::new().expect($words, $code, $stdout, $stderr);
        }
    )*};
}
pub(crate) use rows;
