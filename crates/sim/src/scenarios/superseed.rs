//! Super-seeding (BEP 16): what the first copy costs.

use types::Bitfield;

use super::*;

/// Peers of the swarm besides its seed.
const LEECHES: usize = 20;

/// Until 20 leeches hold one copy between them a super-seed sends little more than that; a plain seed sends more. All
/// complete, from the super-seed too.
pub fn super_seed(run: Run) -> Outcome {
    let (plain, _) = first_copy(&run, false)?;
    let (sent, mut report) = first_copy(&run, true)?;
    report.figures.extend([("copies_sent", sent), ("copies_sent_plainly", plain)]);
    let message = if sent > MOST_SENT {
        format!("{sent:.2} copies left the super-seed before the swarm held one")
    } else if plain <= sent {
        format!("a plain seed sends {plain:.2} copies, a super-seed {sent:.2}")
    } else {
        return Ok(report);
    };
    let Report { scenario, seed, ended, trace, lines, .. } = report;
    Err(Box::new(Failure { scenario, seed, at: ended, message, trace, lines }))
}

/// The most that a super-seed may send until the swarm holds one copy, in copies.
const MOST_SENT: f64 = 1.1;

/// Copies that the seed sends until the others hold one between them.
fn first_copy(run: &Run, super_seeding: bool) -> Result<(f64, Report), Box<Failure>> {
    let mut world = World::new(run, &Shape::one_file(4 * MIB, 32 << 10));
    let seed = crowd(&mut world, 1, 200_000, &NodeSpec { super_seeding, ..seed_spec() })[0];
    let leeches = crowd(&mut world, LEECHES, 500_000, &NodeSpec::default());
    world.start_all();
    let end = Time::from_secs(300);
    while world.now < end && !hold_a_copy(&mut world, &leeches) {
        world.run_to(world.now + Duration::from_millis(200));
    }
    let now = world.now;
    let sent = world.node(seed).totals(now).uploaded as f64 / world.payload.len() as f64;
    world.figure("seconds_to_one_copy", now.as_secs_f64());
    world.demand(now < end, || "the swarm never held one copy".into());
    world.demand_completion(Time::from_secs(600));
    Ok((sent, world.finish("super_seed")?))
}

/// Whether every piece is at one of these nodes.
pub(super) fn hold_a_copy(world: &mut World, hosts: &[HostId]) -> bool {
    let now = world.now;
    let mut all = Bitfield::new(world.payload.info.geometry().pieces());
    for host in hosts {
        let Some(snapshot) = world.node(*host).snapshot(now) else { continue };
        snapshot.have.ones().for_each(|piece| _ = all.insert(piece));
    }
    all.is_full()
}

/// A super-seed whose peers come and go, some of them taking with them what they were shown: everybody who stays
/// completes; and then it is a plain seed again.
pub fn super_seed_churn(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 32 << 10));
    let seed = crowd(&mut world, 1, 300_000, &NodeSpec { super_seeding: true, ..seed_spec() })[0];
    let leeches = crowd(&mut world, 10, 500_000, &NodeSpec::default());
    world.start_all();
    for host in leeches.into_iter().take(6) {
        let gone = Time::from_millis(1_000 + world.rng.below(8_000) as u64);
        let back = gone + Duration::from_millis(5_000 + world.rng.below(60_000) as u64);
        world.at(gone, move |world| world.kill(host, false));
        world.at(back, move |world| world.start(host));
    }
    world.demand_completion(Time::from_secs(600));
    world.command(seed, engine::Command::SuperSeed(false));
    let late = crowd(&mut world, 1, 500_000, &NodeSpec::default())[0];
    world.start(late);
    world.demand_completion(world.now + Duration::from_secs(200));
    world.finish("super_seed_churn")
}
