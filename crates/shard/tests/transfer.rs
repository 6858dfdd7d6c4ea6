//! Whole transfers between shards, in memory and in virtual time.

mod support;
#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use engine::Lease;
use riverrun_shard::{Command, Event};
use support::{KINDS, Kind, info, payload};
use types::{Bitfield, PieceIndex, Time};
use world::{TORRENT, World};

const MINUTE: Duration = Duration::from_secs(60);

fn durable(world: &World, node: usize) -> usize {
    let pieces = |event: &Event| match event {
        Event::Durable(pieces) => pieces.len(),
        _ => 0,
    };
    world.nodes[node].events.iter().map(pieces).sum()
}

#[test]
fn every_version_and_size_arrives_whole() {
    for kind in KINDS {
        for (seed, len, piece_len) in
            [(1, 1, 16_384), (2, 3 * 32_768 + 1, 32_768), (3, 1_000_000, 65_536), (4, 300_000, 1 << 20)]
        {
            let payload = payload(seed, len);
            let info = Arc::new(info(kind, &payload, piece_len));
            let mut world = World::new(seed);
            let seeder = world.add(&info, Some(&payload), 64);
            let leech = world.add(&info, None, 64);
            world.introduce(leech, seeder);
            assert!(world.run(MINUTE, |world| world.is_complete(leech)), "{kind:?} {len}");
            let pieces = info.geometry().pieces() as usize;
            assert!(world.run(MINUTE, |world| durable(world, leech) == pieces), "{kind:?} {len}");
            assert!(world.nodes[leech].disk == payload);
            assert_eq!(world.nodes[leech].read_backs, 0, "{kind:?} {len}: in order, nothing is read back");
            assert_eq!(world.nodes[leech].writes, len.div_ceil(16_384), "each block is written once");
            let figures = world.nodes[leech].shard.figures();
            assert_eq!((figures[0].1.missing, figures[0].1.downloaded), (0, len as u64));
            assert!(world.nodes[leech].shard.figures().is_empty(), "nothing has happened since");
        }
    }
}

#[test]
fn pieces_that_are_no_whole_number_of_blocks_arrive_too() {
    for (len, piece_len) in [(400_001, 40_000), (100_003, 10_000), (50_000, 16_385)] {
        let payload = payload(3, len);
        let info = Arc::new(info(Kind::V1, &payload, piece_len));
        let mut world = World::new(3);
        let seeder = world.add(&info, Some(&payload), 8);
        let leech = world.add(&info, None, 8);
        world.introduce(leech, seeder);
        assert!(world.run(MINUTE, |world| world.is_complete(leech)), "{len} {piece_len}");
        assert!(world.nodes[leech].disk == payload);
        assert_at_rest(&mut world);
    }
}

/// No buffer is lost, and nothing but idle connections is left.
fn assert_at_rest(world: &mut World) {
    world.run(MINUTE, |_| false);
    for node in &world.nodes {
        assert_eq!(node.shard.buffers(), (0, 0));
    }
}

#[test]
fn a_swarm_with_tiny_pools_completes() {
    for kind in KINDS {
        for seed in 0..4 {
            let payload = payload(seed, 1_500_000);
            let info = Arc::new(info(kind, &payload, 131_072));
            let mut world = World::new(seed);
            world.disk_delay = Duration::from_millis(40);
            let seeds = [world.add(&info, Some(&payload), 3), world.add(&info, Some(&payload), 1)];
            let leeches: Vec<_> = (0..3).map(|n| world.add(&info, None, 1 + n * 3)).collect();
            for &leech in &leeches {
                seeds
                    .iter()
                    .chain(&leeches)
                    .filter(|&&to| to != leech)
                    .for_each(|&to| world.introduce(leech, to));
            }
            assert!(
                world.run(10 * MINUTE, |world| leeches.iter().all(|&n| world.is_complete(n))),
                "{kind:?} {seed}"
            );
            assert!(leeches.iter().all(|&n| world.nodes[n].disk == payload));
            assert_at_rest(&mut world);
        }
    }
}

