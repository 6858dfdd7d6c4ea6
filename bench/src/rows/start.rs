//! How soon a program is there, and how large it is.

use std::time::Instant;

use super::{Column, Row, column};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::proc;
use crate::targets::{Target, at_most};

/// The row.
pub(crate) struct Start;

/// Starts of one round; the middle one counts.
const STARTS: usize = 51;

impl Row for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn about(&self) -> String {
        format!(
            "The program says its version: the middle one of {STARTS} starts; and the size of its file, without libraries"
        )
    }

    fn columns(&self) -> &'static [Column] {
        const { &[column("wall ms", 2), column("MiB", 1)] }
    }

    fn targets(&self) -> &'static [Target] {
        const { &[at_most("wall ms", 5.0), at_most("MiB", 25.0)] }
    }

    fn measure(&self, _: &Bench, peer: &dyn Peer, _: bool) -> Result<Option<Vec<f64>>> {
        let Some(mut command) = peer.version()? else { return Ok(None) };
        let mut starts = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let start = Instant::now();
            proc::output(&mut command)?;
            starts.push(1_000.0 * start.elapsed().as_secs_f64());
        }
        starts.sort_by(f64::total_cmp);
        let name = std::path::Path::new(command.get_program());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&path).map(|dir| dir.join(name));
        let program = std::iter::once(name.to_owned()).chain(places).find(|path| path.is_file());
        let size = program.ok_or("the program has no file")?.metadata()?.len();
        Ok(Some(vec![starts[STARTS / 2], size as f64 / f64::from(1 << 20)]))
    }
}
