//! Whole transfers between shards, in memory and in virtual time.

mod support;
#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use engine::Lease;
use riverrun_shard::{Command, Event};
use support::{KINDS, Kind, info, payload};
use types::Time;
use world::{TORRENT, World};

const MINUTE: Duration = Duration::from_secs(60);

fn durable(world: &World, node: usize) -> usize {
    let pieces = |event: &Event| match event {
        Event::Durable(pieces) => pieces.len(),
        _ => 0,
    };
    world.nodes[node].events.iter().map(pieces).sum()
}

#[test]
fn every_version_and_size_arrives_whole() {
    for kind in KINDS {
        for (seed, len, piece_len) in
            [(1, 1, 16_384), (2, 3 * 32_768 + 1, 32_768), (3, 1_000_000, 65_536), (4, 300_000, 1 << 20)]
        {
            let payload = payload(seed, len);
            let info = Arc::new(info(kind, &payload, piece_len));
            let mut world = World::new(seed);
            let seeder = world.add(&info, Some(&payload), 64);
            let leech = world.add(&info, None, 64);
            world.introduce(leech, seeder);
            assert!(world.run(MINUTE, |world| world.is_complete(leech)), "{kind:?} {len}");
            let pieces = info.geometry().pieces() as usize;
            assert!(world.run(MINUTE, |world| durable(world, leech) == pieces), "{kind:?} {len}");
            assert!(world.nodes[leech].disk == payload);
            assert_eq!(world.nodes[leech].read_backs, 0, "{kind:?} {len}: in order, nothing is read back");
            assert_eq!(world.nodes[leech].writes, len.div_ceil(16_384), "each block is written once");
        }
    }
}