#[test]
fn one_seed_gives_one_trace() {
    let trace = |seed| {
        let payload = payload(9, 600_000);
        let info = Arc::new(info(Kind::Hybrid, &payload, 65_536));
        let mut world = World::new(seed);
        let a = world.add(&info, Some(&payload), 16);
        let b = world.add(&info, None, 16);
        let c = world.add(&info, None, 16);
        [(b, a), (c, a), (c, b)].into_iter().for_each(|(from, to)| world.introduce(from, to));
        assert!(world.run(MINUTE, |world| world.is_complete(b) && world.is_complete(c)));
        world.nodes.into_iter().map(|node| node.trace).collect::<Vec<_>>()
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    for kind in KINDS {
        let payload = payload(5, 2_000_000);
        let info = Arc::new(info(kind, &payload, 131_072));
        let mut world = World::new(5);
        let seeder = world.add(&info, Some(&payload), 64);
        let leech = world.add(&info, None, 64);
        world.introduce(leech, seeder);
        assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 20));
        world.nodes[leech].broken_until = world.now + MINUTE;
        assert!(!world.run(Duration::from_secs(50), |world| world.is_complete(leech)));
        let refused = world.nodes[leech].refused;
        assert!((2..60).contains(&refused), "{refused}: few tries, none in a hurry");
        assert!(world.run(5 * MINUTE, |world| world.is_complete(leech)), "{kind:?}");
        assert!(world.nodes[leech].disk == payload);
        let count = |wanted: fn(&engine::Event) -> bool| {
            let engine = world.nodes[leech].events.iter().filter_map(|event| match event {
                Event::Engine(event) => Some(event),
                _ => None,
            });
            engine.filter(|event| wanted(event)).count()
        };
        assert_eq!(count(|event| matches!(event, engine::Event::DiskTrouble(_))), 1);
        assert_eq!(count(|event| matches!(event, engine::Event::DiskRecovered)), 1);
        assert_eq!(count(|event| matches!(event, engine::Event::PieceFailed(_))), 0);
        assert_at_rest(&mut world);
    }
}

fn engine_event(world: &World, node: usize, wanted: impl Fn(&engine::Event) -> bool) -> bool {
    world.has_event(node, |event| matches!(event, Event::Engine(event) if wanted(event)))
}

fn doubts(world: &World, node: usize) -> usize {
    let doubtful = |event: &&Event| matches!(event, Event::Engine(engine::Event::PieceDoubtful { .. }));
    world.nodes[node].events.iter().filter(doubtful).count()
}

#[test]
fn a_seed_whose_disk_cannot_be_read_serves_again_later() {
    let payload = payload(6, 1_000_000);
    let info = Arc::new(info(Kind::V1, &payload, 65_536));
    let mut world = World::new(6);
    let seeder = world.add(&info, Some(&payload), 16);
    let leech = world.add(&info, None, 64);
    world.introduce(leech, seeder);
    assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 10));
    world.nodes[seeder].broken_until = world.now + MINUTE;
    world.nodes[seeder].can_read = false;
    assert!(world.run(MINUTE, |world| doubts(world, seeder) > 0));
    assert!(world.run(2 * MINUTE, |world| world.is_complete(seeder)), "what it has is hashed again");
    assert!(world.nodes[seeder].refused < 60);
    assert!(!engine_event(&world, seeder, |event| matches!(event, engine::Event::DiskTrouble(_))));
    let late = world.add(&info, None, 64);
    world.introduce(late, seeder);
    assert!(world.run(MINUTE, |world| world.is_complete(late)));
    assert!(world.nodes[late].disk == payload);
    assert!(world.run(MINUTE, |world| world.is_complete(leech)), "the first one asks again");
    assert_eq!(world.nodes[seeder].writes, 0);
    assert_at_rest(&mut world);
}

