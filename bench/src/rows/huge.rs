//! One torrent of very many pieces.

use std::time::Duration;

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::proc::{Holder, Talker};
use crate::synthetic::{self, Shape};
use crate::targets::{Target, at_most};

/// The row.
pub(crate) struct Huge;

/// Of 1 MiB each: 1 TiB.
const PIECES: usize = 1 << 20;

impl Row for Huge {
    fn name(&self) -> &'static str {
        "million-pieces"
    }

    fn about(&self) -> String {
        format!("One torrent of 1 TiB in {PIECES} pieces, read, added and started; nothing of it is there")
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

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn targets(&self) -> &'static [Target] {
        const { &[at_most("peak RSS MiB", 48.0), at_most("added in s", 1.0)] }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let Some(Holder { mut client, read, added, place }) = add(bench, peer, &Shape::Pieces(PIECES))?
        else {
            return Ok(None);
        };
        std::thread::sleep(Duration::from_secs(2));
        let before = client.program.cpu()?;
        let watch = Duration::from_secs(4);
        std::thread::sleep(watch);
        let cpu = 100.0 * (client.program.cpu()? - before) / watch.as_secs_f64();
        let values = vec![client.program.resident(), client.program.peak(), read, added, cpu];
        drop((client, place));
        Ok(Some(values))
    }
}

/// A client to which a torrent of this shape was added.
pub(super) fn add(bench: &Bench, peer: &dyn Peer, shape: &Shape) -> Result<Option<Holder>> {
    let place = bench.place()?;
    let torrent = place.path("huge.torrent");
    let Some(command) = peer.huge(&torrent, &place.sub("data")?)? else { return Ok(None) };
    synthetic::write(&torrent, shape)?;
    let client = Talker::start(command)?;
    let read = client.wait("parsed", Duration::from_secs(120))?.parse()?;
    let added = client.wait("added", Duration::from_secs(120))?.parse()?;
    Ok(Some(Holder { client, read, added, place }))
}
