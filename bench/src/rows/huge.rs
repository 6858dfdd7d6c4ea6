//! One torrent of very many pieces.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::proc::Talker;

/// The row.
pub(crate) struct Huge;

/// 1 TiB.
const LENGTH: u64 = 1 << 40;
const PIECE: u64 = 1 << 20;

impl Row for Huge {
    fn name(&self) -> &'static str {
        "million-pieces"
    }

    fn about(&self) -> String {
        let pieces = LENGTH / PIECE;
        format!("one torrent of 1 TiB in {pieces} pieces, read, added and started; nothing of it is there")
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                column("RSS MiB", 0),
                column("peak RSS MiB", 0),
                column("read in s", 3),
                column("added in s", 3),
                column("idle CPU %", 1),
            ]
        }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let place = bench.place()?;
        let torrent = place.path("huge.torrent");
        let Some(command) = peer.huge(&torrent, &place.sub("data")?)? else { return Ok(None) };
        write(&torrent)?;
        let mut client = Talker::start(command)?;
        let read: f64 = client.wait("parsed", Duration::from_secs(120))?.parse()?;
        let added: f64 = client.wait("added", Duration::from_secs(120))?.parse()?;
        std::thread::sleep(Duration::from_secs(2));
        let before = client.program.cpu()?;
        let watch = Duration::from_secs(4);
        std::thread::sleep(watch);
        let cpu = 100.0 * (client.program.cpu()? - before) / watch.as_secs_f64();
        Ok(Some(vec![client.program.resident(), client.program.peak(), read, added, cpu]))
    }
}

/// A torrent whose hashes nothing fits.
fn write(path: &Path) -> Result {
    let hashes = LENGTH / PIECE * 20;
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    write!(out, "d4:infod6:lengthi{LENGTH}e4:name4:huge12:piece lengthi{PIECE}e6:pieces{hashes}:")?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..hashes / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    out.write_all(b"ee")?;
    Ok(out.flush()?)
}
