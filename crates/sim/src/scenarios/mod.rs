//! The stories that are played: each a function from a seed to a report or a failure.

mod disks;
mod hostile;
mod magnet;
mod meeting;
mod order;
mod readers;
mod slots;
mod superseed;
mod swarm;

use std::time::Duration;

use types::Time;

use crate::net::Link;
use crate::node::NodeSpec;
use crate::payload::Shape;
use crate::queue::HostId;
use crate::report::{Failure, Report, Run};
use crate::world::World;

pub use disks::{churn, flaky_disks, full_disk, power_cuts, small_pools};
pub use hostile::{corrupt_sender, hang_up, liars, rotten_seed, shared_pieces};
pub use magnet::{magnet_join, magnet_liars, magnet_swarm};
pub use meeting::{holepunch, pex_chain, private_chain};
pub use order::{dead_addresses, leased_rates, replay};
pub use readers::{busy_stream, stream};
pub use slots::{anti_leech, fair_slots, fastest_seed, newcomer, rate_slots, squatters, upload_only_peers};
pub use superseed::{super_seed, super_seed_churn};
pub use swarm::{
    crowded, dead_peer, endgame, hybrid_swarm, lossy_swarm, padding, pair, partition, v1_swarm, v2_swarm,
};

/// How a story ends.
pub type Outcome = Result<Report, Box<Failure>>;

/// A story by its name.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Plays it.
    pub play: fn(Run) -> Outcome,
}

/// A row of the table, named like its function.
macro_rules! story {
    ($name:ident, $about:literal) => {
        Scenario { name: stringify!($name), about: $about, play: $name }
    };
}

/// Every story.
pub const SCENARIOS: &[Scenario] = &[
    story!(pair, "one seed, one leech"),
    story!(lossy_swarm, "30 peers, one seed, 2 % loss"),
    story!(endgame, "50 peers: blocks that come twice"),
    story!(v1_swarm, "many files whose pieces run across them"),
    story!(hybrid_swarm, "the same as a hybrid torrent"),
    story!(v2_swarm, "the same as a v2 torrent"),
    story!(padding, "a torrent that is nearly all padding"),
    story!(partition, "the network splits and heals"),
    story!(dead_peer, "one silent peer of 20 costs no more than twice its share"),
    story!(crowded, "a seed comes to four leeches that have no place left"),
    story!(churn, "everybody is killed and started again"),
    story!(power_cuts, "the same, and writes that were not synced are lost"),
    story!(full_disk, "one disk is full for a while"),
    story!(flaky_disks, "disk operations fail now and then"),
    story!(small_pools, "a few buffers, down to one, and slow disks"),
    story!(corrupt_sender, "one peer sends damaged blocks and is found"),
    story!(hang_up, "one peer sends damage and hangs up before the verdict"),
    story!(liars, "one liar of every kind"),
    story!(shared_pieces, "many senders of each piece, one of them a liar"),
    story!(rotten_seed, "a seed whose disk rotted"),
    story!(magnet_join, "a peer with nothing but the torrent's name"),
    story!(magnet_liars, "metadata that is wrong, of wrong or changed size, or never comes"),
    story!(magnet_swarm, "20 peers with nothing but the name, one seed"),
    story!(pex_chain, "peers found through peer exchange alone"),
    story!(private_chain, "nobody is found where nobody may be told"),
    story!(holepunch, "two peers behind NATs meet through a third"),
    story!(fair_slots, "one slot for 20 leeches"),
    story!(newcomer, "who gives most is served within a minute"),
    story!(rate_slots, "slots follow the rates"),
    story!(fastest_seed, "a seed serves the quick first"),
    story!(anti_leech, "a seed serves beginners and those nearly done"),
    story!(squatters, "peers that want and never ask"),
    story!(upload_only_peers, "peers that download nothing, as they say, have no slot"),
    story!(super_seed, "one copy leaves the seed before it sends anything twice"),
    story!(super_seed_churn, "the same with peers that come and go"),
    story!(dead_addresses, "a tracker full of dead addresses that dies"),
    story!(leased_rates, "a rate limit holds"),
    story!(stream, "a reader of an unwanted torrent reads, seeks and leaves"),
    story!(busy_stream, "a reader goes before the download of the rest"),
    story!(replay, "one seed gives one run"),
];

/// A story by its name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

const MIB: u64 = 1 << 20;

/// A line of a home user: 10 to 40 ms to the middle of the network.
fn home(world: &mut World, rate: u64) -> Link {
    let latency = Duration::from_millis(10 + world.rng.below(30) as u64);
    Link::new(latency, rate)
}

/// So many nodes of one kind on home lines.
fn crowd(world: &mut World, many: usize, rate: u64, spec: &NodeSpec) -> Vec<HostId> {
    (0..many)
        .map(|_| {
            let link = home(world, rate);
            world.add_node(spec.clone(), link)
        })
        .collect()
}

fn seed_spec() -> NodeSpec {
    NodeSpec { seed: true, ..NodeSpec::default() }
}
