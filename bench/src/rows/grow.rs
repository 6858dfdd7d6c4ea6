//! What things cost as they grow. The columns of these rows are points of a curve.

use std::time::Duration;

use super::download::Download;
use super::seed::Seed;
use super::{Column, Curve, Row, column, huge, idle};
use crate::Result;
use crate::harness::Bench;
use crate::peers::Peer;
use crate::synthetic::Shape;

/// The clients whose curves are drawn; all others would take the day.
const AMONG: [&str; 4] = ["riverrun", "libtorrent", "rqbit", "floor"];

/// A row.
pub(crate) struct Grow {
    name: &'static str,
    about: &'static str,
    columns: &'static [Column],
    of: &'static [usize],
    grows: &'static str,
    cost: &'static str,
    together: bool,
    /// The cost of one point.
    point: fn(&Bench, &dyn Peer, usize) -> Result<Option<f64>>,
}

const CONNECTIONS: &[usize] = &[1, 10, 100, 1_000];
const CONNECTION_COLUMNS: &[Column] =
    &[column("1", 3), column("10", 3), column("100", 3), column("1,000", 3)];
const TORRENTS: &[usize] = &[1, 10, 100, 1_000, 10_000];
const TORRENT_COLUMNS: &[Column] =
    &[column("1", 3), column("10", 3), column("100", 3), column("1,000", 3), column("10,000", 3)];
const PIECES: &[usize] = &[100, 1_000, 10_000, 100_000, 1_000_000];
const PIECE_COLUMNS: &[Column] = &[
    column("100", 3),
    column("1,000", 3),
    column("10,000", 3),
    column("100,000", 3),
    column("1,000,000", 3),
];
const FILES: &[usize] = &[1, 10, 100, 1_000, 10_000, 100_000];
const FILE_COLUMNS: &[Column] = &[
    column("1", 3),
    column("10", 3),
    column("100", 3),
    column("1,000", 3),
    column("10,000", 3),
    column("100,000", 3),
];

/// Receiving.
pub(crate) const CONNECTIONS_DOWNLOAD: Grow = Grow {
    name: "grow-connections-download",
    about: "CPU-s/GiB of a download as connections grow: what a block costs",
    columns: CONNECTION_COLUMNS,
    of: CONNECTIONS,
    grows: "connections",
    cost: "CPU-s/GiB",
    together: false,
    point: |bench, peer, connections| {
        let row = Download { name: "", connections, liars: 0 };
        Ok(row.measure(bench, peer, false)?.map(|values| values[0]))
    },
};

/// Sending.
pub(crate) const CONNECTIONS_SEED: Grow = Grow {
    name: "grow-connections-seed",
    about: "CPU-s/GiB of seeding as connections grow: what a block costs",
    columns: CONNECTION_COLUMNS,
    of: CONNECTIONS,
    grows: "connections",
    cost: "CPU-s/GiB",
    together: false,
    point: |bench, peer, connections| {
        let row = Seed { name: "", connections };
        Ok(row.measure(bench, peer, false)?.map(|values| values[0]))
    },
};

/// Adding torrents.
pub(crate) const TORRENTS_TIME: Grow = Grow {
    name: "grow-torrents-time",
    about: "Seconds until so many torrents of 64 pieces are added, looked through and started",
    columns: TORRENT_COLUMNS,
    of: TORRENTS,
    grows: "torrents",
    cost: "s",
    together: true,
    point: |bench, peer, torrents| Ok(idle::add(bench, peer, torrents)?.map(|holder| holder.added)),
};

/// Holding torrents.
pub(crate) const TORRENTS_MEMORY: Grow = Grow {
    name: "grow-torrents-memory",
    about: "Resident MiB of a process with so many torrents of 64 pieces",
    columns: TORRENT_COLUMNS,
    of: TORRENTS,
    grows: "torrents",
    cost: "MiB",
    together: true,
    point: |bench, peer, torrents| {
        Ok(idle::add(bench, peer, torrents)?.map(|holder| holder.client.program.resident()))
    },
};

/// Adding pieces.
pub(crate) const PIECES_TIME: Grow = Grow {
    name: "grow-pieces-time",
    about: "Seconds until a torrent of so many pieces is read, added and started",
    columns: PIECE_COLUMNS,
    of: PIECES,
    grows: "pieces",
    cost: "s",
    together: true,
    point: |bench, peer, pieces| time(bench, peer, &Shape::Pieces(pieces)),
};

/// Holding pieces.
pub(crate) const PIECES_MEMORY: Grow = Grow {
    name: "grow-pieces-memory",
    about: "Resident MiB of a process with a torrent of so many pieces",
    columns: PIECE_COLUMNS,
    of: PIECES,
    grows: "pieces",
    cost: "MiB",
    together: true,
    point: |bench, peer, pieces| memory(bench, peer, &Shape::Pieces(pieces)),
};

/// Adding files.
pub(crate) const FILES_TIME: Grow = Grow {
    name: "grow-files-time",
    about: "Seconds until a torrent of so many files of 1 KiB is read, added and started; none is there",
    columns: FILE_COLUMNS,
    of: FILES,
    grows: "files",
    cost: "s",
    together: true,
    point: |bench, peer, files| time(bench, peer, &Shape::Files(files)),
};

/// Holding files.
pub(crate) const FILES_MEMORY: Grow = Grow {
    name: "grow-files-memory",
    about: "Resident MiB of a process with a torrent of so many files of 1 KiB",
    columns: FILE_COLUMNS,
    of: FILES,
    grows: "files",
    cost: "MiB",
    together: true,
    point: |bench, peer, files| memory(bench, peer, &Shape::Files(files)),
};

fn time(bench: &Bench, peer: &dyn Peer, shape: &Shape) -> Result<Option<f64>> {
    Ok(huge::add(bench, peer, shape)?.map(|holder| holder.read + holder.added))
}

fn memory(bench: &Bench, peer: &dyn Peer, shape: &Shape) -> Result<Option<f64>> {
    Ok(huge::add(bench, peer, shape)?.map(|holder| holder.client.program.resident()))
}

impl Row for Grow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        self.about.into()
    }

    fn columns(&self) -> &'static [Column] {
        self.columns
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn curve(&self) -> Option<Curve> {
        Some(Curve { of: self.of, grows: self.grows, cost: self.cost, together: self.together })
    }

    fn measure(&self, bench: &Bench, peer: &dyn Peer, first: bool) -> Result<Option<Vec<f64>>> {
        if !AMONG.contains(&peer.name()) {
            return Ok(None);
        }
        // The round that does not count warms nothing here that the others leave cold.
        let points = if first { &self.of[..1] } else { self.of };
        let mut values = Vec::with_capacity(points.len());
        for &number in points {
            match (self.point)(bench, peer, number) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Ok(None),
                Err(error) if values.is_empty() => return Err(error),
                Err(error) => {
                    // What it did until then is a curve all the same.
                    eprintln!("{} {}: {number}: {error}", self.name, peer.name());
                    break;
                }
            }
        }
        if !first {
            values.resize(self.of.len(), f64::NAN);
        }
        Ok(Some(values))
    }
}
