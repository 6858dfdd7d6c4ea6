//! A download from the load generator, on one connection or on many.

use std::time::{Duration, Instant};

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::{Done, Peer};
use crate::proc::{Program, Talker};
use crate::targets::{Target, above_best, at_most, below_best, below_floor};

/// The row.
pub(crate) struct Download {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) liars: usize,
}

impl Row for Download {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        let lies = match self.liars {
            0 => String::new(),
            n => format!(", {n} of which lie in every eighth block"),
        };
        let s = if self.connections == 1 { "" } else { "s" };
        format!(
            "A download to tmpfs from {} connection{s} of the load generator{lies}; plain TCP",
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
        match (self.connections, self.liars) {
            (1, _) => {
                const {
                    &[
                        below_best("CPU-s/GiB", 0.8),
                        below_best("of both", 0.8),
                        below_floor("CPU-s/GiB", 1.3),
                        below_floor("of both", 1.3),
                        at_most("peak RSS MiB", 32.0),
                        below_best("wall s", 1.03),
                    ]
                }
            }
            (_, 0) => {
                const {
                    &[
                        below_best("CPU-s/GiB", 0.7),
                        below_best("of both", 0.7),
                        above_best("MB/s", 1.2).given_below("generator's CPU-s/GiB", 0.4),
                        at_most("peak RSS MiB", 64.0),
                    ]
                }
            }
            _ => &[],
        }
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, first: bool) -> Result<Option<Vec<f64>>> {
        // The floor believes what it is told.
        if self.liars > 0 && peer.name() == "floor" {
            return Ok(None);
        }
        let place = bench.place()?;
        let dir = place.sub("data")?;
        let scratch = place.sub("scratch")?;
        let job = bench.job(&dir, &scratch)?;
        let Some((command, done)) = peer.download(&job)? else { return Ok(None) };
        let mut client = Program::start(command, &place.path("client.log"))?;
        let mut load = Talker::start(bench.load("up", &job, self.connections, self.liars)?)?;
        load.wait("ready", Duration::from_secs(60))?;
        let (before, load_before) = (client.cpu()?, load.program.cpu()?);
        let start = Instant::now();
        load.go()?;
        let limit = Duration::from_secs(60);
        loop {
            client.peak();
            let over = match &done {
                Done::Exit => client.ended()?,
                Done::File(path) => path.exists() || client.ended()?,
            };
            if over {
                break;
            }
            if start.elapsed() > limit {
                return Err(format!("not complete after {} s", limit.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        let wall = start.elapsed().as_secs_f64();
        let cpu = client.cpu()? - before;
        let load_cpu = load.program.cpu()? - load_before;
        if matches!(done, Done::Exit) && !client.success()? {
            return Err("it ended with an error".into());
        }
        let peak = client.peak();
        drop((client, load));
        if first {
            bench.payload.check(&dir.join("payload"), bench.pieces)?;
        }
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
