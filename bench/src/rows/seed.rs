//! Seeding to the load generator, which fetches the payload once, on one connection or spread over many.

use std::time::{Duration, Instant};

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::proc::{Program, Talker};
use crate::targets::{Target, above_best, below_best, below_floor};

/// The row.
pub(crate) struct Seed {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
}

impl Row for Seed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        let s = if self.connections == 1 { "" } else { "s" };
        format!(
            "Seeding a file in the page cache to {} connection{s} of the load generator; plain TCP",
            self.connections
        )
    }

    fn columns(&self) -> &'static [Column] {
        const {
            &[
                column("CPU-s/GiB", 3),
                column("generator's CPU-s/GiB", 3),
                column("of both", 3),
                column("peak RSS MiB", 0),
                column("wall s", 2),
                column("MB/s", 0),
            ]
        }
    }

    fn targets(&self) -> &'static [Target] {
        const {
            &[
                below_best("CPU-s/GiB", 0.7),
                below_best("of both", 0.7),
                below_floor("CPU-s/GiB", 1.5),
                below_floor("of both", 1.5),
                above_best("MB/s", 1.0),
            ]
        }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let place = bench.place()?;
        let scratch = place.sub("scratch")?;
        let job = bench.job(&bench.data, &scratch)?;
        let Some(command) = peer.seed(&job)? else { return Ok(None) };
        let mut client = Program::start(command, &place.path("client.log"))?;
        let mut load = Talker::start(bench.load("down", &job, self.connections, 0)?)?;
        load.wait("ready", Duration::from_secs(90))?;
        let (before, load_before) = (client.cpu()?, load.program.cpu()?);
        let start = Instant::now();
        load.go()?;
        let wall: f64 = load.wait("done", Duration::from_secs(120))?.parse()?;
        let cpu = client.cpu()? - before;
        let load_cpu = load.program.cpu()? - load_before;
        debug_assert!(start.elapsed().as_secs_f64() >= wall);
        let peak = client.peak();
        Ok(Some(vec![
            cpu / bench.gib(),
            load_cpu / bench.gib(),
            (cpu + load_cpu) / bench.gib(),
            peak,
            wall,
            bench.gib() * 1_073.741_824 / wall,
        ]))
    }
}
