//! Making a torrent.

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;

/// The row.
pub(crate) struct Create;

impl Row for Create {
    fn name(&self) -> &'static str {
        "create"
    }

    fn about(&self) -> String {
        "Making a v1 torrent of a file in the page cache".into()
    }

    fn columns(&self) -> &'static [Column] {
        const { &[column("CPU-s/GiB", 3), column("wall s", 3), column("GB/s", 2)] }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let place = bench.place()?;
        let Some(timed) = peer.create(&bench.data.join("payload"), &place.path("made.torrent"))? else {
            return Ok(None);
        };
        bench.timed(timed).map(Some)
    }
}
