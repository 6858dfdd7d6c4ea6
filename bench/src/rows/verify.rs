//! Comparing a file in the page cache with its torrent.

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::{Format, Peer};
use crate::targets::{Target, above};

/// The row.
pub(crate) struct Verify {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
}

impl Row for Verify {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        let format = if self.format == Format::V1 { "v1" } else { "v2" };
        format!(
            "Comparing a file in the page cache with its {format} torrent, on two threads; the floor reads and hashes"
        )
    }

    fn columns(&self) -> &'static [Column] {
        const { &[column("CPU-s/GiB", 3), column("wall s", 3), column("GB/s", 2)] }
    }

    fn targets(&self) -> &'static [Target] {
        match self.format {
            Format::V1 => const { &[above("libtorrent", "GB/s", 2.5)] },
            Format::V2 => const { &[above("libtorrent", "GB/s", 1.8)] },
        }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let Some(timed) = peer.verify(self.format, bench.torrent(self.format), &bench.data)? else {
            return Ok(None);
        };
        bench.timed(timed).map(Some)
    }
}