/// A node with the first half of a torrent, a seed that it fetches the rest from, and a leech that knows only
/// the node. The bytes of one piece of the first half can't be read there.
fn half_with_a_hole(seed: u64) -> (World, [usize; 3], u32, Vec<u8>) {
    let payload = payload(seed, 1_000_000);
    let info = Arc::new(info(Kind::V1, &payload, 65_536));
    let pieces = info.geometry().pieces();
    let mut world = World::new(seed);
    let seeder = world.add(&info, Some(&payload), 64);
    let half = world.add_with(&info, Some(&payload), 64, |params| {
        params.have = (0..pieces).map(|piece| piece < pieces / 2).collect();
    });
    let leech = world.add(&info, None, 64);
    world.nodes[half].disk[8 * 65_536..].fill(0);
    world.nodes[half].unreadable = 2 * 65_536..3 * 65_536;
    world.introduce(half, seeder);
    world.introduce(leech, half);
    (world, [seeder, half, leech], pieces, payload)
}

fn have(world: &mut World, node: usize) -> Bitfield {
    let now = world.now;
    world.nodes[node].shard.snapshot(now, TORRENT).unwrap().have
}

#[test]
fn a_piece_that_cannot_be_read_holds_up_nothing_else() {
    let (mut world, [_, half, leech], pieces, payload) = half_with_a_hole(21);
    world.run(MINUTE, |_| false);
    let all_but_one: Bitfield = (0..pieces).map(|piece| piece != 2).collect();
    assert_eq!([have(&mut world, half), have(&mut world, leech)], [all_but_one.clone(), all_but_one]);
    assert_eq!(doubts(&world, half), 1, "the user is told once");
    assert!(!engine_event(&world, half, |event| matches!(event, engine::Event::DiskTrouble(_))));
    let unhashed = world.nodes[half].shard.unhashed(TORRENT);
    assert_eq!(unhashed, [(PieceIndex(2), Bitfield::full(4))], "it is to be hashed after a restart too");
    world.nodes[half].unreadable = 0..0;
    assert!(world.run(MINUTE, |world| world.is_complete(half) && world.is_complete(leech)));
    assert!(world.nodes[leech].disk == payload);
    assert!(world.nodes[half].writes <= 35, "nothing was fetched again");
    assert_at_rest(&mut world);
}

#[test]
fn what_a_recheck_gives_up_is_fetched_again() {
    let (mut world, [_, half, leech], pieces, payload) = half_with_a_hole(22);
    world.run(MINUTE, |_| false);
    world.nodes[half].disk[2 * 65_536..3 * 65_536].fill(0);
    let rechecked = (0..pieces).map(|piece| piece != 2).collect();
    let now = world.now;
    let command = Command::Torrent(TORRENT, engine::Command::Have(rechecked));
    world.nodes[half].shard.command(now, command);
    assert!(world.nodes[half].shard.unhashed(TORRENT).is_empty());
    assert!(world.run(MINUTE, |world| world.is_complete(half)));
    world.nodes[half].unreadable = 0..0;
    assert!(world.run(MINUTE, |world| world.is_complete(leech)));
    assert!(world.nodes[half].disk == payload && world.nodes[leech].disk == payload);
    assert_at_rest(&mut world);
}

#[test]
fn a_recheck_gives_up_writes_that_the_disk_refuses() {
    let payload = payload(23, 1_000_000);
    let info = Arc::new(info(Kind::V1, &payload, 65_536));
    let mut world = World::new(23);
    let seeder = world.add(&info, Some(&payload), 64);
    let leech = world.add(&info, None, 64);
    world.introduce(leech, seeder);
    assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 10));
    world.nodes[leech].broken_until = world.now + Duration::from_secs(3);
    world.run(Duration::from_secs(3), |_| false);
    assert!(engine_event(&world, leech, |event| matches!(event, engine::Event::DiskTrouble(_))));
    let (now, have) = (world.now, have(&mut world, leech));
    world.nodes[leech].shard.command(now, Command::Torrent(TORRENT, engine::Command::Have(have)));
    assert_eq!(world.nodes[leech].shard.buffers().0, 0);
    assert!(world.run(Duration::from_secs(2), |world| world.is_complete(leech)), "no retry is waited for");
    assert_at_rest(&mut world);
}

