//! Every counterpart with ours, each both ways, over every shape it reads; and found through either tracker.

use super::transfer::{OURS, Transfer, Via, tail};
use crate::cell::Cell;
use crate::counterparts::{self, Counterpart};
use crate::data::{self, Shape};
use crate::trackers::Kind;

/// Shapes that every counterpart moves; one GiB goes to two of them.
const SMALL: &[&str] = &[
    "many",
    "many-v2",
    "many-hybrid",
    "piece-16k",
    "piece-1m",
    "piece-16m",
    "single-piece",
    "tail-of-1",
    "file-v2",
    "file-hybrid",
];

/// Who moves the big one.
const BIG: &[&str] = &["libtorrent", "qbittorrent"];

const TRACKERS: &[Via] = &[
    Via::Http(Kind::Opentracker),
    Via::Udp(Kind::Opentracker),
    Via::Http(Kind::Riverrun),
    Via::Udp(Kind::Riverrun),
];

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for &other in counterparts::ALL {
        let big = BIG.contains(&other.name()).then_some("one-gib");
        for shape in
            data::SHAPES.iter().filter(|shape| SMALL.contains(&shape.name) || Some(shape.name) == big)
        {
            if other.reads(shape) {
                cells.push(pair("peers", other, OURS, shape, Via::Peer));
                if other.saves(shape) {
                    cells.push(pair("peers", OURS, other, shape, Via::Peer));
                }
            }
        }
        for &via in TRACKERS {
            cells.push(pair("trackers", other, OURS, tail(), via));
            // rTorrent 0.9.8 takes no peers from opentracker reliably, a libtorrent seed's as little as ours (the cells
            // `drivers/libtorrent-to-rtorrent/opentracker-*` show it); through our tracker it does.
            let by_opentracker = matches!(via, Via::Http(Kind::Opentracker) | Via::Udp(Kind::Opentracker));
            if !(by_opentracker && other.name() == "rtorrent") {
                cells.push(pair("trackers", OURS, other, tail(), via));
            }
        }
    }
    let (seeder, big) = (counterparts::ALL[0], data::named("one-gib").expect("the table of shapes has it"));
    for via in [Via::Http(Kind::Opentracker), Via::Udp(Kind::Opentracker)] {
        cells.push(pair("found", seeder, OURS, big, via));
    }
    cells
}

/// Counterparts among themselves: they prove the drivers, and run only when asked for by name.
pub(crate) fn drivers() -> Vec<Cell> {
    let libtorrent = counterparts::ALL[0];
    let mut cells = Vec::new();
    for &other in &counterparts::ALL[1..] {
        for via in [TRACKERS[0], TRACKERS[1]] {
            cells.push(pair("drivers", other, libtorrent, tail(), via));
            cells.push(pair("drivers", libtorrent, other, tail(), via));
        }
        for shape in data::SHAPES.iter().filter(|shape| SMALL.contains(&shape.name)) {
            if other.reads(shape) {
                cells.push(pair("drivers", other, libtorrent, shape, Via::Peer));
                cells.push(pair("drivers", libtorrent, other, shape, Via::Peer));
            }
        }
    }
    cells
}

fn pair(
    group: &str,
    seeder: &'static dyn Counterpart,
    leecher: &'static dyn Counterpart,
    shape: &'static Shape,
    via: Via,
) -> Cell {
    Transfer { seeder, leecher, shape, via, magnet: false }.cell(group)
}
