//! Every counterpart with ours, each both ways, where the leecher has a magnet link alone.

use super::transfer::{OURS, Transfer, Via, tail};
use crate::cell::Cell;
use crate::counterparts::{self, Counterpart};
use crate::data::{self, Shape};
use crate::trackers::Kind;

/// One of each version: v1 with 30 KiB of metadata, which is two pieces of it, and v2 without piece layers, which a link
/// does not bring.
const SHAPES: &[&str] = &["piece-16k", "file-hybrid", "leaves-v2"];

const OPENTRACKER: Via = Via::Http(Kind::Opentracker);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for &other in counterparts::ALL {
        for shape in shapes() {
            if other.reads(shape) {
                cells.extend(ways(other, OURS, shape).map(|transfer| transfer.cell("magnet")));
            }
            if other.takes_magnet(shape) {
                let ways = ways(OURS, other, shape).filter(|way| works(other, way.via));
                cells.extend(ways.map(|transfer| transfer.cell("magnet")));
            }
        }
        if other.name() == "rtorrent" {
            let via = Via::Http(Kind::Riverrun);
            let transfer = Transfer { seeder: OURS, leecher: other, shape: tail(), via, magnet: true };
            cells.push(transfer.cell("magnet"));
        }
    }
    cells
}

/// What does not, fails with a libtorrent seed as well: the cells `drivers/link/libtorrent-to-*` show it.
fn works(leecher: &dyn Counterpart, via: Via) -> bool {
    match leecher.name() {
        // With the metadata it hangs up, and it does not dial loopback: it waits to be dialed once more, which `--peer` does.
        "transmission" => via == Via::Peer,
        // It drops a link without a tracker, and takes no peers from opentracker reliably. From ours it does.
        "rtorrent" => false,
        _ => true,
    }
}

/// Counterparts among themselves.
pub(crate) fn drivers() -> Vec<Cell> {
    let libtorrent = counterparts::ALL[0];
    let mut cells = Vec::new();
    for &other in &counterparts::ALL[1..] {
        for shape in shapes() {
            if other.reads(shape) {
                cells.extend(ways(other, libtorrent, shape).map(|transfer| transfer.cell("drivers/link")));
            }
            if other.takes_magnet(shape) {
                cells.extend(ways(libtorrent, other, shape).map(|transfer| transfer.cell("drivers/link")));
            }
        }
    }
    cells
}

fn shapes() -> impl Iterator<Item = &'static Shape> {
    data::SHAPES.iter().filter(|shape| SHAPES.contains(&shape.name))
}

/// By every way of v1, and by one of them where the version is what is shown.
fn ways(
    seeder: &'static dyn Counterpart,
    leecher: &'static dyn Counterpart,
    shape: &'static Shape,
) -> impl Iterator<Item = Transfer> {
    let can = move |via: &Via| match via {
        Via::Peer => seeder.takes_peers() || leecher.takes_peers(),
        Via::Link => leecher.takes_linked_peers(),
        Via::Http(_) | Via::Udp(_) => seeder.dials_loopback() || leecher.dials_loopback(),
    };
    let most = if shape.version == "v1" { 3 } else { 1 };
    let ways = [Via::Link, OPENTRACKER, Via::Peer].into_iter().filter(can).take(most);
    ways.map(move |via| Transfer { seeder, leecher, shape, via, magnet: true })
}
