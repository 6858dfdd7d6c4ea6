//! Who reaches whom: NATs, floods of connections, places that are taken, addresses by the hundred.

use super::*;
use crate::liar::Script;
use crate::net::{Door, address};

/// Liars of one kind on home lines.
fn pests(world: &mut World, many: usize, script: Script) -> Vec<HostId> {
    let mut all = Vec::new();
    for _ in 0..many {
        let link = home(world, 1_000_000);
        all.push(world.add_liar(script, link));
    }
    all
}

/// When the last of these nodes was complete.
fn last_of(world: &World, hosts: &[HostId]) -> Option<Time> {
    let all = world.nodes().filter(|node| hosts.contains(&node.id));
    let ends: Vec<Option<Time>> = all.map(|node| node.log.completed_at).collect();
    ends.into_iter().try_fold(Time::ZERO, |last, at| Some(last.max(at?)))
}

/// Twelve peers of which nine are behind NATs, the seed too: they dial those that can be dialed, and everybody completes.
pub fn nat_swarm(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let mut hidden = crowd(&mut world, 1, 500_000, &seed_spec());
    hidden.extend(crowd(&mut world, 8, 500_000, &NodeSpec::default()));
    crowd(&mut world, 3, 500_000, &NodeSpec::default());
    hidden.iter().for_each(|host| world.net.link(*host).nat = true);
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("nat_swarm")
}

/// Six peers behind NATs, one of them the seed, and one slow peer that all can dial: they meet through it (BEP 55).
pub fn nat_crowd(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 64 << 10));
    let relay = crowd(&mut world, 1, 4_000, &NodeSpec::default())[0];
    let mut hidden = crowd(&mut world, 1, 500_000, &seed_spec());
    hidden.extend(crowd(&mut world, 5, 500_000, &NodeSpec::default()));
    hidden.iter().for_each(|host| world.net.link(*host).nat = true);
    world.tracker.up = false;
    world.start_all();
    hidden.iter().for_each(|host| world.introduce(*host, vec![address(relay)]));
    let done = world.run_until(Time::from_secs(600), |world| last_of(world, &hidden).is_some());
    world.demand(done, || "peers behind NATs did not meet".into());
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("nat_crowd")
}

/// A private torrent of which eight peers know the name alone: they learn what it is from each other, and nobody dials
/// whom the tracker did not name (BEP 27).
pub fn private_magnet(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape { private: true, ..Shape::one_file(2 * MIB, 64 << 10) });
    crowd(&mut world, 1, 200_000, &seed_spec());
    let spec = NodeSpec { magnet: true, ..NodeSpec::default() };
    let rest = crowd(&mut world, 7, 500_000, &spec);
    // Each is named the one before it alone, and the tracker is dead.
    world.tracker.up = false;
    world.start_all();
    rest.into_iter().for_each(|host| world.introduce(host, vec![address(HostId(host.0 - 1))]));
    world.demand_completion(Time::from_secs(900));
    // While only the name is known nobody knows that it is private; what was learned then is forgotten.
    let now = world.now;
    for host in 1..8u32 {
        let most = world.node(HostId(host)).peers(now).len();
        world.demand(most <= 4, || {
            format!("host {host} has {most} connections to a private swarm's strangers")
        });
    }
    world.finish("private_magnet")
}

/// The tracker's first answer has 90 addresses, half of which never answer: nine in ten of the others are tried within a
/// minute. libtorrent row 23.
pub fn first_minute(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 64 << 10));
    let slow = NodeSpec { has: |piece, _| piece == 0, ..NodeSpec::default() };
    let live = crowd(&mut world, 24, 100_000, &slow);
    for _ in 0..24 {
        let host = world.add_nobody(Door::Silent);
        world.tracker.dead.push(address(host));
    }
    live.iter().for_each(|host| world.start(*host));
    world.run_to(Time::from_secs(30));
    let newcomer = crowd(&mut world, 1, 100_000, &NodeSpec::default())[0];
    // Nobody dials it: every connection it has is one that it tried.
    world.net.link(newcomer).door = Door::Refuses;
    let before = world.net.dials.clone();
    world.start(newcomer);
    world.run_to(Time::from_secs(90));
    let now = world.now;
    let met = world.node(newcomer).peers(now).len();
    world.figure("connected_of_24", met as f64);
    world.demand(met * 10 >= live.len() * 9, || format!("{met} of {} were met in a minute", live.len()));
    let tried =
        live.iter().filter(|host| world.net.dials.get(&address(**host)) > before.get(&address(**host)));
    let tried = tried.count();
    world.figure("tried_of_24", tried as f64);
    world.finish("first_minute")
}

