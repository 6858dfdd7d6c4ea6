//! Peers that lie.

use super::*;
use crate::liar::Script;

/// One peer sends damaged blocks among honest seeds. Everybody completes, whoever took damage bans that peer within a
/// few pieces, and nobody bans an honest one.
pub fn corrupt_sender(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 64 << 10));
    crowd(&mut world, 2, 500_000, &seed_spec());
    let link = home(&mut world, 2_000_000);
    let one_in = [1, 4, 16][world.rng.below(3)];
    let liar = world.add_liar(Script::Corrupt { one_in }, link);
    let leeches = crowd(&mut world, 8, 1_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    demand_fair_bans(&mut world, &[liar]);
    let mut worst = 0;
    for host in leeches {
        let log = &world.node(host).log;
        let (failed, banned) = (log.failed_pieces, !log.bans.is_empty());
        worst = worst.max(failed);
        world.demand(failed < 3 || banned, || format!("host {} took {failed} bad pieces, no ban", host.0));
    }
    world.demand(worst <= MOST_FAILED, || format!("{worst} pieces failed at one node before the ban"));
    world.figure("most_failed_pieces", worst.into());
    let corrupted = world.liar(liar).corrupted;
    world.figure("corrupt_blocks_sent", corrupted as f64);
    world.finish("corrupt_sender")
}

/// A liar sends one damaged piece on each connection and hangs up at once, before anybody could find out. Its address is
/// shut out all the same.
pub fn hang_up(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(4 * MIB, 32 << 10));
    crowd(&mut world, 1, 100_000, &seed_spec());
    let link = home(&mut world, 2_000_000);
    let liar = world.add_liar(Script::HangUp { after: 2 }, link);
    // Slow disks, so that the verdict comes long after the end of the connection.
    let mut spec = NodeSpec::default();
    spec.disk.latency = Duration::from_millis(100);
    let leeches = crowd(&mut world, 6, 1_000_000, &spec);
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    demand_fair_bans(&mut world, &[liar]);
    let mut banned = 0;
    for host in leeches {
        let log = &world.node(host).log;
        let (failed, bans) = (log.failed_pieces, log.bans.len());
        banned += bans;
        world.demand(failed <= 2, || format!("host {} took {failed} bad pieces of one who hung up", host.0));
    }
    world.demand(banned > 0, || "nobody banned who hung up".into());
    world.figure("bans", banned as f64);
    world.finish("hang_up")
}

/// Few large pieces, so that many hands share each, one of them a liar's: honest sharers are never banned, and the liar is
/// gone within one piece more.
pub fn shared_pieces(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 256 << 10));
    crowd(&mut world, 3, 100_000, &seed_spec());
    let link = home(&mut world, 150_000);
    let liar = world.add_liar(Script::Corrupt { one_in: 6 }, link);
    let leeches = crowd(&mut world, 2, 1_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    demand_fair_bans(&mut world, &[liar]);
    let failed: Vec<u32> = leeches.iter().map(|host| world.node(*host).log.failed_pieces).collect();
    let most = failed.iter().max().copied().unwrap_or(0);
    world.figure("most_failed_pieces", most.into());
    world.finish("shared_pieces")
}

/// Most pieces that may fail at one node for one corrupt sender.
const MOST_FAILED: u32 = 4;

/// Only liars may have been banned.
pub(super) fn demand_fair_bans(world: &mut World, liars: &[HostId]) {
    let guilty: Vec<_> = liars.iter().map(|host| crate::net::address(*host).ip()).collect();
    let wrong: Vec<String> = world
        .nodes()
        .flat_map(|node| node.log.bans.iter().map(move |(addr, _)| (node.id, addr)))
        .filter(|(_, addr)| !guilty.contains(&addr.ip()))
        .map(|(id, addr)| format!("host {} banned {addr}", id.0))
        .collect();
    world.demand(wrong.is_empty(), || format!("an honest peer was banned: {}", wrong.join(", ")));
}

/// One liar of every kind at once, against two seeds and four leeches.
pub fn liars(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    crowd(&mut world, 2, 1_000_000, &seed_spec());
    let mut known = Vec::new();
    for script in Script::ALL {
        let link = home(&mut world, 1_000_000);
        known.push(world.add_liar(script, link));
    }
    crowd(&mut world, 4, 1_000_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    demand_fair_bans(&mut world, &known);
    // They go on for a while against complete nodes.
    let later = world.now + Duration::from_secs(60);
    world.run_to(later);
    let talked: u64 = known.iter().map(|host| world.liar(*host).talked).sum();
    world.figure("connections_of_liars", talked as f64);
    world.finish("liars")
}

/// A seed with a rotten disk, which it does not know of, beside a sound one.
pub fn rotten_seed(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(3 * MIB, 64 << 10));
    let rotten = crowd(&mut world, 1, 1_000_000, &seed_spec())[0];
    crowd(&mut world, 1, 1_000_000, &seed_spec());
    crowd(&mut world, 5, 1_000_000, &NodeSpec::default());
    for _ in 0..3 {
        let pieces = world.payload.info.geometry().pieces() as usize;
        let piece = types::PieceIndex(world.rng.below(pieces) as u32);
        world.node(rotten).disk.rot(piece);
    }
    world.start_all();
    world.demand_completion(Time::from_secs(300));
    demand_fair_bans(&mut world, &[rotten]);
    world.finish("rotten_seed")
}
