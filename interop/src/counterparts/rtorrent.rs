//! rTorrent without a terminal (`system.daemon`), asked by XML-RPC over SCGI on a local socket.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use super::{Client, Counterpart, Job, State};
use crate::data::Shape;
use crate::process::Process;
use crate::{Result, install, metainfo};

/// The client.
pub(crate) struct Rtorrent;

impl Counterpart for Rtorrent {
    fn name(&self) -> &'static str {
        "rtorrent"
    }

    fn install(&self) -> Result {
        install::debian("rtorrent", &["rtorrent"])
    }

    fn version(&self) -> Result<String> {
        let said = Command::new("rtorrent").arg("-h").output()?.stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let at = said.find("version ").map_or("", |at| &said[at + 8..]);
        Ok(at
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .next()
            .unwrap_or("")
            .trim_end_matches('.')
            .to_owned())
    }

    fn reads(&self, shape: &Shape) -> bool {
        // The padding files of many are one file with several lengths to it.
        shape.version == "v1" || shape.name == "file-hybrid"
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>> {
        let session = job.scratch.join("session");
        std::fs::create_dir_all(&session)?;
        // The path of a local socket has at most 107 bytes.
        let socket = std::env::temp_dir().join(format!("riverrun-scgi-{}", job.listen.port()));
        // One from a run that was killed.
        let _ = std::fs::remove_file(&socket);
        let rc = job.scratch.join("rtorrent.rc");
        let port = job.listen.port();
        let source = match job.magnet {
            Some(magnet) => magnet.to_owned(),
            None => tracked(job)?.display().to_string(),
        };
        let lines = [
            "system.daemon.set = true".to_owned(),
            format!("session.path.set = {}", session.display()),
            format!("network.scgi.open_local = {}", socket.display()),
            format!("network.port_range.set = {port}-{port}"),
            format!("network.bind_address.set = {}", job.listen.ip()),
            "dht.mode.set = disable".to_owned(),
            "protocol.pex.set = no".to_owned(),
            "trackers.use_udp.set = yes".to_owned(),
            "protocol.encryption.set = allow_incoming".to_owned(),
            format!("throttle.global_up.max_rate.set_kb = {}", job.up_rate / 1024),
            format!("directory.default.set = \"{}\"", job.dir.display()),
            format!("load.start = \"{source}\""),
        ];
        std::fs::write(&rc, lines.map(|line| line + "\n").concat())?;
        let mut command = Command::new("rtorrent");
        command.arg("-n").arg("-o").arg(format!("import={}", rc.display()));
        let process = Process::spawn(command, &job.scratch.join("rtorrent.log"))?;
        Ok(Box::new(Running { process, socket, seed: job.seed }))
    }
}

/// The .torrent with a tracker: it drops one without when it has no DHT. A tracker that answers nothing does.
fn tracked(job: &Job<'_>) -> Result<PathBuf> {
    let torrent = job.scratch.join("loaded.torrent");
    let bytes = std::fs::read(job.torrent)?;
    let tracked = metainfo::value(&bytes, "announce").is_some();
    let nowhere = if tracked { Vec::new() } else { vec!["http://127.0.0.1:9/announce".to_owned()] };
    std::fs::write(&torrent, metainfo::with_trackers(&bytes, &nowhere)?)?;
    Ok(torrent)
}

struct Running {
    process: Process,
    socket: PathBuf,
    seed: bool,
}

impl Running {
    /// Calls a method with text arguments; the values of the answer, in order. None, while nobody listens.
    fn ask(&self, method: &str, args: &[&str]) -> Result<Vec<String>> {
        // It is bound before it listens, and is there a while before it is bound.
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return Ok(Vec::new()) };
        let mut body =
            format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>");
        for arg in args {
            write!(body, "<param><value><string>{arg}</string></value></param>")?;
        }
        body += "</params></methodCall>";
        let head = format!("CONTENT_LENGTH\0{}\0SCGI\u{0}1\0", body.len());
        write!(stream, "{}:{head},{body}", head.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.contains("<fault>") {
            return Err(format!("rTorrent: {answer}").into());
        }
        let values = answer.split("<i8>").skip(1).filter_map(|rest| rest.split_once("</i8>"));
        Ok(values.map(|(value, _)| value.to_owned()).collect())
    }
}

impl Client for Running {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn state(&mut self) -> Result<State> {
        self.process.must_run()?;
        let wanted = ["", "main", "d.complete=", "d.is_active=", "d.hashing=", "d.up.total=", "d.is_meta="];
        let values = self.ask("d.multicall2", &wanted)?;
        let [complete, active, hashing, up, meta] = values.as_slice() else { return Ok(State::default()) };
        // The metadata of a magnet link is a download of its own.
        let idle = active == "1" && hashing == "0" && (meta == "0" || !self.seed);
        let whole = complete == "1" && meta == "0" && idle;
        Ok(State { ready: idle && (whole || !self.seed), complete: whole, up: up.parse()? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}
