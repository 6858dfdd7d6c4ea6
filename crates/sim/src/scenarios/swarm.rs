//! Swarms of honest peers on honest disks.

use super::*;

/// One seed and one leech: the smallest world.
pub fn pair(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB + 12_345, 32 << 10));
    crowd(&mut world, 1, 4_000_000, &seed_spec());
    crowd(&mut world, 1, 4_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(60));
    world.finish("pair")
}
