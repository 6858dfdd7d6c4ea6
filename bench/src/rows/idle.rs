//! Very many torrents without peers in one client.

use std::time::Duration;

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::proc::{Holder, Talker};
use crate::targets::{Target, at_most};

/// The row.
pub(crate) struct Idle {
    name: &'static str,
    torrents: usize,
}

/// A thousand, as many a user has.
pub(crate) const THOUSAND: Idle = Idle { name: "idle-1000", torrents: 1_000 };
/// Ten thousand, as an archive has.
pub(crate) const TEN_THOUSAND: Idle = Idle { name: "idle-10000", torrents: 10_000 };

/// Long enough for a percent to be seen.
const WATCH: Duration = Duration::from_secs(5);

impl Row for Idle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        format!(
            "{} torrents of 64 pieces added to one client and started, no trackers, no peers; state on a disk, riverrun with `metadata_on_disk`",
            self.torrents
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                column("RSS MiB", 0),
                column("peak RSS MiB", 0),
                column("added in s", 2),
                column("idle CPU %", 1),
            ]
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn targets(&self) -> &'static [Target] {
        match self.torrents {
            10_000 => {
                const { &[at_most("RSS MiB", 45.0), at_most("added in s", 1.0), at_most("idle CPU %", 0.5)] }
            }
            _ => &[],
        }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let Some(Holder { mut client, added, place, .. }) = add(bench, peer, self.torrents)? else {
            return Ok(None);
        };
        // What starting left behind is not idling.
        std::thread::sleep(Duration::from_secs(2));
        let before = client.program.cpu()?;
        std::thread::sleep(WATCH);
        let cpu = 100.0 * (client.program.cpu()? - before) / WATCH.as_secs_f64();
        let values = vec![client.program.resident(), client.program.peak(), added, cpu];
        drop((client, place));
        Ok(Some(values))
    }
}

/// A client to which so many torrents were added.
pub(super) fn add(bench: &Bench, peer: &dyn Peer, torrents: usize) -> Result<Option<Holder>> {
    // On a disk: what lies in memory is to be counted.
    let place = bench.place_on_disk()?;
    let Some(command) = peer.idle(torrents, &place.sub("data")?)? else { return Ok(None) };
    let client = Talker::start(command)?;
    let added = client.wait("added", Duration::from_secs(120))?.parse()?;
    Ok(Some(Holder { client, read: 0.0, added, place }))
}
