//! One client downloads what another has: what most cells are made of.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, job, local};
use crate::counterparts::riverrun::Riverrun;
use crate::counterparts::{Client, Counterpart, Job, wait_complete, wait_ready};
use crate::data::{self, Shape};
use crate::metainfo;
use crate::trackers::{Kind, Tracker};

/// The program under test.
pub(super) static OURS: &dyn Counterpart = &Riverrun;

/// A small torrent of v1.
pub(super) fn tail() -> &'static Shape {
    data::named("tail-of-1").expect("the table of shapes has it")
}

/// How the two find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// One is told the address of the other.
    Peer,
    /// The magnet link names the seed (`x.pe`).
    Link,
    /// A tracker, over HTTP.
    Http(Kind),
    /// A tracker, over UDP.
    Udp(Kind),
}

impl Via {
    fn name(self) -> String {
        match self {
            Via::Peer => "peer".into(),
            Via::Link => "x.pe".into(),
            Via::Http(kind) => format!("{}-http", kind.name()),
            Via::Udp(kind) => format!("{}-udp", kind.name()),
        }
    }

    fn tracker(self) -> Option<Kind> {
        match self {
            Via::Peer | Via::Link => None,
            Via::Http(kind) | Via::Udp(kind) => Some(kind),
        }
    }
}

/// Who downloads what from whom.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    /// Who has the data.
    pub(super) seeder: &'static dyn Counterpart,
    /// Who wants them.
    pub(super) leecher: &'static dyn Counterpart,
    /// What they are.
    pub(super) shape: &'static Shape,
    /// How the two find each other.
    pub(super) via: Via,
    /// Whether the leecher has a magnet link alone.
    pub(super) magnet: bool,
}

impl Transfer {
    /// Its cell in a group.
    pub(super) fn cell(self, group: &str) -> Cell {
        let (from, to, shape) = (self.seeder.name(), self.leecher.name(), self.shape);
        let what = match (self.magnet, self.via) {
            (false, Via::Peer) => shape.name.to_owned(),
            (false, via) => via.name(),
            (true, via) => format!("{}/{}", shape.version, via.name()),
        };
        let found = match self.via {
            Via::Peer => shape.about.to_owned(),
            Via::Link => format!("found by the link alone, {}", shape.about),
            via => format!("found through {}", via.name()),
        };
        let link = if self.magnet { " by a magnet link" } else { "" };
        let mut needs = vec![Need::Client(self.seeder), Need::Client(self.leecher)];
        needs.extend(self.via.tracker().map(Need::Tracker));
        let about = format!("{to} downloads from {from}{link}: {found}");
        let cell = Cell::new(format!("{group}/{from}-to-{to}/{what}"), about, needs, move |c| self.run(c));
        if shape.name == "one-gib" { cell.alone() } else { cell }
    }

    fn run(&self, context: &Context<'_>) -> Result<String> {
        let Transfer { seeder, leecher, shape, via, .. } = *self;
        let bytes = context.store.torrent(shape)?;
        let tracker = via.tracker().map(|kind| kind.start(&bytes, &context.dir)).transpose()?;
        let urls: Vec<String> = match (&tracker, via) {
            (Some(tracker), Via::Http(_)) => vec![tracker.http()],
            (Some(tracker), _) => vec![tracker.udp()],
            (None, _) => Vec::new(),
        };
        let torrent = context.torrent(shape, &urls)?;
        let (seed_at, leech_at) = (local()?, local()?);
        let (dir, scratch) = (context.sub("downloaded")?, context.sub("leech")?);
        let linked = if via == Via::Link { vec![seed_at] } else { Vec::new() };
        let magnet = self.magnet.then(|| metainfo::magnet(&bytes, &urls, &linked)).transpose()?;
        // Who connects comes second, so that the other is there, or known to the tracker.
        let leecher_dials = match via {
            Via::Peer => leecher.takes_peers(),
            Via::Link => true,
            Via::Http(_) | Via::Udp(_) => leecher.dials_loopback(),
        };
        let told =
            |dials: bool, peer: SocketAddr| if dials && via == Via::Peer { vec![peer] } else { Vec::new() };
        let start_seed = || context.seed(seeder, &torrent, seed_at, &told(!leecher_dials, leech_at));
        let peers = told(leecher_dials, seed_at);
        let wanted = Job { magnet: magnet.as_deref(), ..job(&torrent, &dir, leech_at, &peers, &scratch) };
        let (seed, mut leech, start);
        if leecher_dials {
            seed = known(start_seed()?, tracker.as_ref(), true)?;
            start = Instant::now();
            leech = leecher.start(&wanted)?;
        } else {
            leech = known(leecher.start(&wanted)?, tracker.as_ref(), false)?;
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
}

/// Waits until a client takes part, and the tracker, if there is one, knows it.
fn known(mut client: Box<dyn Client>, tracker: Option<&Tracker>, seed: bool) -> Result<Box<dyn Client>> {
    wait_ready(client.as_mut())?;
    if let Some(tracker) = tracker {
        tracker.wait_for(seed)?;
    }
    Ok(client)
}

/// Some clients say that they are complete while their last bytes are on the way to the file.
pub(super) fn settled(check: impl Fn() -> Result) -> Result {
    check().or_else(|_| {
        std::thread::sleep(Duration::from_secs(3));
        check()
    })
}
