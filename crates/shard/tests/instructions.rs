//! What the data path does for each block, in instructions: counted by `cargo xtask test --only budget`, which plays this
//! under callgrind with few blocks and with many. A number of instructions is the same in every run, as no time is.

#![expect(clippy::disallowed_methods)] // How many blocks to play comes by the environment: libtest hands no arguments on.

mod support;
#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use support::{Kind, info, payload};
use world::World;

#[test]
#[ignore = "counts nothing by itself: `cargo xtask test --only budget` does"]
fn a_payload_goes_from_one_shard_to_another() {
    let blocks = std::env::var("RIVERRUN_BLOCKS").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    let payload = payload(7, blocks * 16_384);
    let info = Arc::new(info(Kind::V1, &payload, 1 << 18));
    let mut world = World::new(7);
    let seeder = world.add(&info, Some(&payload), 256);
    let leech = world.add(&info, None, 256);
    world.introduce(leech, seeder);
    assert!(world.run(Duration::from_secs(60), |world| world.is_complete(leech)));
}
