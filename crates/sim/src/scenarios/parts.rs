//! Who has what, and who wants what: parts, priorities, free riders, seeds that leave.

use std::sync::Arc;

use engine::{Command, Demand, Order, Priority, ReaderId, UploadMode};
use types::{Bitfield, PieceIndex};

use super::*;

/// Four peers with a quarter of the torrent each, and no seed.
pub fn quarters(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let quarters: [fn(u32, u32) -> bool; 4] =
        [|n, _| n % 4 == 0, |n, _| n % 4 == 1, |n, _| n % 4 == 2, |n, _| n % 4 == 3];
    for has in quarters {
        crowd(&mut world, 1, 500_000, &NodeSpec { has, ..NodeSpec::default() });
    }
    world.start_all();
    world.demand_completion(Time::from_secs(120));
    let wasted = world.totals().wasted as f64 / (3 * world.payload.len()) as f64;
    world.figure("waste_percent", 100.0 * wasted);
    world.finish("quarters")
}

/// Two partial seeds (BEP 21), each with the half that it wants: they are no seeds, download nothing, and serve a leech
/// that wants everything.
pub fn partial_seeds(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 32 << 10));
    let lower: fn(u32, u32) -> bool = |n, of| n < of / 2;
    let upper: fn(u32, u32) -> bool = |n, of| n >= of / 2;
    let mut partial = Vec::new();
    for half in [lower, upper, lower, upper] {
        let spec = NodeSpec { has: half, wanted: half, ..NodeSpec::default() };
        partial.extend(crowd(&mut world, 1, 300_000, &spec));
    }
    let leech = crowd(&mut world, 1, 1_000_000, &NodeSpec::default())[0];
    partial.iter().for_each(|host| world.start(*host));
    world.run_to(Time::from_secs(120));
    world.start(leech);
    world.demand_completion(Time::from_secs(240));
    let now = world.now;
    for host in partial {
        let got = world.node(host).totals(now).downloaded;
        world.demand(got == 0, || format!("partial seed {} downloaded {got} bytes", host.0));
    }
    world.finish("partial_seeds")
}

/// Peers that want one half of a torrent: they complete, have no more than their half, and are of use to each other.
pub fn selections(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 1, 300_000, &seed_spec());
    let half = NodeSpec { wanted: |n, of| n < of / 2, ..NodeSpec::default() };
    let picky = crowd(&mut world, 6, 300_000, &half);
    crowd(&mut world, 2, 300_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(240));
    let (now, most) = (world.now, world.payload.len() / 2);
    for host in picky {
        let one = world.node(host).totals(now);
        let got = one.downloaded - one.wasted;
        world.demand(got == most, || format!("{} wanted {most} bytes and has {got}", host.0));
    }
    world.finish("selections")
}

/// The last quarter is wanted most: most of it is here before much of the rest.
pub fn priorities(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 3, 100_000, &seed_spec());
    let leech = crowd(&mut world, 1, 1_000_000, &NodeSpec::default())[0];
    world.start_all();
    let pieces = world.payload.info.geometry().pieces();
    let wishes: Vec<(PieceIndex, Priority)> = (0..pieces)
        .map(|n| (PieceIndex(n), if n >= pieces * 3 / 4 { Priority::TOP } else { Priority::LOW }))
        .collect();
    world.command(leech, Command::Prioritize(Arc::from(wishes)));
    let last = move |have: &Bitfield| (pieces * 3 / 4..pieces).filter(|n| have.get(*n)).count() as u32;
    let mut have = Bitfield::new(pieces);
    while world.now < Time::from_secs(60) && last(&have) < pieces / 4 {
        world.run_to(world.now + Duration::from_millis(100));
        let now = world.now;
        have = world.node(leech).snapshot(now).map_or(have, |snapshot| snapshot.have);
    }
    let others = have.count() - last(&have);
    world.figure("others_before_the_urgent", others.into());
    world.demand(last(&have) == pieces / 4, || "what is wanted most did not come".into());
    world.demand(others <= pieces / 10, || format!("{others} pieces came before what is wanted most"));
    world.demand_completion(Time::from_secs(120));
    world.finish("priorities")
}

