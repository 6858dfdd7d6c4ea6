//! Every counterpart with ours, each both ways, over every shape it reads; and found through either tracker.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, local};
use crate::counterparts::riverrun::Riverrun;
use crate::counterparts::{self, Counterpart, wait_complete, wait_ready};
use crate::data::{self, Shape};
use crate::trackers::{Kind, Tracker};

static OURS: &dyn Counterpart = &Riverrun;

/// How the two find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    /// One is told the address of the other.
    Peer,
    /// A tracker, over HTTP.
    Http(Kind),
    /// A tracker, over UDP.
    Udp(Kind),
}

impl Via {
    fn name(self) -> String {
        match self {
            Via::Peer => "peer".into(),
            Via::Http(kind) => format!("{}-http", kind.name()),
            Via::Udp(kind) => format!("{}-udp", kind.name()),
        }
    }
}

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

fn tail() -> &'static Shape {
    data::named("tail-of-1").expect("the table of shapes has it")
}

fn pair(
    group: &str,
    seeder: &'static dyn Counterpart,
    leecher: &'static dyn Counterpart,
    shape: &'static Shape,
    via: Via,
) -> Cell {
    let what = if via == Via::Peer { shape.name.to_owned() } else { via.name() };
    let name = format!("{group}/{}-to-{}/{what}", seeder.name(), leecher.name());
    let about = match via {
        Via::Peer => format!("{} downloads from {}: {}", leecher.name(), seeder.name(), shape.about),
        _ => format!("{} downloads from {}, found through {}", leecher.name(), seeder.name(), via.name()),
    };
    let mut needs = vec![Need::Client(seeder), Need::Client(leecher)];
    if let Via::Http(kind) | Via::Udp(kind) = via {
        needs.push(Need::Tracker(kind));
    }
    let cell = Cell::new(name, about, needs, move |context| transfer(context, seeder, leecher, shape, via));
    if shape.name == "one-gib" { cell.alone() } else { cell }
}

fn transfer(
    context: &Context<'_>,
    seeder: &dyn Counterpart,
    leecher: &dyn Counterpart,
    shape: &Shape,
    via: Via,
) -> Result<String> {
    let tracker = match via {
        Via::Peer => None,
        Via::Http(kind) | Via::Udp(kind) => Some(kind.start(&context.store.torrent(shape)?, &context.dir)?),
    };
    let urls: Vec<String> = match (&tracker, via) {
        (Some(tracker), Via::Http(_)) => vec![tracker.http()],
        (Some(tracker), _) => vec![tracker.udp()],
        (None, _) => Vec::new(),
    };
    let torrent = context.torrent(shape, &urls)?;
    let (seed_at, leech_at) = (local()?, local()?);
    let dir = context.sub("downloaded")?;
    // Who connects comes second, so that the other is there, or known to the tracker.
    let leecher_dials = if via == Via::Peer { leecher.takes_peers() } else { leecher.dials_loopback() };
    let told =
        |dials: bool, peer: SocketAddr| if dials && via == Via::Peer { vec![peer] } else { Vec::new() };
    let start_seed = || context.seed(seeder, &torrent, seed_at, &told(!leecher_dials, leech_at));
    let start_leech = || context.leech(leecher, &torrent, &dir, leech_at, &told(leecher_dials, seed_at));
    let (seed, mut leech, start);
    if leecher_dials {
        seed = known(start_seed()?, tracker.as_ref(), true)?;
        start = Instant::now();
        leech = start_leech()?;
    } else {
        leech = known(start_leech()?, tracker.as_ref(), false)?;
        start = Instant::now();
        seed = start_seed()?;
    }
    wait_complete(leech.as_mut(), Duration::from_secs(if shape.name == "one-gib" { 300 } else { 60 }))?;
    let took = start.elapsed();
    settled(|| match leecher.name() == OURS.name() {
        true => torrent.data.compare_exactly(&dir),
        false => torrent.data.compare(&dir, leecher.makes_empty_files()),
    })?;
    drop((seed, leech));
    let mib = torrent.data.len() as f64 / f64::from(1 << 20);
    Ok(format!("{mib:.1} MiB in {:.1} s", took.as_secs_f64()))
}

/// Waits until a client takes part, and the tracker, if there is one, knows it.
fn known(
    mut client: Box<dyn counterparts::Client>,
    tracker: Option<&Tracker>,
    seed: bool,
) -> Result<Box<dyn counterparts::Client>> {
    wait_ready(client.as_mut())?;
    if let Some(tracker) = tracker {
        tracker.wait_for(seed)?;
    }
    Ok(client)
}

/// Some clients say that they are complete while their last bytes are on the way to the file.
fn settled(check: impl Fn() -> Result) -> Result {
    check().or_else(|_| {
        std::thread::sleep(Duration::from_secs(3));
        check()
    })
}
