//! What is measured. One more is one file and one line here.

mod create;
mod download;
mod huge;
mod idle;
mod seed;
mod verify;

use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;

/// Every row, in the order of the report.
pub(crate) static ALL: &[&dyn Row] = &[
    &download::Download { name: "download-1", connections: 1, liars: 0 },
    &download::Download { name: "download-50", connections: 50, liars: 0 },
    &download::Download { name: "download-50-liars", connections: 50, liars: 2 },
    &seed::Seed { name: "seed-1", connections: 1 },
    &seed::Seed { name: "seed-10", connections: 10 },
    &seed::Seed { name: "seed-50", connections: 50 },
    &seed::Seed { name: "seed-500", connections: 500 },
    &verify::Verify,
    &create::Create,
    &idle::THOUSAND,
    &idle::TEN_THOUSAND,
    &huge::Huge,
];

/// A number that a row measures.
pub(crate) struct Column {
    /// With its unit.
    pub(crate) name: &'static str,
    /// Digits behind the point.
    pub(crate) digits: usize,
}

const fn column(name: &'static str, digits: usize) -> Column {
    Column { name, digits }
}

/// One job that every client does, or can't.
pub(crate) trait Row: Sync {
    /// Its name for `--rows`.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn about(&self) -> String;

    /// What it measures. The first column is the one whose ratio to ours is shown.
    fn columns(&self) -> &'static [Column];

    /// Does it once; one number for each column, or none where the client has no such work. `first` is the round that
    /// does not count: there the result is compared as well.
    fn measure(&self, bench: &Bench, peer: &dyn Peer, first: bool) -> Result<Option<Vec<f64>>>;
}
