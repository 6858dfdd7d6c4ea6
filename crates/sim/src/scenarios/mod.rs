//! The stories that are played: each a function from a seed to a report or a failure.

mod swarm;

use std::time::Duration;

use types::Time;

use crate::net::Link;
use crate::node::NodeSpec;
use crate::payload::Shape;
use crate::queue::HostId;
use crate::report::{Failure, Report, Run};
use crate::world::World;

pub use swarm::pair;

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

/// Every story.
pub const SCENARIOS: &[Scenario] = &[Scenario { name: "pair", about: "one seed, one leech", play: pair }];

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
