//! What is measured. One more is one file and one line here.

mod cold;
mod create;
mod download;
mod grow;
mod huge;
mod idle;
mod seed;
mod start;
mod verify;

use std::time::Duration;

use crate::Result;
use crate::harness::Bench;
use crate::peers::{Format, Peer};
use crate::targets::Target;

/// Every row, in the order of the report.
pub(crate) static ALL: &[&dyn Row] = &[
    &download::Download { name: "download-1", connections: 1, liars: 0 },
    &download::Download { name: "download-50", connections: 50, liars: 0 },
    &download::Download { name: "download-200", connections: 200, liars: 0 },
    &download::Download { name: "download-500", connections: 500, liars: 0 },
    &download::Download { name: "download-50-liars", connections: 50, liars: 2 },
    &seed::Seed { name: "seed-1", connections: 1 },
    &seed::Seed { name: "seed-10", connections: 10 },
    &seed::Seed { name: "seed-50", connections: 50 },
    &seed::Seed { name: "seed-500", connections: 500 },
    &verify::Verify { name: "verify", format: Format::V1 },
    &verify::Verify { name: "verify-v2", format: Format::V2 },
    &cold::Cold,
    &create::Create { name: "create", format: Format::V1 },
    &create::Create { name: "create-v2", format: Format::V2 },
    &idle::THOUSAND,
    &idle::TEN_THOUSAND,
    &huge::Huge,
    &start::Start,
    &grow::CONNECTIONS_DOWNLOAD,
    &grow::CONNECTIONS_SEED,
    &grow::TORRENTS_TIME,
    &grow::TORRENTS_MEMORY,
    &grow::PIECES_TIME,
    &grow::PIECES_MEMORY,
    &grow::FILES_TIME,
    &grow::FILES_MEMORY,
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

/// What the columns of a row are when they are points: its plot has two axes, both logarithmic.
pub(crate) struct Curve {
    /// What grows, one number for each column.
    pub(crate) of: &'static [usize],
    /// What it is.
    pub(crate) grows: &'static str,
    /// What it costs, with its unit.
    pub(crate) cost: &'static str,
    /// Whether that is the cost of all of them together, and not of one.
    pub(crate) together: bool,
}

/// One job that every client does, or can't.
pub(crate) trait Row: Sync {
    /// Its name for `--rows`.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn about(&self) -> String;

    /// What it measures. The first column is the one whose ratio to ours is shown.
    fn columns(&self) -> &'static [Column];

    /// Where the columns are points of a curve.
    fn curve(&self) -> Option<Curve> {
        None
    }

    /// What our numbers are to reach.
    fn targets(&self) -> &'static [Target] {
        &[]
    }

    /// Who takes longer than this, with starting and checking, is asked for one round alone, so that a run has an end.
    fn patience(&self) -> Duration {
        Duration::from_secs(8)
    }

    /// Does it once; one number for each column, or none where the client has no such work. `first` is the round that
    /// does not count: there the result is compared as well.
    fn measure(&self, bench: &Bench, peer: &dyn Peer, first: bool) -> Result<Option<Vec<f64>>>;
}