/// A leech that fetches in order: what it has is a beginning and little else.
pub fn in_order(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 5, 100_000, &seed_spec());
    let leech = crowd(&mut world, 1, 1_000_000, &NodeSpec::default())[0];
    world.start_all();
    world.command(leech, Command::Order(Order::Sequential));
    let mut furthest = 0;
    while world.now < Time::from_secs(240) && world.node(leech).log.completed_at.is_none() {
        world.run_to(world.now + Duration::from_millis(250));
        let now = world.now;
        let Some(snapshot) = world.node(leech).snapshot(now) else { break };
        let start = snapshot.have.zeros().next().unwrap_or(snapshot.have.len());
        let beyond = snapshot.have.ones().filter(|n| *n > start).count();
        furthest = furthest.max(beyond);
    }
    world.figure("most_beyond_a_gap", furthest as f64);
    // Each of the five seeds may be a few pieces ahead.
    world.demand(furthest <= 40, || format!("{furthest} pieces were here beyond a gap"));
    world.demand_completion(Time::from_secs(300));
    world.finish("in_order")
}

/// Half of the leeches give nothing: half way those that give have had more, and they are done first.
pub fn free_riders(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let tune = |config: &mut engine::Config| config.upload_slots = 4;
    crowd(&mut world, 1, 300_000, &NodeSpec { tune, ..seed_spec() });
    let lease = Some(engine::Lease { download: None, upload: Some(60_000), connections: 50, yields: false });
    let givers = crowd(&mut world, 8, 1_000_000, &NodeSpec { tune, lease, ..NodeSpec::default() });
    let riders =
        crowd(&mut world, 8, 1_000_000, &NodeSpec { upload: UploadMode::Never, ..NodeSpec::default() });
    world.start_all();
    world.run_to(Time::from_secs(45));
    let now = world.now;
    let got = |world: &mut World, hosts: &[HostId]| {
        hosts.iter().map(|host| world.node(*host).totals(now).downloaded).sum::<u64>() as f64
    };
    let more = got(&mut world, &givers) / got(&mut world, &riders).max(1.0);
    world.figure("givers_had_times_as_much", more);
    world.demand(more >= 1.0, || format!("givers had {more:.2} times as much as free riders"));
    world.demand_completion(Time::from_secs(1_200));
    let mean = |world: &World, hosts: &[HostId]| {
        let ends = world.nodes().filter(|node| hosts.contains(&node.id)).filter_map(|n| n.log.completed_at);
        ends.map(|at| at.as_secs_f64()).sum::<f64>() / hosts.len() as f64
    };
    let (givers, riders) = (mean(&world, &givers), mean(&world, &riders));
    world.figure("givers_done_after_s", givers);
    world.figure("riders_done_after_s", riders);
    world.demand(givers < riders, || format!("givers need {givers:.0} s, free riders {riders:.0} s"));
    world.finish("free_riders")
}

/// The only seed leaves for ever as soon as the others hold one copy between them: everybody completes.
pub fn seed_leaves(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let seed = crowd(&mut world, 1, 300_000, &seed_spec())[0];
    let leeches = crowd(&mut world, 15, 500_000, &NodeSpec::default());
    world.start_all();
    let end = Time::from_secs(120);
    while world.now < end && !super::superseed::hold_a_copy(&mut world, &leeches) {
        world.run_to(world.now + Duration::from_millis(100));
    }
    let left = world.now;
    world.kill(seed, false);
    let done = |world: &World| {
        world.nodes().filter(|node| node.id != seed).all(|node| node.log.completed_at.is_some())
    };
    let done = world.run_until(left + Duration::from_secs(200), done);
    world.demand(done, || "what the swarm holds did not reach everybody".into());
    world.figure("seconds_after_the_seed", (world.now - left).as_secs_f64());
    world.finish("seed_leaves")
}

