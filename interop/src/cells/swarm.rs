//! Swarms of several kinds of clients, found through a tracker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cell::{Cell, Context, Need, Torrent, job};
use crate::counterparts::aria2::Aria2;
use crate::counterparts::libtorrent::{self, Libtorrent};
use crate::counterparts::transmission::Transmission;
use crate::counterparts::{Client, Counterpart, Job, riverrun, wait_complete, wait_ready};
use crate::data::{self, Shape};
use crate::metainfo;
use crate::network::Star;
use crate::ports;
use crate::process::until;
use crate::trackers::{Kind, Tracker};

const PATIENCE: Duration = Duration::from_secs(90);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let (libtorrent, aria2) = (Need::Client(&Libtorrent), Need::Client(&Aria2));
    let opentracker = Need::Tracker(Kind::Opentracker);
    vec![
        Cell::new(
            "swarm/five-clients",
            "ours twice, libtorrent, Transmission and aria2 complete from one seed and each other",
            [libtorrent, aria2, Need::Client(&Transmission), opentracker, Need::Networks],
            five_clients,
        ),
        Cell::new(
            "swarm/seed-killed",
            "ours by a magnet link, libtorrent and aria2; the seed is killed when they hold every piece among them",
            [libtorrent, aria2, opentracker],
            seed_killed,
        ),
    ]
}

/// A torrent, its tracker, and those who came so far.
struct Swarm<'a> {
    context: &'a Context<'a>,
    torrent: Torrent,
    magnet: String,
    tracker: Tracker,
    members: Vec<Member>,
}

struct Member {
    name: &'static str,
    dir: PathBuf,
    client: Box<dyn Client>,
}

/// Who comes, to where, and how.
struct Comes {
    name: &'static str,
    at: IpAddr,
    up_rate: u64,
    magnet: bool,
}