#[test]
fn a_failed_sync_claims_only_what_was_written_again() {
    for kind in KINDS {
        let payload = payload(24, 1_500_000);
        let info = Arc::new(info(kind, &payload, 65_536));
        let mut world = World::new(24);
        let seeder = world.add(&info, Some(&payload), 64);
        let leech = world.add(&info, None, 64);
        let lease = Lease { download: Some(100_000), upload: None, connections: 10, yields: false };
        world.nodes[leech].shard.command(world.now, Command::Lease(lease));
        world.nodes[leech].failing_syncs = 2;
        world.introduce(leech, seeder);
        let pieces = info.geometry().pieces() as usize;
        assert!(world.run(10 * MINUTE, |world| durable(world, leech) == pieces), "{kind:?}");
        let node = &world.nodes[leech];
        assert_eq!(node.failed_syncs, 2);
        assert!(node.written_as.values().all(|&write| write >= node.lost_before) || kind == Kind::V1);
        assert!(node.disk == payload);
        assert!(doubts(&world, leech) > 0 && world.is_complete(leech));
        assert_at_rest(&mut world);
    }
}

#[test]
fn a_stop_while_the_disk_is_full_costs_nothing_that_was_stored() {
    for kind in KINDS {
        let payload = payload(25, 3_000_000);
        let info = Arc::new(info(kind, &payload, 65_536));
        let mut world = World::new(25);
        let seeder = world.add(&info, Some(&payload), 64);
        let leech = world.add(&info, None, 64);
        world.introduce(leech, seeder);
        assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 60));
        world.nodes[leech].broken_until = Time::NEVER;
        world.run(Duration::from_millis(500), |_| false);
        // As the client closes: pause, sync, save what is durable and what is unhashed.
        let (now, complete) = (world.now, have(&mut world, leech));
        world.nodes[leech].shard.command(now, Command::Torrent(TORRENT, engine::Command::Pause));
        world.nodes[leech].shard.command(now, Command::Sync(TORRENT));
        world.run(Duration::from_millis(100), |_| false);
        let pieces = info.geometry().pieces();
        let mut claimed = Bitfield::new(pieces);
        for event in &world.nodes[leech].events {
            if let Event::Durable(pieces) = event {
                pieces.iter().for_each(|piece| _ = claimed.insert(piece.index().0));
            }
        }
        assert!(claimed == complete && complete.count() > 10, "all that was verified is claimed");
        let unhashed = world.nodes[leech].shard.unhashed(TORRENT);
        let (disk, stored) = (world.nodes[leech].disk.clone(), world.nodes[leech].writes);

        let mut world = World::new(26);
        let seeder = world.add(&info, Some(&payload), 64);
        let again = world.add_with(&info, Some(&disk), 64, |params| {
            (params.have, params.unhashed) = (claimed.clone(), unhashed.clone());
        });
        world.introduce(again, seeder);
        assert!(world.run(MINUTE, |world| world.is_complete(again)), "{kind:?}");
        assert!(world.nodes[again].disk == payload);
        assert_eq!(world.nodes[again].writes, 3_000_000usize.div_ceil(16_384) - stored, "{kind:?}");
    }
}

#[test]
fn corrupt_data_is_found_and_another_peer_makes_it_good() {
    for kind in KINDS {
        let payload = payload(7, 1_000_000);
        let info = Arc::new(info(kind, &payload, 65_536));
        let mut world = World::new(7);
        let mut lie = payload.clone();
        lie.iter_mut().step_by(50_000).for_each(|byte| *byte ^= 1);
        let liar = world.add(&info, Some(&lie), 64);
        let leech = world.add(&info, None, 64);
        world.introduce(leech, liar);
        world.run(Duration::from_secs(20), |_| false);
        assert!(!world.is_complete(leech));
        assert!(
            world.has_event(leech, |event| matches!(event, Event::Engine(engine::Event::PieceFailed(_))))
        );
        let honest = world.add(&info, Some(&payload), 64);
        world.introduce(leech, honest);
        assert!(world.run(5 * MINUTE, |world| world.is_complete(leech)), "{kind:?}");
        assert!(world.nodes[leech].disk == payload);
    }
}

