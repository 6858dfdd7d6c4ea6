//! The table of cells, by group. One more group is one file and one line here.

mod agreement;
mod dht;
mod exchange;
mod gateway;
mod local;
mod magnet;
mod matrix;
mod scenarios;
mod swarm;
mod transfer;

use crate::cell::Cell;

/// Every cell.
pub(crate) fn all() -> Vec<Cell> {
    let groups = [
        // Most of its time it waits.
        exchange::cells(),
        swarm::cells(),
        agreement::cells(),
        matrix::cells(),
        magnet::cells(),
        scenarios::cells(),
        local::cells(),
        dht::cells(),
        gateway::cells(),
    ];
    groups.into_iter().flatten().collect()
}

/// Cells that show the harness itself, run only when asked for by name.
pub(crate) fn drivers() -> Vec<Cell> {
    [matrix::drivers(), magnet::drivers()].into_iter().flatten().collect()
}
