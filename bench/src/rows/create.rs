//! Making a torrent.

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::{Format, Peer};
use crate::targets::{Target, above};

/// The row.
pub(crate) struct Create {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
}

impl Row for Create {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        let format = if self.format == Format::V1 { "v1" } else { "v2" };
        format!("Making a {format} torrent of a file in the page cache")
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
        let place = bench.place()?;
        let Some(timed) =
            peer.create(self.format, &bench.data.join("payload"), &place.path("made.torrent"))?
        else {
            return Ok(None);
        };
        bench.timed(timed).map(Some)
    }
}
