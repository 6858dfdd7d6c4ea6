//! Who is served, and for how long.

use engine::{PeerSnapshot, SeedPolicy, SlotPolicy};

use super::*;
use crate::liar::Script;
use crate::net::Door;

/// A world of one seed and of leeches that reach nobody else.
fn star(world: &mut World, seed: NodeSpec, up: u64) -> HostId {
    let host = crowd(world, 1, up, &NodeSpec { seed: true, ..seed })[0];
    world.tracker.interval = Duration::from_secs(3_600);
    host
}

/// Leeches that nobody can dial: they dial the seed.
fn rays(world: &mut World, many: usize, rate: u64, spec: &NodeSpec) -> Vec<HostId> {
    let all = crowd(world, many, rate, spec);
    all.iter().for_each(|host| world.net.link(*host).door = Door::Refuses);
    all
}

/// What a node knows of its peers, by their hosts. A peer that came to it has a port of its own, but its host's address.
fn peers_of(world: &mut World, node: HostId, hosts: &[HostId]) -> Vec<Option<PeerSnapshot>> {
    let now = world.now;
    let peers = world.node(node).peers(now);
    let at = |host: &HostId| crate::net::address(*host).ip();
    hosts.iter().map(|host| peers.iter().find(|peer| peer.addr.ip() == at(host)).cloned()).collect()
}

fn received(world: &mut World, hosts: &[HostId]) -> Vec<u64> {
    let now = world.now;
    hosts.iter().map(|host| world.node(*host).totals(now).downloaded).collect()
}

/// Turns that each leech has.
const TURNS: usize = 12;

/// A seed with one slot and 20 leeches that want everything and have nothing to give: when each has had the same number
/// of turns, each has had the slot for the same time to within 2 %. (Bytes differ besides by what was on its way when a
/// turn ended, and by the turn that is under way.)
pub fn fair_slots(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(8 * MIB, 16 << 10));
    let one_slot = NodeSpec { tune: |config| config.upload_slots = 1, ..NodeSpec::default() };
    let seed = star(&mut world, one_slot, 8_000);
    let leeches = rays(&mut world, 20, 1_000_000, &NodeSpec::default());
    world.start_all();
    let mut turns: Vec<Vec<(Time, Time)>> = vec![Vec::new(); leeches.len()];
    let mut begun: Vec<Option<Time>> = vec![None; leeches.len()];
    let mut most_at_once = 0;
    while world.now < Time::from_secs(20_000) && turns.iter().any(|had| had.len() < TURNS) {
        world.run_to(world.now + Duration::from_millis(500));
        let now = world.now;
        let served: Vec<bool> = peers_of(&mut world, seed, &leeches)
            .into_iter()
            .map(|peer| peer.is_some_and(|peer| !peer.we_choke))
            .collect();
        most_at_once = most_at_once.max(served.iter().filter(|served| **served).count());
        for (n, served) in served.into_iter().enumerate() {
            match (served, begun[n]) {
                (true, None) => begun[n] = Some(now),
                (false, Some(since)) => {
                    turns[n].push((since, now));
                    begun[n] = None;
                }
                _ => {}
            }
        }
    }
    world.demand(most_at_once == 1, || format!("{most_at_once} peers shared the one slot at once"));
    let span = |had: &Vec<(Time, Time)>| -> Option<f64> {
        let whole = had.get(..TURNS)?;
        Some(whole.iter().map(|(from, to)| (*to - *from).as_secs_f64()).sum())
    };
    let times: Vec<f64> = turns.iter().filter_map(span).collect();
    world.demand(times.len() == leeches.len(), || format!("only {} had {TURNS} turns", times.len()));
    let (least, most) = times.iter().fold((f64::MAX, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
    world.figure("least_slot_s", least);
    world.figure("most_slot_s", most);
    world.demand(most - least <= most / 50.0, || {
        format!("one slot was shared unfairly: {least} to {most} seconds of it")
    });
    let got = received(&mut world, &leeches);
    let (least, most) = (got.iter().min().copied().unwrap_or(0), got.iter().max().copied().unwrap_or(0));
    world.figure("least_kib", least as f64 / 1024.0);
    world.figure("most_kib", most as f64 / 1024.0);
    world.finish("fair_slots")
}

/// A node with three slots among ten peers that give a little; a newcomer that gives most has one of the regular slots
/// within a minute and keeps it.
pub fn newcomer(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(8 * MIB, 32 << 10));
    let spec = |has| NodeSpec { has, tune: |config| config.upload_slots = 3, ..NodeSpec::default() };
    let home = crowd(&mut world, 1, 150_000, &spec(|piece, _| piece % 4 == 0))[0];
    crowd(&mut world, 10, 4_000, &spec(|piece, _| piece % 4 == 1));
    let newcomer = crowd(&mut world, 1, 60_000, &spec(|piece, _| piece % 4 > 1))[0];
    let others: Vec<HostId> = world.nodes().map(|node| node.id).filter(|id| *id != newcomer).collect();
    others.into_iter().for_each(|host| world.start(host));
    let comes = Time::from_secs(60 + world.rng.below(30) as u64);
    world.run_to(comes);
    world.start(newcomer);
    let regular = |world: &mut World| {
        let peer = peers_of(world, home, &[newcomer]).remove(0);
        peer.is_some_and(|peer| !peer.we_choke && !peer.optimistic)
    };
    let within = comes + Duration::from_secs(60);
    while world.now < within && !regular(&mut world) {
        world.run_to(world.now + Duration::from_secs(1));
    }
    let (waited, in_time) = ((world.now - comes).as_secs_f64(), world.now < within);
    world.figure("seconds_to_regular", waited);
    world.demand(in_time, || "who gives most had no regular slot for a minute".into());
    let mut held = 0;
    for _ in 0..20 {
        world.run_to(world.now + Duration::from_secs(1));
        held += u32::from(regular(&mut world));
    }
    world.figure("held_of_20_s", held.into());
    world.demand(held >= 15, || format!("who gives most kept its slot for {held} of 20 s"));
    world.finish("newcomer")
}

