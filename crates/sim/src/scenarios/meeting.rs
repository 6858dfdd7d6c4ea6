//! How peers find each other without a tracker.

use super::*;
use crate::net::address;

/// How many stand in the chain.
const CHAIN: usize = 8;

/// Each peer knows the one before it alone, the first is the seed, and there is no tracker: by peer exchange alone all
/// come to know the seed (BEP 11).
pub fn pex_chain(run: Run) -> Outcome {
    let mut world = chain(run, Shape::one_file(6 * MIB, 64 << 10), |_| {});
    world.demand_completion(Time::from_secs(900));
    let dials = dials_of_the_seed(&world);
    world.figure("dials_of_the_seed", dials.into());
    let found = dials as usize >= CHAIN - 1;
    world.demand(found, || format!("only {dials} of {} found the seed", CHAIN - 1));
    world.finish("pex_chain")
}

/// The same chain with a private torrent, or with peer exchange switched off: everybody completes through the one he
/// knows, and nobody learns of anybody else (BEP 27).
pub fn private_chain(run: Run) -> Outcome {
    let private = Shape { private: true, ..Shape::one_file(2 * MIB, 64 << 10) };
    for (shape, tune) in [
        (private, (|_| {}) as fn(&mut engine::Config)),
        (Shape::one_file(2 * MIB, 64 << 10), |config| config.pex = false),
    ] {
        let mut world = chain(run, shape, tune);
        world.demand_completion(Time::from_secs(900));
        let dials = dials_of_the_seed(&world);
        world.demand(dials == 1, || format!("{dials} peers dialed the seed, which one knew"));
        let most = (0..CHAIN).map(|host| world.net.dials.get(&address(HostId(host as u32))).copied());
        let most = most.flatten().max().unwrap_or(0);
        world.demand(most == 1, || format!("somebody was dialed {most} times"));
        world.finish("private_chain")?;
    }
    let mut report = pex_chain(run)?;
    report.scenario = "private_chain";
    Ok(report)
}

/// Two peers behind NATs, whom nobody can dial, and a third that both can: they meet through it (BEP 55). The third is
/// slow, and has nothing of its own.
pub fn holepunch(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let relay = crowd(&mut world, 1, 4_000, &NodeSpec::default())[0];
    let seed = crowd(&mut world, 1, 1_000_000, &seed_spec())[0];
    let leech = crowd(&mut world, 1, 1_000_000, &NodeSpec::default())[0];
    [seed, leech].into_iter().for_each(|host| world.net.link(host).nat = true);
    world.tracker.up = false;
    world.start_all();
    [seed, leech].into_iter().for_each(|host| world.introduce(host, vec![address(relay)]));
    let end = Time::from_secs(600);
    let done =
        world.run_until(end, |world| world.nodes().nth(2).is_some_and(|n| n.log.completed_at.is_some()));
    world.demand(done, || "the peers behind NATs did not meet".into());
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("holepunch")
}

fn dials_of_the_seed(world: &World) -> u32 {
    world.net.dials.get(&address(HostId(0))).copied().unwrap_or(0)
}

/// A seed and peers behind it, each of which knows the one before.
fn chain(run: Run, shape: Shape, tune: fn(&mut engine::Config)) -> World {
    let mut world = World::new(&run, &shape);
    crowd(&mut world, 1, 60_000, &NodeSpec { tune, ..seed_spec() });
    let rest = crowd(&mut world, CHAIN - 1, 1_000_000, &NodeSpec { tune, ..NodeSpec::default() });
    world.tracker.up = false;
    world.start_all();
    rest.into_iter().for_each(|host| world.introduce(host, vec![address(HostId(host.0 - 1))]));
    world
}