#[test]
fn a_lease_is_kept() {
    for (download, upload) in [(Some(100_000), None), (None, Some(100_000))] {
        let payload = payload(8, 1_000_000);
        let info = Arc::new(info(Kind::V1, &payload, 65_536));
        let mut world = World::new(8);
        let seeder = world.add(&info, Some(&payload), 64);
        let leech = world.add(&info, None, 64);
        let lease =
            |download, upload| Command::Lease(Lease { download, upload, connections: 10, yields: false });
        world.nodes[leech].shard.command(world.now, lease(download, None));
        world.nodes[seeder].shard.command(world.now, lease(None, upload));
        world.introduce(leech, seeder);
        let from = world.now;
        assert!(world.run(MINUTE, |world| world.is_complete(leech)));
        let took = world.now.since(from).as_secs_f64();
        assert!((9.0..11.5).contains(&took), "{took}");
        let now = world.now;
        let used = [world.nodes[leech].shard.usage(now), world.nodes[seeder].shard.usage(now)];
        assert_eq!((used[0].wants_download, used[1].wants_upload), (download.is_some(), upload.is_some()));
    }
}

#[test]
fn an_earlier_run_is_taken_up_where_it_was_left() {
    for kind in KINDS {
        let payload = payload(10, 1_000_000);
        let info = Arc::new(info(kind, &payload, 131_072));
        let mut world = World::new(10);
        let seeder = world.add(&info, Some(&payload), 64);
        let leech = world.add(&info, None, 64);
        world.introduce(leech, seeder);
        assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 30));
        // As after a crash: what was handed to the disk is there, what was verified is not claimed.
        let unhashed = world.nodes[leech].shard.unhashed(TORRENT);
        let disk = world.nodes[leech].disk.clone();
        let blocks: u32 = unhashed.iter().map(|(_, blocks)| blocks.count()).sum();
        assert!(blocks > 0);
        let mut world = World::new(11);
        let seeder = world.add(&info, Some(&payload), 64);
        let again = world.add_with(&info, Some(&disk), 64, |params| params.unhashed = unhashed.clone());
        world.introduce(again, seeder);
        assert!(world.run(MINUTE, |world| world.is_complete(again)), "{kind:?}");
        assert!(world.nodes[again].disk == payload);
        assert_eq!(world.nodes[again].writes, 1_000_000usize.div_ceil(16_384) - blocks as usize);
        assert!(world.nodes[again].read_backs >= blocks as usize);
        assert_at_rest(&mut world);
    }
}

#[test]
fn a_removed_torrent_ends_its_writes_and_leaves_nothing() {
    for seed in 0..10 {
        let payload = payload(12, 2_000_000);
        let info = Arc::new(info(Kind::V1, &payload, 65_536));
        let mut world = World::new(seed);
        world.disk_delay = Duration::from_millis(50);
        let seeder = world.add(&info, Some(&payload), 32);
        let leech = world.add(&info, None, 32);
        world.introduce(leech, seeder);
        assert!(world.run(MINUTE, |world| world.nodes[leech].writes > 10 + 7 * seed as usize));
        if seed % 2 == 1 {
            world.nodes[leech].broken_until = Time::NEVER;
        }
        for node in [leech, seeder] {
            world.nodes[node].shard.command(world.now, Command::Remove(TORRENT));
        }
        let gone = |world: &World, node| world.has_event(node, |event| matches!(event, Event::Removed));
        assert!(world.run(MINUTE, |world| gone(world, leech) && gone(world, seeder)));
        assert!(world.nodes[leech].ends.is_empty() && world.nodes[seeder].ends.is_empty());
        for node in &mut world.nodes {
            assert_eq!(node.shard.buffers(), (0, 0));
            assert_eq!(node.shard.usage(world.now).connections, 0);
            assert!(node.shard.snapshot(world.now, TORRENT).is_none());
        }
    }
}
