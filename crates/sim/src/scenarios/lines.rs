//! Lines that are slow, uneven, lossy or cut, and limits on what may pass.

use engine::{Lease, UploadMode};

use super::*;

/// Lines that send a tenth of what they receive.
pub fn uneven_lines(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let mut hosts = crowd(&mut world, 1, 1_000_000, &seed_spec());
    hosts.extend(crowd(&mut world, 12, 1_000_000, &NodeSpec::default()));
    hosts.iter().for_each(|host| world.net.link(*host).up = 100_000);
    world.start_all();
    world.demand_completion(Time::from_secs(400));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("uneven_lines")
}

/// Every tenth segment is lost, and latency jumps by half a second.
pub fn awful_lines(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(2 * MIB, 64 << 10));
    let mut hosts = crowd(&mut world, 2, 500_000, &seed_spec());
    hosts.extend(crowd(&mut world, 8, 500_000, &NodeSpec::default()));
    for host in hosts {
        let link = world.net.link(host);
        (link.loss, link.jitter) = (0.1, Duration::from_millis(250));
    }
    world.start_all();
    world.demand_completion(Time::from_secs(600));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("awful_lines")
}

/// Half a second each way.
pub fn satellites(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let mut hosts = crowd(&mut world, 2, 1_000_000, &seed_spec());
    hosts.extend(crowd(&mut world, 4, 1_000_000, &NodeSpec::default()));
    hosts.iter().for_each(|host| world.net.link(*host).latency = Duration::from_millis(250));
    world.start_all();
    world.demand_completion(Time::from_secs(200));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("satellites")
}

/// The network splits and heals six times.
pub fn flapping_network(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 64 << 10));
    crowd(&mut world, 1, 300_000, &seed_spec());
    let leeches = crowd(&mut world, 11, 300_000, &NodeSpec::default());
    world.start_all();
    for n in 0..6 {
        let cut = Time::from_millis(2_000 + n * 12_000 + world.rng.below(3_000) as u64);
        let far: Vec<HostId> = leeches.iter().copied().filter(|_| world.rng.one_in(2)).collect();
        world.at(cut, move |world| far.iter().for_each(|host| world.net.link(*host).group = 1));
        world.at(cut + Duration::from_secs(6), |world| world.net.heal());
    }
    world.demand_completion(Time::from_secs(900));
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("flapping_network")
}

/// 24 peers of 4 kB/s each and one leech: it has most of what they can give together.
pub fn slow_peers(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    crowd(&mut world, 24, 4_000, &seed_spec());
    crowd(&mut world, 1, 1_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(120));
    let least = world.payload.len() as f64 / (24.0 * 4_000.0);
    let took = world.now.as_secs_f64();
    world.figure("seconds_to_complete", took);
    world.figure("seconds_at_least", least);
    world.demand(took <= least * 1.5, || format!("{took:.0} s, where {least:.0} s would do"));
    let wasted = 100.0 * world.totals().wasted as f64 / world.payload.len() as f64;
    world.figure("waste_percent", wasted);
    world.finish("slow_peers")
}

/// The last blocks lie with a peer of 2 kB/s, and three quick ones have them too: the end-game fetches them there.
pub fn slow_last(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 256 << 10));
    crowd(&mut world, 3, 300_000, &seed_spec());
    crowd(&mut world, 3, 2_000, &seed_spec());
    crowd(&mut world, 1, 2_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(60));
    let (took, least) = (world.now.as_secs_f64(), world.payload.len() as f64 / 900_000.0);
    world.figure("seconds_to_complete", took);
    world.demand(took <= 3.0 * least + 5.0, || format!("{took:.1} s, where {least:.1} s would do"));
    world.finish("slow_last")
}