/// A seed whose slots follow the rates: it opens them until a fast line is full, and does not spread a slow one thin.
pub fn rate_slots(run: Run) -> Outcome {
    let tuned = NodeSpec { tune: |config| config.slot_policy = SlotPolicy::RateBased, ..NodeSpec::default() };
    let mut figures = Vec::new();
    for (up, least, most) in [(400_000, 9, 20), (20_000, 2, 5)] {
        let mut world = World::new(&run, &Shape::one_file(8 * MIB, 32 << 10));
        let seed = star(&mut world, tuned.clone(), up);
        let leeches = rays(&mut world, 20, 40_000, &NodeSpec::default());
        world.start_all();
        world.run_to(Time::from_secs(180));
        let open = |world: &mut World| {
            let peers = peers_of(world, seed, &leeches);
            peers.into_iter().flatten().filter(|peer| !peer.we_choke).count()
        };
        let before: u64 = received(&mut world, &leeches).iter().sum();
        let mut slots = Vec::new();
        for _ in 0..6 {
            world.run_to(world.now + Duration::from_secs(10));
            slots.push(open(&mut world));
        }
        let after: u64 = received(&mut world, &leeches).iter().sum();
        let (rate, slots) = ((after - before) / 60, slots.iter().sum::<usize>() as f64 / 6.0);
        figures.extend([("slots", slots), ("kb_a_second", rate as f64 / 1e3)]);
        world.demand((f64::from(least)..=f64::from(most)).contains(&slots), || {
            format!("a line of {up} bytes a second opens {slots:.1} slots")
        });
        world.demand(rate * 10 >= up * 8, || format!("of {up} bytes a second only {rate} are used"));
        figures.iter().for_each(|(name, value)| world.figure(name, *value));
        if up == 20_000 {
            return world.finish("rate_slots");
        }
        world.finish("rate_slots")?;
    }
    unreachable!("the second line is the last")
}

