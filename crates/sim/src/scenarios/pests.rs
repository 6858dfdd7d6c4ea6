//! Crowds of one kind of nuisance, among honest peers.

use super::*;
use crate::liar::Script;

/// So many liars of one kind, two seeds and four leeches: the honest complete by `end`, and only liars are banned.
fn among(run: &Run, name: &'static str, script: Script, many: usize, end: u64) -> Outcome {
    let mut world = World::new(run, &Shape::one_file(3 * MIB, 64 << 10));
    crowd(&mut world, 2, 300_000, &seed_spec());
    let mut known = Vec::new();
    for _ in 0..many {
        let link = home(&mut world, 1_000_000);
        known.push(world.add_liar(script, link));
    }
    crowd(&mut world, 4, 500_000, &NodeSpec::default());
    world.start_all();
    world.demand_completion(Time::from_secs(end));
    super::hostile::demand_fair_bans(&mut world, &known);
    world.figure("seconds_to_complete", world.now.as_secs_f64());
    let later = world.now + Duration::from_secs(60);
    world.run_to(later);
    let talked: u64 = known.iter().map(|host| world.liar(*host).talked).sum();
    world.figure("connections_of_liars", talked as f64);
    world.finish(name)
}

/// Twelve peers that have everything, as they say, and serve nobody.
pub fn misers(run: Run) -> Outcome {
    among(&run, "misers", Script::Lying, 12, 120)
}

/// Twelve seeds of a few bytes a second: snubbing takes from them what others bring at once.
pub fn drips(run: Run) -> Outcome {
    among(&run, "drips", Script::Drip, 12, 240)
}

/// Eight peers that ask without end.
pub fn request_floods(run: Run) -> Outcome {
    among(&run, "request_floods", Script::RequestFlood, 8, 240)
}

/// Eight peers that ask for much and never read.
pub fn deaf_peers(run: Run) -> Outcome {
    among(&run, "deaf_peers", Script::NeverReads, 8, 240)
}

/// Six peers whose bitfields have the wrong length.
pub fn bad_bitfields(run: Run) -> Outcome {
    among(&run, "bad_bitfields", Script::BadBitfield, 6, 120)
}

/// Six peers that have pieces which the torrent has not.
pub fn pieces_beyond(run: Run) -> Outcome {
    among(&run, "pieces_beyond", Script::HaveBeyond, 6, 120)
}

/// Four seeds of which every third block is damaged: all of them are found out, on parole or by their blocks.
pub fn corrupt_crowd(run: Run) -> Outcome {
    among(&run, "corrupt_crowd", Script::Corrupt { one_in: 3 }, 4, 400)
}

/// Six peers that send what nobody asked for.
pub fn unasked_blocks(run: Run) -> Outcome {
    among(&run, "unasked_blocks", Script::Unasked, 6, 120)
}