/// Two dials at a time, 40 addresses that never answer, and one that does: it is found in time.
pub fn half_open(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 64 << 10));
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    let spec = NodeSpec { tune: |config| config.max_half_open = 2, ..NodeSpec::default() };
    let leech = crowd(&mut world, 1, 1_000_000, &spec)[0];
    // The seed does not dial, so that the leech has to.
    world.net.link(leech).door = Door::Refuses;
    for _ in 0..40 {
        let host = world.add_nobody(Door::Silent);
        world.tracker.dead.push(address(host));
    }
    world.start_all();
    // At worst every dead address is tried before: 20 s each, two at a time.
    world.demand_completion(Time::from_secs(460));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("half_open")
}

/// 400 connections at once from one address that say nothing, again and again: a seed with room for 50 serves its leeches
/// all the same.
pub fn inbound_flood(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 64 << 10));
    let lease = Some(engine::Lease { download: None, upload: None, connections: 50, yields: false });
    crowd(&mut world, 1, 500_000, &NodeSpec { lease, ..seed_spec() });
    let leeches = crowd(&mut world, 6, 500_000, &NodeSpec { lease, ..NodeSpec::default() });
    world.start(HostId(0));
    world.run_to(Time::from_secs(2));
    let link = home(&mut world, 10_000_000);
    let flood = world.add_liar(Script::Crowd { at_once: 400 }, link);
    world.run_to(Time::from_secs(5));
    leeches.into_iter().for_each(|host| world.start(host));
    world.demand_completion(Time::from_secs(400));
    let opened = world.liar(flood).talked;
    world.figure("connections_of_the_flood", opened as f64);
    world.demand(opened >= 400, || format!("the flood was {opened} connections"));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("inbound_flood")
}

/// 30 peers with room for five connections each.
pub fn few_places(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let tune = |config: &mut engine::Config| config.max_peers = 5;
    crowd(&mut world, 1, 1_000_000, &NodeSpec { tune, ..seed_spec() });
    crowd(&mut world, 29, 500_000, &NodeSpec { tune, ..NodeSpec::default() });
    world.start_all();
    world.demand_completion(Time::from_secs(600));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("few_places")
}

/// Every place of a seed is taken by peers that say nothing when a leech comes: it gets one of them.
pub fn idle_guests(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 64 << 10));
    let tune = |config: &mut engine::Config| config.max_peers = 4;
    crowd(&mut world, 1, 500_000, &NodeSpec { tune, ..seed_spec() });
    pests(&mut world, 8, Script::Silent);
    let leech = crowd(&mut world, 1, 500_000, &NodeSpec::default())[0];
    world.start(HostId(0));
    world.run_to(Time::from_secs(90));
    world.start(leech);
    world.demand_completion(Time::from_secs(600));
    world.figure("seconds_to_complete", (world.now - Time::from_secs(90)).as_secs_f64());
    world.finish("idle_guests")
}

/// A peer that tells of thousands of addresses where nobody is (BEP 11): dials of them stay few, and the download goes on.
pub fn pex_flood(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 64 << 10));
    crowd(&mut world, 1, 100_000, &seed_spec());
    let floods = pests(&mut world, 3, Script::PexFlood);
    crowd(&mut world, 5, 200_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(400));
    world.run_to(Time::from_secs(600));
    let nodes: Vec<_> = world.nodes().map(|node| address(node.id)).collect();
    let known: Vec<_> = floods.iter().map(|host| address(*host)).collect();
    let strangers = world.net.dials.iter().filter(|(addr, _)| !nodes.contains(addr) && !known.contains(addr));
    let dials: u32 = strangers.map(|(_, dials)| *dials).sum();
    world.figure("dials_of_junk", dials.into());
    let told = world.liar(floods[0]).told;
    world.figure("addresses_told_by_one", told as f64);
    // 25 dials of 20 s at a time for each of six nodes.
    let most = 6 * 25 * (600 / 20 + 1);
    world.demand(told > 2_000, || format!("the flood was {told} addresses"));
    world.demand(dials <= most, || format!("{dials} dials of junk"));
    world.finish("pex_flood")
}

/// Three leeches that have the same pieces wait for an hour: nobody hangs up, nobody is dialed over and over. Then a seed
/// comes.
pub fn quiet_hour(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 64 << 10));
    let half = NodeSpec { has: |piece, of| piece < of / 2, ..NodeSpec::default() };
    let leeches = crowd(&mut world, 3, 500_000, &half);
    let seed = crowd(&mut world, 1, 500_000, &seed_spec())[0];
    leeches.iter().for_each(|host| world.start(*host));
    world.run_to(Time::from_secs(3_600));
    let now = world.now;
    for host in &leeches {
        let peers = world.node(*host).peers(now).len();
        world.demand(peers == 2, || format!("host {} has {peers} peers after an hour", host.0));
    }
    let dials: u32 = world.net.dials.values().sum();
    world.figure("dials", dials.into());
    world.demand(dials <= 12, || format!("{dials} dials among three peers in an hour"));
    world.start(seed);
    world.demand_completion(now + Duration::from_secs(120));
    world.finish("quiet_hour")
}
