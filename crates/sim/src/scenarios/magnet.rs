//! Peers that begin with the torrent's name alone.

use metainfo::Version;

use super::*;
use crate::liar::{Lie, Script};

/// A torrent whose info dictionary has several pieces of metadata.
fn long_names() -> Shape {
    Shape { version: Version::V1, piece_len: 32 << 10, files: vec![1_500; 1_000], private: false }
}

fn magnet_spec() -> NodeSpec {
    NodeSpec { magnet: true, ..NodeSpec::default() }
}

/// When the last of these nodes had the metadata, in seconds.
fn last_metadata(world: &mut World, hosts: &[HostId]) -> f64 {
    let mut last = Time::ZERO;
    for host in hosts {
        let at = world.node(*host).log.metadata_at;
        world.demand(at.is_some(), || format!("host {} never had the metadata", host.0));
        last = last.max(at.unwrap_or_default());
    }
    last.as_secs_f64()
}

/// One seed, one peer that knows the name.
pub fn magnet_join(run: Run) -> Outcome {
    let mut world = World::new(&run, &long_names());
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    let hosts = crowd(&mut world, 1, 1_000_000, &magnet_spec());
    world.start_all();
    world.demand_completion(Time::from_secs(60));
    let last = last_metadata(&mut world, &hosts);
    world.demand(last < 10.0, || format!("the metadata took {last} s"));
    world.finish("magnet_join")
}

/// Every kind of lie about metadata, twice, against one seed and three peers that know the name.
pub fn magnet_liars(run: Run) -> Outcome {
    let mut world = World::new(&run, &long_names());
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    let mut liars = Vec::new();
    for lie in [Lie::Bytes, Lie::Size, Lie::ChangedSize, Lie::Silence] {
        for _ in 0..2 {
            let link = home(&mut world, 1_000_000);
            liars.push(world.add_liar(Script::Metadata(lie), link));
        }
    }
    let hosts = crowd(&mut world, 3, 1_000_000, &magnet_spec());
    world.start_all();
    world.demand_completion(Time::from_secs(600));
    super::hostile::demand_fair_bans(&mut world, &liars);
    let last = last_metadata(&mut world, &hosts);
    world.figure("metadata_after_s", last);
    world.finish("magnet_liars")
}

/// 20 peers that know the name, one seed: those that have the metadata give it to the others.
pub fn magnet_swarm(run: Run) -> Outcome {
    let mut world = World::new(&run, &long_names());
    crowd(&mut world, 1, 500_000, &seed_spec());
    let hosts = crowd(&mut world, 20, 1_000_000, &magnet_spec());
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    let last = last_metadata(&mut world, &hosts);
    world.figure("metadata_after_s", last);
    world.finish("magnet_swarm")
}
