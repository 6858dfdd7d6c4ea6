//! Swarms of honest peers on honest disks, and networks that are not.

use metainfo::Version;

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

/// One seed and 29 leeches on links that lose every fiftieth segment.
pub fn lossy_swarm(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 1, 2_000_000, &seed_spec());
    let leeches = crowd(&mut world, 29, 2_000_000, &NodeSpec::default());
    leeches.iter().for_each(|host| world.net.link(*host).loss = 0.02);
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    world.finish("lossy_swarm")
}

/// One seed and 49 leeches: what the end of the download costs in blocks that come twice.
pub fn endgame(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 32 << 10));
    crowd(&mut world, 1, 2_000_000, &seed_spec());
    crowd(&mut world, 49, 1_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    let totals = world.totals();
    let waste = 100.0 * totals.wasted as f64 / (49 * world.payload.len()) as f64;
    world.figure("waste_percent", waste);
    world.demand(waste <= MOST_WASTE, || format!("{waste:.1} % of the payload was received in vain"));
    world.finish("endgame")
}

/// The most of the payload that honest peers may receive in vain.
const MOST_WASTE: f64 = 2.0;

fn many_files(version: Version) -> Shape {
    let files = vec![1, 16_383, 16_384, 16_385, 700_001, 32 << 10, 5, 1_200_000, 65_537];
    Shape { version, piece_len: 32 << 10, files, private: false }
}

/// A hybrid torrent of many files, with nodes of two shards that hand connections over.
pub fn hybrid_swarm(run: Run) -> Outcome {
    versions(run, Version::Hybrid, "hybrid_swarm")
}

/// The same for a torrent that is v2 alone.
pub fn v2_swarm(run: Run) -> Outcome {
    versions(run, Version::V2, "v2_swarm")
}

/// The same for a v1 torrent, whose pieces run across files.
pub fn v1_swarm(run: Run) -> Outcome {
    versions(run, Version::V1, "v1_swarm")
}

/// A hybrid torrent of small files in large pieces: nearly all of it is padding, which nobody sends and nothing counts.
pub fn padding(run: Run) -> Outcome {
    let files = (0..24).map(|n| 1 + n * 1_777).collect();
    let mut world =
        World::new(&run, &Shape { version: Version::Hybrid, piece_len: 256 << 10, files, private: false });
    crowd(&mut world, 1, 500_000, &seed_spec());
    let leeches = crowd(&mut world, 4, 500_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(60));
    let (now, data) = (world.now, world.payload.info.geometry().data_len());
    for host in leeches {
        let one = world.node(host).totals(now);
        let got = one.downloaded - one.wasted;
        world.demand(got == data, || format!("{} counts {got} bytes of {data}", host.0));
        let left = world.node(host).snapshot(now).map(|snapshot| snapshot.left);
        world.demand(left == Some(0), || format!("{} is complete and lacks {left:?}", host.0));
    }
    world.figure("percent_padding", 100.0 - 100.0 * data as f64 / world.payload.len() as f64);
    world.figure("seconds_to_complete", now.as_secs_f64());
    world.finish("padding")
}

/// Four leeches that know nobody but each other have no place left when the seed comes; one that is of no use goes.
pub fn crowded(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 32 << 10));
    let three = NodeSpec { tune: |config| config.max_peers = 3, ..NodeSpec::default() };
    let leeches = crowd(&mut world, 4, 1_000_000, &three);
    let seed = crowd(&mut world, 1, 1_000_000, &seed_spec())[0];
    leeches.into_iter().for_each(|host| world.start(host));
    let comes = Time::from_secs(90 + world.rng.below(60) as u64);
    world.at(comes, move |world| world.start(seed));
    world.demand_completion(comes + Duration::from_secs(120));
    world.figure("seconds_to_complete", (world.now - comes).as_secs_f64());
    world.finish("crowded")
}

fn versions(run: Run, version: Version, name: &'static str) -> Outcome {
    let mut world = World::new(&run, &many_files(version));
    crowd(&mut world, 1, 2_000_000, &NodeSpec { shards: 2, ..seed_spec() });
    crowd(&mut world, 6, 2_000_000, &NodeSpec { shards: 2, ..NodeSpec::default() });
    world.start_all();
    world.demand_completion(Time::from_secs(120));
    world.finish(name)
}

/// The network splits while a swarm downloads, and heals; the side without a seed catches up.
pub fn partition(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(6 * MIB, 64 << 10));
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    let leeches = crowd(&mut world, 15, 1_000_000, &NodeSpec::default());
    let cut = Time::from_millis(2_000 + world.rng.below(4_000) as u64);
    let heal = cut + Duration::from_secs(20 + world.rng.below(200) as u64);
    let lost: Vec<HostId> = leeches.iter().skip(7).copied().collect();
    world.at(cut, {
        let lost = lost.clone();
        move |world| lost.iter().for_each(|host| world.net.link(*host).group = 1)
    });
    world.start_all();
    world.run_to(heal);
    let near = leeches[..7].iter().filter(|host| world.node(**host).log.completed_at.is_some()).count();
    world.figure("complete_when_healed", near as f64);
    world.net.heal();
    world.demand_completion(heal + Duration::from_secs(400));
    world.figure("seconds_to_catch_up", (world.now - heal).as_secs_f64());
    world.finish("partition")
}

/// One peer of 20 dies silently in the middle of a download: its share is lost, not much more.
pub fn dead_peer(run: Run) -> Outcome {
    let all = alone_with_seeds(run, false)?;
    let mut report = alone_with_seeds(run, true)?;
    let (all, with_dead) = (all.ended.as_secs_f64(), report.ended.as_secs_f64());
    report.figures = vec![("seconds_all", all), ("seconds_one_dead", with_dead)];
    let most = all * (1.0 + 2.0 / 20.0);
    if with_dead <= most {
        return Ok(report);
    }
    let message = format!("one dead peer of 20 delays completion from {all:.1} s to {with_dead:.1} s");
    let Report { scenario, seed, ended, trace, lines, .. } = report;
    Err(Box::new(Failure { scenario, seed, at: ended, message, trace, lines }))
}

/// One leech with 20 seeds of 50 kB/s each, one of which may die.
fn alone_with_seeds(run: Run, dies: bool) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(32 * MIB, 256 << 10));
    let seeds = crowd(&mut world, 20, 50_000, &seed_spec());
    crowd(&mut world, 1, 10_000_000, &NodeSpec::default());
    let when = Time::from_millis(8_000 + world.rng.below(15_000) as u64);
    if dies {
        world.at(when, move |world| world.net.link(seeds[3]).group = 1);
    }
    world.start_all();
    world.demand_completion(Time::from_secs(200));
    world.finish("dead_peer")
}
