//! Readers: what they wait for comes first, in order, and nothing else comes at all where nothing else is wanted.

use engine::{Command, Demand, ReaderId};
use types::PieceIndex;

use super::*;

/// Pieces that the reader names ahead of its place.
const AHEAD: u32 = 12;
/// How long a piece lasts the reader.
const A_PIECE: Duration = Duration::from_millis(50);
/// How often the reader looks.
const STEP: Duration = Duration::from_millis(50);

/// One that reads pieces in order as fast as they come.
struct Play {
    host: HostId,
    next: u32,
    /// Since when it waits for `next`.
    since: Time,
    /// The longest it waited for one piece after the first.
    longest: Duration,
    /// It begins, or jumped.
    cold: bool,
}

impl Play {
    fn new(world: &World, host: HostId) -> Play {
        Play { host, next: 0, since: world.now, longest: Duration::ZERO, cold: true }
    }

    fn seek(&mut self, world: &World, piece: u32) {
        (self.next, self.since, self.cold) = (piece, world.now, true);
    }

    fn tell(&self, world: &mut World, pieces: std::ops::Range<u32>) {
        let pieces = pieces.enumerate().map(|(n, piece)| (PieceIndex(piece), A_PIECE * n as u32)).collect();
        world.command(self.host, Command::Demand(Demand { reader: ReaderId(1), pieces }));
    }

    /// Reads up to a piece, or as long as that takes.
    fn read_to(&mut self, world: &mut World, end: u32, until: Time) {
        let mut told = None;
        while self.next < end && world.now < until {
            if told != Some(self.next) {
                self.tell(world, self.next..end.min(self.next + AHEAD));
                told = Some(self.next);
            }
            world.run_to(world.now + STEP);
            let now = world.now;
            let Some(snapshot) = world.node(self.host).snapshot(now) else { return };
            while self.next < end && snapshot.have.get(self.next) {
                if !std::mem::take(&mut self.cold) {
                    self.longest = self.longest.max(now.since(self.since));
                }
                (self.next, self.since) = (self.next + 1, now);
            }
        }
        let next = self.next;
        world.demand(next >= end, || format!("the reader stands at piece {next} and wants to {end}"));
    }
}

/// The longest that a reader may wait for a piece once it reads.
const WAIT: Duration = Duration::from_millis(1_500);

fn readers_world(run: &Run, wants: bool) -> (World, HostId) {
    let mut world = World::new(run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 16, 1_000_000, &seed_spec());
    // Too slow to be relied on.
    crowd(&mut world, 3, 10_000, &seed_spec());
    let spec = NodeSpec { wants, ..NodeSpec::default() };
    let host = crowd(&mut world, 1, 2_000_000, &spec)[0];
    world.start_all();
    // Wanted, half of it is here by then.
    world.run_to(Time::from_millis(if wants { 1_500 } else { 3_000 }));
    (world, host)
}

/// A reader of a torrent of which nothing is wanted, among 20 peers three of which are slow: pieces come in the order in
/// which they are needed; after a jump nothing of the old place is fetched; and when the reader leaves nothing comes.
pub fn stream(run: Run) -> Outcome {
    let (mut world, host) = readers_world(&run, false);
    let piece = 32 << 10;
    let now = world.now;
    let before = world.node(host).totals(now).downloaded;
    world.demand(before == 0, || format!("{before} bytes came that nobody wanted"));
    let mut play = Play::new(&world, host);
    play.read_to(&mut world, 40, now + Duration::from_secs(20));
    play.tell(&mut world, 40..40 + AHEAD);
    play.seek(&world, 90);
    play.read_to(&mut world, 110, now + Duration::from_secs(40));
    let longest = play.longest;
    world.figure("longest_wait_ms", longest.as_millis() as f64);
    world.demand(longest <= WAIT, || format!("the reader waited {longest:?} for one piece"));
    play.tell(&mut world, 110..110 + AHEAD);
    play.tell(&mut world, 0..0);
    // A slow line has a few blocks under way that no cancel reaches any more.
    world.run_to(world.now + Duration::from_secs(15));
    let (now, most) = (world.now, u64::from(40 + AHEAD + 20 + AHEAD) * piece);
    let after = world.node(host).totals(now);
    world.figure("wasted_kib", after.wasted as f64 / 1024.0);
    world.demand(after.downloaded <= most, || format!("{} bytes came, not {most}", after.downloaded));
    world.demand(after.wasted <= after.downloaded / 8, || format!("{} bytes came in vain", after.wasted));
    world.run_to(now + Duration::from_secs(60));
    let now = world.now;
    let last = world.node(host).totals(now).downloaded;
    world
        .demand(last == after.downloaded, || format!("{} bytes came after the end", last - after.downloaded));
    world.finish("stream")
}

/// A reader of a torrent that is being downloaded: after a jump into the midst of it the reader does not wait for what was
/// asked for before; and the download ends all the same.
pub fn busy_stream(run: Run) -> Outcome {
    let (mut world, host) = readers_world(&run, true);
    let now = world.now;
    let Some(snapshot) = world.node(host).snapshot(now) else { return world.finish("busy_stream") };
    let missing: Vec<u32> = snapshot.have.zeros().collect();
    let mut play = Play::new(&world, host);
    if let Some(first) = missing.first() {
        play.seek(&world, *first);
        play.cold = false;
        play.read_to(&mut world, first + 1, now + Duration::from_secs(20));
    }
    let longest = play.longest;
    world.figure("missing", missing.len() as f64);
    world.figure("longest_wait_ms", longest.as_millis() as f64);
    world.demand(longest <= WAIT, || format!("the reader waited {longest:?} for one piece"));
    world.demand_completion(Time::from_secs(120));
    world.finish("busy_stream")
}
