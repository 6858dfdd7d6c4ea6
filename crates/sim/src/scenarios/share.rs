//! Share mode: what is downloaded pays back.

use super::*;

/// Leeches of the swarm, which come one after the other.
const LEECHES: u64 = 20;

/// A peer in share mode with a good line, two slow seeds, and leeches that arrive over two minutes: it sends at least as
/// much as it receives. Where only seeds are, and two who want something, it receives nothing.
pub fn share_mode(run: Run) -> Outcome {
    barren(&run)?;
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 2, 60_000, &seed_spec());
    let leeches = crowd(&mut world, LEECHES as usize, 300_000, &NodeSpec::default());
    let sharer = crowd(&mut world, 1, 1_500_000, &NodeSpec::default())[0];
    world.start_all();
    world.command(sharer, engine::Command::ShareMode(true));
    for host in &leeches[1..] {
        world.kill(*host, false);
        let (host, at) = (*host, Time::from_millis(world.rng.below(120_000) as u64));
        world.at(at, move |world| world.start(host));
    }
    let done = world.run_until(Time::from_secs(900), |world| {
        world.nodes().filter(|node| node.id != sharer).all(|node| node.log.completed_at.is_some())
    });
    world.demand(done, || "not everybody is complete".into());
    let now = world.now;
    let sharer = world.node(sharer).totals(now);
    let ratio = sharer.uploaded as f64 / sharer.downloaded.max(1) as f64;
    world.figure("seconds_to_complete", now.as_secs_f64());
    world.figure("received_percent", 100.0 * sharer.downloaded as f64 / world.payload.len() as f64);
    world.figure("ratio", ratio);
    world.demand(sharer.downloaded > 0, || "the peer in share mode received nothing".into());
    world.demand(ratio >= 1.0, || format!("the peer in share mode sent {ratio:.2} of what it received"));
    world.finish("share_mode")
}

/// Five seeds and two leeches: nothing would be passed on three times.
fn barren(run: &Run) -> Outcome {
    let mut world = World::new(run, &Shape::one_file(2 * MIB, 32 << 10));
    crowd(&mut world, 5, 100_000, &seed_spec());
    let leeches = crowd(&mut world, 2, 100_000, &NodeSpec::default());
    let sharer = crowd(&mut world, 1, 1_500_000, &NodeSpec::default())[0];
    world.start_all();
    world.command(sharer, engine::Command::ShareMode(true));
    world.run_to(Time::from_secs(200));
    let now = world.now;
    let done = leeches.iter().all(|host| world.node(*host).log.completed_at.is_some());
    world.demand(done, || "the leeches are not complete".into());
    let received = world.node(sharer).totals(now).downloaded;
    world.demand(received == 0, || format!("{received} bytes were received that nobody wants"));
    world.finish("share_mode")
}
