//! Comparing a file on a disk with its torrent, when nothing of it is in memory.

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::{Format, Peer};
use crate::targets::{Target, above};

/// The row.
pub(crate) struct Cold;

impl Row for Cold {
    fn name(&self) -> &'static str {
        "verify-cold"
    }

    fn about(&self) -> String {
        "Comparing a file in `/var/tmp` with its v1 torrent after the system was told to forget it; the floor reads it and \
         does nothing else"
            .into()
    }

    fn columns(&self) -> &'static [Column] {
        const { &[column("wall s", 3), column("CPU-s/GiB", 3), column("GB/s", 2)] }
    }

    fn targets(&self) -> &'static [Target] {
        const { &[above("floor", "GB/s", 1.0)] }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let dir = bench.cold()?;
        let timed = match peer.read(dir)? {
            Some(timed) => Some(timed),
            None => peer.verify(Format::V1, &bench.torrent, dir)?,
        };
        let Some(timed) = timed else { return Ok(None) };
        let values = bench.timed(timed)?;
        Ok(Some(vec![values[1], values[0], values[2]]))
    }
}
