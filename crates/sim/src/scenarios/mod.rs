//! The stories that are played: each a function from a seed to a report or a failure.

mod crowds;
mod disks;
mod hard;
mod hostile;
mod lines;
mod magnet;
mod meeting;
mod order;
mod parts;
mod pests;
mod readers;
mod share;
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

pub use crowds::{
    few_places, first_minute, half_open, idle_guests, inbound_flood, nat_crowd, nat_swarm, pex_flood,
    private_magnet, quiet_hour,
};
pub use disks::{churn, flaky_disks, full_disk, power_cuts, small_pools};
pub use hard::hard_swarm;
pub use hostile::{corrupt_sender, hang_up, liars, rotten_seed, shared_pieces};
pub use lines::{
    awful_lines, changed_limits, flapping_network, full_disks, satellites, slow_last, slow_peers,
    tiny_limits, uneven_lines, upload_limit,
};
pub use magnet::{magnet_join, magnet_liars, magnet_swarm};
pub use meeting::{holepunch, pex_chain, private_chain};
pub use order::{dead_addresses, leased_rates, replay};
pub use parts::{
    few_partials, flapping_seed, free_riders, in_order, late_comers, odd_pieces, partial_seeds, priorities,
    quarters, seed_leaves, selections, standing_readers,
};
pub use pests::{
    bad_bitfields, corrupt_crowd, deaf_peers, drips, misers, pieces_beyond, request_floods, unasked_blocks,
};
pub use readers::{busy_stream, stream};
pub use share::share_mode;
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
    story!(share_mode, "what is fetched only to be passed on pays back"),
    story!(dead_addresses, "a tracker full of dead addresses that dies"),
    story!(leased_rates, "a rate limit holds"),
    story!(stream, "a reader of an unwanted torrent reads, seeks and leaves"),
    story!(busy_stream, "a reader goes before the download of the rest"),
    story!(nat_swarm, "nine of twelve peers are behind NATs"),
    story!(nat_crowd, "six peers behind NATs meet through a slow one"),
    story!(private_magnet, "a private torrent of which only the name is known"),
    story!(first_minute, "nine in ten live addresses are met in a minute"),
    story!(half_open, "two dials at a time, and 40 addresses that never answer"),
    story!(inbound_flood, "400 connections at once that say nothing"),
    story!(few_places, "30 peers with room for five each"),
    story!(idle_guests, "a full house of silent guests"),
    story!(pex_flood, "peers are told of where nobody is"),
    story!(quiet_hour, "an hour in which nobody has anything for anybody"),
    story!(misers, "twelve peers that serve nobody"),
    story!(drips, "twelve seeds of a few bytes a second"),
    story!(request_floods, "eight peers that ask without end"),
    story!(deaf_peers, "eight peers that never read"),
    story!(bad_bitfields, "bitfields of the wrong length"),
    story!(pieces_beyond, "pieces that the torrent has not"),
    story!(corrupt_crowd, "four corrupt seeds"),
    story!(unasked_blocks, "blocks that nobody asked for"),
    story!(quarters, "four peers with a quarter each"),
    story!(partial_seeds, "halves that want no more serve a leech (BEP 21)"),
    story!(selections, "six peers that want one half"),
    story!(priorities, "what is wanted most comes first"),
    story!(in_order, "one fetches in order in a swarm that does not"),
    story!(free_riders, "who gives is done before who does not"),
    story!(seed_leaves, "the only seed goes when the swarm holds one copy"),
    story!(flapping_seed, "a seed that dies five times"),
    story!(late_comers, "newcomers to a swarm that is done"),
    story!(few_partials, "few pieces are begun at a time"),
    story!(standing_readers, "readers that stand still hold up nothing"),
    story!(odd_pieces, "pieces of 512 bytes, and a single piece"),
    story!(uneven_lines, "lines that send a tenth of what they receive"),
    story!(awful_lines, "a tenth is lost, and latency jumps"),
    story!(satellites, "half a second each way"),
    story!(flapping_network, "six splits"),
    story!(slow_peers, "24 slow peers together"),
    story!(slow_last, "slow peers do not hold up the end"),
    story!(changed_limits, "limits that change while they hold"),
    story!(upload_limit, "what a seed may send"),
    story!(tiny_limits, "a kilobyte a second"),
    story!(full_disks, "three disks are full for a while"),
    story!(hard_swarm, "50 peers with churn, NATs, loss, liars and full disks"),
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