/// A limit that is changed while the download runs, and lifted, holds at each moment. libtorrent row 22.
pub fn changed_limits(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 2, 2_000_000, &seed_spec());
    let lease = |rate| Lease { download: rate, upload: None, connections: 50, yields: false };
    let spec = NodeSpec { lease: Some(lease(Some(60_000))), ..NodeSpec::default() };
    let leech = crowd(&mut world, 1, 2_000_000, &spec)[0];
    world.start_all();
    world.run_to(Time::from_secs(10));
    let now = world.now;
    let mut before = world.node(leech).totals(now).downloaded;
    for rate in [60_000u64, 30_000, 90_000] {
        world.lease(leech, lease(Some(rate)));
        world.run_to(world.now + Duration::from_secs(10));
        let now = world.now;
        let after = world.node(leech).totals(now).downloaded;
        let came = after - before;
        before = after;
        let fair = came * 20 <= rate * 10 * 21 && came * 20 >= rate * 10 * 18;
        world.demand(fair, || format!("{came} bytes in 10 s at {rate} a second"));
    }
    world.lease(leech, lease(None));
    world.demand_completion(world.now + Duration::from_secs(10));
    world.finish("changed_limits")
}

/// What a seed may send: what leaves it within ten seconds is that, to a twentieth. libtorrent row 22.
pub fn upload_limit(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    let rate = 50_000 + world.rng.below(100_000) as u64;
    let lease = Some(Lease { download: None, upload: Some(rate), connections: 50, yields: false });
    let seed = crowd(&mut world, 1, 2_000_000, &NodeSpec { lease, ..seed_spec() })[0];
    let leeches =
        crowd(&mut world, 4, 500_000, &NodeSpec { upload: UploadMode::Never, ..NodeSpec::default() });
    world.start_all();
    world.run_to(Time::from_secs(10));
    let now = world.now;
    let mut before = world.node(seed).totals(now).uploaded;
    for _ in 0..2 {
        world.run_to(world.now + Duration::from_secs(10));
        let now = world.now;
        let after = world.node(seed).totals(now).uploaded;
        let left = after - before;
        before = after;
        let fair = left * 20 <= rate * 10 * 21 && left * 20 >= rate * 10 * 18;
        world.demand(fair, || format!("{left} bytes left in 10 s at {rate} a second"));
    }
    let _ = leeches;
    world.demand_completion(Time::from_secs(600));
    world.finish("upload_limit")
}

/// Limits far below a block a second: nobody is dropped for it, and the download ends.
pub fn tiny_limits(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(128 << 10, 32 << 10));
    let lease = |down, up| Some(Lease { download: down, upload: up, connections: 50, yields: false });
    crowd(&mut world, 1, 1_000_000, &NodeSpec { lease: lease(None, Some(1_000)), ..seed_spec() });
    crowd(&mut world, 1, 1_000_000, &NodeSpec { lease: lease(Some(3_000), None), ..NodeSpec::default() });
    world.start_all();
    world.run_to(Time::from_secs(20));
    let before = world.net.delivered;
    world.run_to(Time::from_secs(80));
    // Bytes at the sockets, the few requests included.
    let came = world.net.delivered - before;
    world.figure("bytes_in_a_minute_at_1000", came as f64);
    world.demand((57_000..=63_000).contains(&came), || format!("{came} bytes came in 60 s"));
    world.demand_completion(Time::from_secs(400));
    let dials: u32 = world.net.dials.values().sum();
    world.demand(dials <= 2, || format!("{dials} dials: somebody was dropped for being slow"));
    world.finish("tiny_limits")
}

/// Three of eight disks are full for a while, at different times, and one more is slow.
pub fn full_disks(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    crowd(&mut world, 1, 500_000, &seed_spec());
    let mut tight = NodeSpec::default();
    tight.disk.free = Some(MIB);
    let full = crowd(&mut world, 3, 500_000, &tight);
    let mut slow = NodeSpec::default();
    (slow.disk.latency, slow.disk.rate) = (Duration::from_millis(40), 400_000);
    crowd(&mut world, 1, 500_000, &slow);
    crowd(&mut world, 3, 500_000, &NodeSpec::default());
    world.start_all();
    for (host, n) in full.into_iter().zip(1..) {
        world.at(Time::from_secs(n * 40), move |world| world.node(host).disk.spec.free = None);
    }
    world.demand_completion(Time::from_secs(400));
    world.finish("full_disks")
}
