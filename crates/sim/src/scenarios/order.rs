//! Fairness, dials, rates, and that a run replays.

use super::*;
use crate::net::{Door, address};

/// A tracker that gives out many dead addresses, and dies for a while. Dials are few, and the live peers are found.
pub fn dead_addresses(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 32 << 10));
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    crowd(&mut world, 3, 1_000_000, &NodeSpec::default());
    for n in 0..120 {
        let door = if n % 2 == 0 { Door::Silent } else { Door::Refuses };
        let host = world.add_nobody(door);
        world.tracker.dead.push(address(host));
    }
    world.start_all();
    world.at(Time::from_secs(70), |world| world.tracker.up = false);
    world.at(Time::from_secs(400), |world| world.tracker.up = true);
    // Of 123 addresses the tracker names 50 at a time, and it dies after the second time: one run in twenty hears of nobody
    // alive before it is back.
    world.demand_completion(Time::from_secs(800));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.run_to(Time::from_secs(3_600));
    let dead = world.tracker.dead.clone();
    let dials: Vec<u32> = dead.iter().map(|addr| world.net.dials.get(addr).copied().unwrap_or(0)).collect();
    let most = dials.iter().max().copied().unwrap_or(0);
    world.figure("most_dials_of_one_dead_address", most.into());
    world.figure("dials_of_dead_addresses", dials.iter().sum::<u32>().into());
    world.demand(most <= 4 * MOST_DIALS_AN_HOUR, || format!("a dead address was dialed {most} times"));
    world.finish("dead_addresses")
}

/// Dials of one dead address that one node may make in an hour in which the tracker names it every minute.
const MOST_DIALS_AN_HOUR: u32 = 12;

/// A leased rate holds: both ways, within a twentieth over ten seconds.
pub fn leased_rates(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let rate = 100_000 + world.rng.below(200_000) as u64;
    let lease = |download, upload| Some(engine::Lease { download, upload, connections: 50, yields: false });
    crowd(&mut world, 2, 5_000_000, &seed_spec());
    let spec = NodeSpec { lease: lease(Some(rate), None), ..NodeSpec::default() };
    let slow = crowd(&mut world, 1, 5_000_000, &spec)[0];
    world.start_all();
    let mut last = 0;
    for window in 1..=3u64 {
        world.run_to(Time::from_secs(10 * window));
        let now = world.now;
        let all = world.node(slow).totals(now).downloaded;
        let (came, most) = (all - last, rate * 10 + rate / 2);
        last = all;
        world.demand(came <= most, || format!("{came} bytes in 10 s at a limit of {rate} a second"));
        let full = all < world.payload.len() && came < rate * 17 / 2;
        world.demand(window == 1 || !full, || format!("only {came} bytes in 10 s at {rate} a second"));
    }
    world.demand_completion(Time::from_secs(120));
    world.finish("leased_rates")
}

/// The same seed twice gives the same run, event for event.
pub fn replay(run: Run) -> Outcome {
    for play in [super::disks::power_cuts, super::hostile::liars] {
        let (first, second) = (play(run)?, play(run)?);
        if first.trace != second.trace || first != second {
            let at = first.lines.iter().zip(&second.lines).find(|(a, b)| a != b);
            let message = format!("two runs of one seed differ: {at:?}");
            let Report { scenario, seed, ended, trace, lines, .. } = second;
            return Err(Box::new(Failure { scenario, seed, at: ended, message, trace, lines }));
        }
    }
    let mut report = pair(run)?;
    report.scenario = "replay";
    Ok(report)
}