/// A seed that dies and comes back five times.
pub fn flapping_seed(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 64 << 10));
    let seed = crowd(&mut world, 1, 100_000, &seed_spec())[0];
    crowd(&mut world, 5, 300_000, &NodeSpec::default());
    world.start_all();
    for n in 1..=5 {
        world.at(Time::from_secs(n * 15), move |world| world.kill(seed, false));
        world.at(Time::from_secs(n * 15 + 7), move |world| world.start(seed));
    }
    world.demand_completion(Time::from_secs(600));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("flapping_seed")
}

/// Eight newcomers, one after the other, to a swarm that is done.
pub fn late_comers(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 64 << 10));
    crowd(&mut world, 6, 300_000, &seed_spec());
    let late = crowd(&mut world, 8, 300_000, &NodeSpec::default());
    world.start_all();
    late.iter().for_each(|host| world.kill(*host, false));
    for (host, n) in late.into_iter().zip(1..) {
        world.at(Time::from_secs(n * 20), move |world| world.start(host));
    }
    world.demand_completion(Time::from_secs(400));
    world.finish("late_comers")
}

/// Few pieces of many blocks are begun at a time: no more than one and a half for each peer, but for a moment.
/// libtorrent row 12.
pub fn few_partials(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(16 * MIB, 128 << 10));
    crowd(&mut world, 2, 400_000, &seed_spec());
    let leeches = crowd(&mut world, 10, 400_000, &NodeSpec::default());
    world.start_all();
    let (mut most, mut over) = (0, 0);
    while world.now < Time::from_secs(300) && !world.all_complete() {
        world.run_to(world.now + Duration::from_secs(1));
        let now = world.now;
        for host in &leeches {
            let Some(snapshot) = world.node(*host).snapshot(now) else { continue };
            most = most.max(snapshot.partial);
            over += u32::from(snapshot.partial > snapshot.peers + snapshot.peers / 2 + 4);
        }
    }
    world.figure("most_partial_pieces", most.into());
    world.figure("seconds_over", over.into());
    world.demand(over <= 10, || {
        format!("for {over} s more than 1.5 pieces were begun for each peer, {most} at most")
    });
    world.demand_completion(Time::from_secs(400));
    world.finish("few_partials")
}

/// Eight readers that stand still at the far end hold up neither the writes nor the rest of the download.
pub fn standing_readers(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 32 << 10));
    crowd(&mut world, 2, 300_000, &seed_spec());
    let mut spec = NodeSpec { receive_blocks: 8, send_blocks: 8, ..NodeSpec::default() };
    spec.disk.latency = Duration::from_millis(10);
    let host = crowd(&mut world, 1, 1_000_000, &spec)[0];
    world.start_all();
    let pieces = world.payload.info.geometry().pieces();
    for reader in 0..8 {
        let places = (pieces - 1 - reader..pieces).map(|n| (PieceIndex(n), Duration::ZERO)).collect();
        let demand = Demand { reader: ReaderId(reader.into()), pieces: places };
        world.command(host, Command::Demand(demand));
    }
    world.demand_completion(Time::from_secs(120));
    world.finish("standing_readers")
}

/// Pieces of 512 bytes by the thousand, and one piece alone.
pub fn odd_pieces(run: Run) -> Outcome {
    for shape in [Shape::one_file(MIB + 77, 512), Shape::one_file(MIB, 2 << 20)] {
        let mut world = World::new(&run, &shape);
        crowd(&mut world, 1, 500_000, &seed_spec());
        crowd(&mut world, 5, 500_000, &NodeSpec::default());
        world.start_all();
        world.demand_completion(Time::from_secs(300));
        if shape.piece_len > 512 {
            return world.finish("odd_pieces");
        }
        world.finish("odd_pieces")?;
    }
    unreachable!("the second shape is the last")
}