/// A seed that serves the fastest first: quick lines have most of what it gives.
pub fn fastest_seed(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(8 * MIB, 32 << 10));
    let tune = |config: &mut engine::Config| {
        (config.upload_slots, config.seed_policy) = (4, SeedPolicy::FastestUpload);
    };
    star(&mut world, NodeSpec { tune, ..NodeSpec::default() }, 250_000);
    let slow = rays(&mut world, 8, 6_000, &NodeSpec::default());
    let quick = rays(&mut world, 4, 100_000, &NodeSpec::default());
    world.start_all();
    world.run_to(Time::from_secs(110));
    let quick: u64 = received(&mut world, &quick).iter().sum();
    let slow: u64 = received(&mut world, &slow).iter().sum();
    let part = 100.0 * quick as f64 / (quick + slow) as f64;
    world.figure("percent_to_the_quick", part);
    world.demand(part >= 85.0, || format!("the quick had {part:.0} % of what the seed gave"));
    world.finish("fastest_seed")
}

/// An anti-leech seed: whoever is nearly done completes first, and who is half way waits longest.
pub fn anti_leech(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let tune = |config: &mut engine::Config| {
        (config.upload_slots, config.seed_policy) = (2, SeedPolicy::AntiLeech);
    };
    star(&mut world, NodeSpec { tune, ..NodeSpec::default() }, 100_000);
    let ray = |has| NodeSpec { has, ..NodeSpec::default() };
    let half = rays(&mut world, 4, 1_000_000, &ray(|piece, of| piece < of / 2));
    let nearly = rays(&mut world, 4, 1_000_000, &ray(|piece, of| piece < of - of / 6));
    let fresh = rays(&mut world, 4, 1_000_000, &NodeSpec::default());
    world.start_all();
    let done = |world: &World, hosts: &[HostId]| {
        let all = world.nodes().filter(|node| hosts.contains(&node.id));
        all.filter(|node| node.log.completed_at.is_some()).count()
    };
    world.run_until(Time::from_secs(300), |world| done(world, &nearly) == nearly.len());
    let (near, early) = (done(&world, &nearly), done(&world, &half));
    world.demand(near == nearly.len() && early == 0, || {
        format!("{near} of those nearly done are complete, and {early} of those half way")
    });
    let (half, fresh) = (received(&mut world, &half), received(&mut world, &fresh));
    let (half, fresh) = (half.iter().sum::<u64>(), fresh.iter().sum::<u64>());
    world.figure("kib_half_way", half as f64 / 1024.0);
    world.figure("kib_beginners", fresh as f64 / 1024.0);
    world.demand(fresh > half, || format!("those half way had {half} bytes, beginners {fresh}"));
    world.demand_completion(Time::from_secs(900));
    world.finish("anti_leech")
}

/// Ten peers that want everything, say so, and never ask hold no slot for longer than a turn.
pub fn squatters(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 32 << 10));
    star(&mut world, NodeSpec { tune: |config| config.upload_slots = 2, ..NodeSpec::default() }, 100_000);
    for _ in 0..10 {
        let link = home(&mut world, 1_000_000);
        world.add_liar(Script::Squatter, link);
    }
    let leeches = rays(&mut world, 3, 1_000_000, &NodeSpec::default());
    world.start(HostId(0));
    world.run_to(Time::from_secs(60));
    leeches.into_iter().for_each(|host| world.start(host));
    world.demand_completion(Time::from_secs(1_200));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("squatters")
}

/// Peers that say that they download nothing (BEP 21), and want everything all the same: they never have a slot.
pub fn upload_only_peers(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 32 << 10));
    let seed = star(&mut world, NodeSpec::default(), 200_000);
    let mut liars = Vec::new();
    for _ in 0..4 {
        let link = home(&mut world, 1_000_000);
        liars.push(world.add_liar(Script::UploadOnly, link));
    }
    rays(&mut world, 3, 1_000_000, &NodeSpec::default());
    world.start_all();
    let (mut seen, mut served) = (0, 0);
    while world.now < Time::from_secs(90) {
        world.run_to(world.now + Duration::from_millis(500));
        for peer in peers_of(&mut world, seed, &liars).into_iter().flatten().filter(|peer| peer.upload_only) {
            seen += 1;
            served += u32::from(!peer.we_choke);
        }
    }
    world.demand(seen > 0 && served == 0, || format!("of {seen} looks {served} found a slot misused"));
    world.demand_completion(Time::from_secs(120));
    world.finish("upload_only_peers")
}
