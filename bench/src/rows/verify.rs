//! Comparing a file in the page cache with its torrent.

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;

/// The row.
pub(crate) struct Verify;

impl Row for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn about(&self) -> String {
        "Comparing a file in the page cache with its v1 torrent, on two threads".into()
    }

    fn columns(&self) -> &'static [Column] {
        const { &[column("CPU-s/GiB", 3), column("wall s", 3), column("GB/s", 2)] }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let Some(timed) = peer.verify(&bench.torrent, &bench.data)? else { return Ok(None) };
        bench.timed(timed).map(Some)
    }
}
