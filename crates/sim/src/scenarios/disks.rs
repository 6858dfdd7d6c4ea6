//! Disks that are full, slow, failing or forgetful, and nodes that die.

use super::*;

/// Every node, the seed too, is killed and started again, some twice; all complete. Nothing that was claimed is fetched
/// again (the checkers see to that), and little of the rest.
pub fn churn(run: Run) -> Outcome {
    let (mut world, leeches) = dying_swarm(&run, false);
    world.demand_completion(Time::from_secs(400));
    report_refetched(&mut world, leeches);
    world.finish("churn")
}

/// The same with power cuts: writes that no sync covers may be lost or torn. No claimed piece may be a bad one.
pub fn power_cuts(run: Run) -> Outcome {
    let (mut world, leeches) = dying_swarm(&run, true);
    world.demand_completion(Time::from_secs(600));
    report_refetched(&mut world, leeches);
    world.finish("power_cuts")
}

fn dying_swarm(run: &Run, power: bool) -> (World, u64) {
    let mut world = World::new(run, &Shape::one_file(8 * MIB, 64 << 10));
    let mut hosts = crowd(&mut world, 1, 600_000, &seed_spec());
    hosts.extend(crowd(&mut world, 11, 600_000, &NodeSpec::default()));
    world.start_all();
    for host in hosts {
        let mut at = Time::ZERO;
        for _ in 0..1 + world.rng.below(2) {
            at += Duration::from_millis(500 + world.rng.below(30_000) as u64);
            let back = at + Duration::from_millis(1_000 + world.rng.below(20_000) as u64);
            world.at(at, move |world| world.kill(host, power));
            world.at(back, move |world| world.start(host));
            at = back;
        }
    }
    (world, 11)
}

/// How much came that was already here before, over what had to come.
fn report_refetched(world: &mut World, leeches: u64) {
    let totals = world.totals();
    let needed = leeches * world.payload.len();
    let twice = totals.downloaded as f64 / needed as f64 - 1.0;
    world.figure("fetched_twice_percent", 100.0 * twice);
}

/// One disk is full half way. Its node stops asking, the others go on; when space returns it completes.
pub fn full_disk(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 64 << 10));
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    let mut tight = NodeSpec::default();
    let free = MIB + world.rng.below(2 << 20) as u64;
    tight.disk.free = Some(free);
    let full = crowd(&mut world, 1, 1_000_000, &tight)[0];
    let others = crowd(&mut world, 6, 1_000_000, &NodeSpec::default());
    world.start_all();
    let space = Time::from_secs(90);
    world.run_to(space);
    let waiting = others.iter().filter(|host| world.node(**host).log.completed_at.is_none()).count();
    world.demand(waiting == 0, || format!("{waiting} nodes wait for the one with the full disk"));
    let (now, node) = (world.now, world.node(full));
    let stalled = matches!(node.snapshot(now).map(|s| s.phase), Some(engine::Phase::Stalled(_)));
    let (troubles, received) = (node.log.troubles, node.totals(now).downloaded);
    world.demand(stalled && troubles == 1, || format!("a full disk was reported {troubles} times"));
    let most = world.payload.len() + (256 * u64::from(types::BLOCK_LEN));
    world.demand(received < most, || format!("with a full disk {received} bytes were fetched"));
    world.figure("kib_beyond_space", received.saturating_sub(free) as f64 / 1024.0);
    world.node(full).disk.spec.free = None;
    world.demand_completion(space + Duration::from_secs(120));
    let recoveries = world.node(full).log.recoveries;
    world.demand(recoveries == 1, || format!("the recovery was reported {recoveries} times"));
    world.figure("seconds_to_recover", (world.now - space).as_secs_f64());
    world.finish("full_disk")
}

/// Disks of which every fortieth operation fails: writes are tried again; what can't be read or synced is hashed, or
/// written, again; all complete. What comes while a disk is in trouble is thrown away, and what was asked for is cancelled
/// and asked for again. A write that fails once stops nothing, but one more failure while it is tried again does: what
/// that costs is reported and not bounded (0.6 % of the payload with seed 1, 7.5 % with seed 2).
pub fn flaky_disks(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    crowd(&mut world, 2, 2_000_000, &seed_spec());
    let mut flaky = NodeSpec::default();
    flaky.disk.error_one_in = 40;
    let hosts = crowd(&mut world, 5, 2_000_000, &flaky);
    world.start_all();
    world.demand_completion(Time::from_secs(1_200));
    let errors: u64 = hosts.iter().map(|host| world.node(*host).disk.errors).sum();
    world.figure("disk_errors", errors as f64);
    let (doubts, troubles) = hosts.iter().fold((0, 0), |(doubts, troubles), host| {
        let log = &world.node(*host).log;
        (doubts + log.doubts, troubles + log.troubles)
    });
    world.figure("doubtful_pieces", doubts.into());
    world.figure("troubles", troubles.into());
    let wasted = world.totals().wasted as f64 / (5 * world.payload.len()) as f64;
    world.figure("wasted_percent", 100.0 * wasted);
    world.finish("flaky_disks")
}

/// Slow disks behind pools of a few buffers, down to one: peers wait, nothing locks up.
pub fn small_pools(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 64 << 10));
    let mut spec = NodeSpec::default();
    spec.disk.latency = Duration::from_millis(8);
    spec.disk.jitter = Duration::from_millis(20);
    spec.disk.rate = 4_000_000;
    crowd(&mut world, 1, 2_000_000, &NodeSpec { seed: true, send_blocks: 2, ..spec.clone() });
    for blocks in [1, 2, 3, 8] {
        crowd(
            &mut world,
            1,
            2_000_000,
            &NodeSpec { receive_blocks: blocks, send_blocks: blocks, ..spec.clone() },
        );
    }
    world.start_all();
    world.demand_completion(Time::from_secs(600));
    world.finish("small_pools")
}
