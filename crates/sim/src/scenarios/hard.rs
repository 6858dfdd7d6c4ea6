//! Everything at once.

use super::hostile::demand_fair_bans;
use super::*;
use crate::liar::Script;

/// 50 peers and a liar of every kind: half of the peers are behind NATs, every line loses packets, a third is killed and
/// comes back, some after a power cut, three disks are full for a while, and the network splits once. Nothing wrong is
/// claimed or served, nobody honest is banned, and when it is over everybody completes.
pub fn hard_swarm(run: Run) -> Outcome {
    let mut world = World::new(&run, &Shape::one_file(MIB, 32 << 10));
    let seeds = crowd(&mut world, 2, 600_000, &seed_spec());
    let peers = crowd(&mut world, 45, 600_000, &NodeSpec::default());
    let tight: Vec<HostId> = (0..3)
        .flat_map(|_| {
            let mut spec = NodeSpec::default();
            spec.disk.free = Some(world.rng.below(MIB as usize) as u64);
            crowd(&mut world, 1, 600_000, &spec)
        })
        .collect();
    let honest = seeds.len() + peers.len() + tight.len();
    for host in peers.iter().chain(&tight).chain(&seeds).copied() {
        let (nat, loss) = (world.rng.below(2) == 0, world.rng.below(20) as f64 / 1_000.0);
        let link = world.net.link(host);
        (link.nat, link.loss) = (nat, loss);
    }
    let mut known = Vec::new();
    for script in Script::ALL {
        let link = home(&mut world, 600_000);
        known.push(world.add_liar(script, link));
    }
    world.start_all();
    for host in peers.iter().copied() {
        if world.rng.below(3) == 0 {
            let power = world.rng.below(2) == 0;
            let at = Time::from_millis(500 + world.rng.below(40_000) as u64);
            let back = at + Duration::from_millis(1_000 + world.rng.below(20_000) as u64);
            world.at(at, move |world| world.kill(host, power));
            world.at(back, move |world| world.start(host));
        }
    }
    let lost: Vec<HostId> = peers.iter().step_by(3).copied().collect();
    world.at(Time::from_secs(15), move |world| {
        lost.iter().for_each(|host| world.net.link(*host).group = 1);
    });
    world.at(Time::from_secs(40), |world| world.net.heal());
    let space = Time::from_secs(60);
    world.at(space, move |world| {
        tight.iter().for_each(|host| world.node(*host).disk.spec.free = None);
    });
    world.demand_completion(Time::from_secs(600));
    demand_fair_bans(&mut world, &known);
    world.figure("honest_peers", honest as f64);
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    world.finish("hard_swarm")
}