impl<'a> Swarm<'a> {
    fn new(context: &'a Context<'a>, shape: &Shape, tracker: IpAddr) -> Result<Swarm<'a>> {
        let bytes = context.store.torrent(shape)?;
        let tracker = Kind::Opentracker.start_at(tracker, &bytes, &context.dir)?;
        let urls = [tracker.http()];
        let torrent = context.torrent(shape, &urls)?;
        let magnet = metainfo::magnet(&bytes, &urls, &[])?;
        Ok(Swarm { context, torrent, magnet, tracker, members: Vec::new() })
    }

    /// One that has everything.
    fn seed(
        &self,
        at: IpAddr,
        up_rate: u64,
        start: impl FnOnce(&Job<'_>) -> Result<Box<dyn Client>>,
    ) -> Result<Box<dyn Client>> {
        let (at, scratch) = (SocketAddr::new(at, ports::free()?), self.context.sub("seed")?);
        let seed = job(&self.torrent, &self.torrent.data.dir, at, &[], &scratch);
        let mut seed = start(&Job { seed: true, up_rate, ..seed })?;
        wait_ready(seed.as_mut())?;
        self.tracker.wait_for(true)?;
        Ok(seed)
    }

    /// One more that wants it; the tracker tells it of those before it.
    fn join(&mut self, who: Comes, start: impl FnOnce(&Job<'_>) -> Result<Box<dyn Client>>) -> Result {
        let Comes { name, at, up_rate, magnet } = who;
        let (dir, scratch) = (self.context.sub(&format!("{name}-data"))?, self.context.sub(name)?);
        let plain = job(&self.torrent, &dir, SocketAddr::new(at, ports::free()?), &[], &scratch);
        let client = start(&Job { magnet: magnet.then_some(self.magnet.as_str()), up_rate, ..plain })?;
        // Those before it are known, the seed among them; some may have become seeds.
        let known = self.members.len() as u64 + 1;
        self.members.push(Member { name, dir, client });
        until(PATIENCE, "an announce to reach the tracker", || {
            let (seeds, leechers) = self.tracker.peers()?;
            Ok(seeds + leechers > known)
        })
    }

    /// Waits until everyone has everything, as it must be.
    fn complete(&mut self) -> Result {
        for Member { name, dir, client } in &mut self.members {
            wait_complete(client.as_mut(), PATIENCE).map_err(|error| format!("{name}: {error}"))?;
            super::transfer::settled(|| self.torrent.data.compare(dir, true))?;
        }
        Ok(())
    }
}

fn five_clients(context: &Context<'_>) -> Result<String> {
    let start = Instant::now();
    // An address for each: Transmission knows peers by their address, and dials nobody on loopback.
    let star = Star::new(4)?;
    let at = |host: String| -> Result<IpAddr> { Ok(host.parse()?) };
    let mut swarm = Swarm::new(context, data::named("piece-16k")?, at(star.here(3))?)?;
    let mut seed = swarm.seed(at(star.there(0))?, 2_000_000, |job| libtorrent::start_in(star.arm(0), job))?;
    let comes = |name, at, magnet| Comes { name, at, up_rate: 0, magnet };
    swarm.join(comes("transmission", at(star.here(0))?, false), |job| Transmission.start(job))?;
    let arm = star.arm(1);
    swarm.join(comes("libtorrent", at(star.there(1))?, false), |job| libtorrent::start_in(arm, job))?;
    swarm.join(comes("aria2", at(star.here(1))?, false), |job| Aria2.start(job))?;
    for (name, n, magnet) in [("riverrun-1", 2, true), ("riverrun-2", 3, false)] {
        let ours = |job: &Job<'_>| riverrun::start_telling(Some(star.arm(n)), job);
        swarm.join(comes(name, at(star.there(n))?, magnet), ours)?;
    }
    swarm.complete()?;
    let took = start.elapsed();
    // Some tell how much they sent once a second.
    std::thread::sleep(Duration::from_secs(2));
    let mut sent = vec![("seed", seed.state()?.up)];
    for Member { name, client, .. } in &mut swarm.members {
        sent.push((*name, client.state()?.up));
    }
    let told: Vec<String> = sent.iter().map(|(name, up)| format!("{name} {:.1}", *up as f64 / 1e6)).collect();
    let note = format!("complete after {:.0} s; MB sent: {}", took.as_secs_f64(), told.join(", "));
    let ours = sent.iter().filter(|(name, _)| name.starts_with("riverrun"));
    if ours.map(|(_, up)| *up).min() == Some(0) { Err(note.into()) } else { Ok(note) }
}

/// The seed sends fast, the others slowly: ours comes when they hold every piece, and has most of its data still to come
/// from them when the seed dies.
fn seed_killed(context: &Context<'_>) -> Result<String> {
    let shape = data::named("piece-16k")?;
    let at = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut swarm = Swarm::new(context, shape, at)?;
    let mut seed = swarm.seed(at, 4_000_000, |job| Libtorrent.start(job))?;
    let slow = |name, magnet| Comes { name, at, up_rate: 600_000, magnet };
    swarm.join(slow("libtorrent", false), |job| Libtorrent.start(job))?;
    swarm.join(slow("aria2", false), |job| Aria2.start(job))?;
    let libtorrent = swarm.members[0].client.as_mut();
    until(PATIENCE, "the swarm to hold every piece", || {
        // One copy is the seed's.
        Ok(libtorrent::copies(libtorrent)? >= 2 || libtorrent.state()?.complete)
    })?;
    swarm.join(slow("riverrun", true), |job| riverrun::start_telling(None, job))?;
    let ours = swarm.members[2].client.as_mut();
    let pieces = usize::try_from(swarm.torrent.data.len().div_ceil(u64::from(shape.piece_len)))?;
    let mut had = 0;
    until(PATIENCE, "60 % of our download", || {
        had = 100 * riverrun::pieces(ours)? / pieces;
        Ok(had >= 60)
    })?;
    seed.process().signal(rustix::process::Signal::KILL)?;
    seed.process().wait(PATIENCE)?;
    let start = Instant::now();
    if had >= 90 {
        return Err(format!("we had {had} % already: that shows little").into());
    }
    swarm.complete()?;
    Ok(format!("{had} % when the seed died; all complete {:.0} s later", start.elapsed().as_secs_f64()))
}
