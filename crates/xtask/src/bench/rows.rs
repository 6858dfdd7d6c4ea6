//! What is measured: one row, one job done by us and by a peer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, process};

/// One job, twice.
pub(crate) struct Row {
    /// What it is.
    pub(crate) name: &'static str,
    /// Our command, timed as a whole process.
    pub(crate) ours: Command,
    /// The peer's command, which prints the wall and CPU seconds of the work alone (its start is not held against it).
    pub(crate) theirs: Command,
}

/// The files all rows share.
pub(crate) struct Data {
    dir: PathBuf,
    file: PathBuf,
    torrent: PathBuf,
}

const PIECE_LEN: u32 = 1 << 20;

impl Data {
    /// `mib` MiB that no disk or file system can compress or share, and their torrent.
    pub(crate) fn make(dir: &Path, mib: u64, program: &Path) -> Result<Data> {
        let file = dir.join("payload");
        let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..mib * (1 << 17) {
            // xorshift64: cheap, and without repeats within a file.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            out.write_all(&state.to_le_bytes())?;
        }
        out.flush()?;
        let torrent = dir.join("payload.torrent");
        let mut make = create(program, &file, "2");
        make.arg("--force").arg("--output").arg(&torrent);
        process::check(make)?;
        Ok(Data { dir: dir.to_path_buf(), file, torrent })
    }
}

/// Every row.
pub(crate) fn rows(data: &Data, program: &Path, python: &Path, script: &Path) -> Vec<Row> {
    let peer = |args: &[&std::ffi::OsStr]| {
        let mut command = Command::new(python);
        command.arg(script).args(args);
        command
    };
    let piece_len = PIECE_LEN.to_string();
    let mut ours_create = create(program, &data.file, "2");
    ours_create.arg("--force").arg("--output").arg(data.dir.join("ours.torrent"));
    let mut ours_verify = Command::new(program);
    ours_verify.args(["verify", "--quiet", "--threads", "2"]).arg(&data.torrent).arg("--data").arg(&data.dir);
    vec![
        Row {
            name: "create v1, 1 MiB pieces",
            ours: ours_create,
            theirs: peer(&["create".as_ref(), data.file.as_os_str(), piece_len.as_ref()]),
        },
        Row {
            name: "verify v1, 1 MiB pieces, 2 threads",
            ours: ours_verify,
            theirs: peer(&["verify".as_ref(), data.torrent.as_os_str(), data.dir.as_os_str(), "2".as_ref()]),
        },
    ]
}

fn create(program: &Path, file: &Path, threads: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["create", "--quiet", "--threads", threads, "--piece-length", &PIECE_LEN.to_string()])
        .arg(file);
    command
}
