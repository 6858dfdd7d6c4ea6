//! What the data path may allocate for each block: a number that is the same in every run, so that a growth
//! is a failure and not a feeling.

#[path = "support/counting.rs"]
mod counting;
mod support;
#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use counting::ASKED;
use support::{Kind, info, payload};
use world::World;

/// Allocations while a payload of so many blocks goes from one shard to another, those of the test's pipes
/// included.
fn allocations(blocks: usize) -> u64 {
    let payload = payload(7, blocks * 16_384);
    let info = Arc::new(info(Kind::V1, &payload, 1 << 18));
    let mut world = World::new(7);
    let seeder = world.add(&info, Some(&payload), 256);
    let leech = world.add(&info, None, 256);
    world.introduce(leech, seeder);
    let before = ASKED.load(Ordering::Relaxed);
    assert!(world.run(Duration::from_secs(60), |world| world.is_complete(leech)));
    ASKED.load(Ordering::Relaxed) - before
}

#[test]
fn a_block_costs_few_allocations_on_both_ends_together() {
    // It was 24 when a peer fetched one piece after the other. Side by side, pieces are written in shorter runs, each with a
    // list of its own, which is less than half of what their hashes cost one by one.
    const BUDGET: u64 = 25;
    // The difference of two runs: what a connection and a torrent cost once is not the blocks'.
    let (few, many) = (allocations(256), allocations(1_024));
    let per_block = (many - few).div_ceil(768);
    assert!(per_block <= BUDGET, "{per_block} allocations a block, {few} for 256, {many} for 1024");
}
