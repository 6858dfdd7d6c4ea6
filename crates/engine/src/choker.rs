//! Who is served: tit-for-tat slots while downloading, a seed policy afterwards.
//!
//! Once a round the interested peers are ranked and the best get the regular slots; one more slot in five is
//! optimistic and goes, every third round, to whoever has waited longest, so that newcomers can show what
//! they give (BEP 3). A seed that serves everyone in turn has no optimistic slots: all of its slots go to
//! whoever has had least.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use types::Time;

use crate::{Config, ConnId, Host};

/// Which interested peers a seed serves first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SeedPolicy {
    /// Everyone in turn: a peer keeps its slot for a minute and 20 pieces' worth of blocks, then comes
    /// whoever has had least. One that takes nothing for a minute has had its turn.
    #[default]
    RoundRobin,
    /// Those that take data fastest: the swarm has new copies soonest, slow lines wait for the optimistic
    /// slots.
    FastestUpload,
    /// Those that have just begun or are nearly done, before those half way: a peer that only takes is helped
    /// over the threshold at which it could give, and over that at which it becomes a seed.
    AntiLeech,
}

/// Whether peers are served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[non_exhaustive]
pub enum UploadMode {
    /// Nobody, ever. Peers that reciprocate will serve us less.
    Never,
    /// As long as something wanted is missing. Once all is here nobody is served and all connections are closed.
    WhileDownloading,
    /// While downloading, and afterwards as a seed.
    #[default]
    Seed,
}

impl UploadMode {
    /// Whether peers are served now.
    pub(crate) fn serves(self, complete: bool) -> bool {
        match self {
            UploadMode::Never => false,
            UploadMode::WhileDownloading => !complete,
            UploadMode::Seed => true,
        }
    }
}

/// Who is served while we download.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Reciprocity {
    /// Those that give us most, and in one slot of five, in turn, anybody: tit-for-tat (BEP 3).
    #[default]
    Reciprocal,
    /// Everyone as the seed policy says, whatever they give us.
    Generous,
}

/// How many peers are served at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SlotPolicy {
    /// As many as [`Config::upload_slots`](crate::Config::upload_slots) says.
    #[default]
    Fixed,
    /// As many as are served fast, and one more: in the order of their rates the first must take 1 KiB/s,
    /// each further one 2 KiB/s more than the one before had to. A fast line opens slots until they no longer
    /// fill it; a slow one is not spread thin. [`Config::upload_slots`](crate::Config::upload_slots) has no
    /// effect.
    RateBased,
}

/// What the choker knows of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) conn: ConnId,
    /// Where it is.
    pub(crate) host: Host,
    pub(crate) interested: bool,
    pub(crate) snubbed: bool,
    pub(crate) unchoked: bool,
    /// When it was last choked or unchoked.
    pub(crate) since: Time,
    /// Payload bytes sent to it since then.
    pub(crate) served: u64,
    /// Payload bytes sent to it in all; one that came late began at what the least served had had by then.
    pub(crate) level: u64,
    /// Payload bytes a second that it gives us.
    pub(crate) gives: f64,
    /// Payload bytes a second that it takes.
    pub(crate) takes: f64,
    /// How much of the torrent it has, in thousandths.
    pub(crate) has: u32,
}

/// The choker of one torrent.
#[derive(Debug)]
pub(crate) struct Choker {
    slots: usize,
    policy: SlotPolicy,
    seed_policy: SeedPolicy,
    generous: bool,
    optimistic: Vec<ConnId>,
    rounds: u32,
}

/// The least time for which a seed that serves everyone in turn serves one.
pub(crate) const FULL_TURN: Duration = Duration::from_secs(60);
const OPTIMISTIC_ROUNDS: u32 = 3;
/// What the first of the rate based slots must take, in bytes a second, and what each further one must take
/// more.
const FIRST_RATE: f64 = 1_024.0;
const NEXT_RATE: f64 = 2_048.0;
/// A peer that takes less than so many bytes a second takes nothing.
const NOTHING: f64 = 1.0;

impl Choker {
    pub(crate) fn new(config: &Config) -> Choker {
        let (policy, seed_policy) = (config.slot_policy, config.seed_policy);
        let slots = match policy {
            SlotPolicy::Fixed => config.upload_slots as usize,
            SlotPolicy::RateBased => 1,
        };
        let generous = config.reciprocity == Reciprocity::Generous;
        Choker { slots, policy, seed_policy, generous, optimistic: Vec::new(), rounds: 0 }
    }

    /// How many peers are served at once.
    pub(crate) fn slots(&self, seeding: bool) -> usize {
        self.slots + self.optimistic_slots(seeding)
    }

    /// Whether a peer has one of the slots in which newcomers are tried.
    pub(crate) fn is_optimistic(&self, conn: ConnId) -> bool {
        self.optimistic.contains(&conn)
    }

    fn optimistic_slots(&self, seeding: bool) -> usize {
        match (seeding || self.generous) && self.seed_policy == SeedPolicy::RoundRobin {
            true => 0,
            false => (self.slots / 5).max(1),
        }
    }

    /// The peers to be served for the next round. `turn` is a full turn's bytes: 20 pieces.
    pub(crate) fn round(&mut self, now: Time, seeding: bool, turn: u64, peers: &[Candidate]) -> Vec<ConnId> {
        if self.policy == SlotPolicy::RateBased {
            self.slots = rate_slots(peers);
        }
        let mut ranked: Vec<&Candidate> = peers.iter().filter(|p| p.interested).collect();
        match (seeding || self.generous, self.seed_policy) {
            (false, _) => ranked.sort_by(|a, b| {
                a.snubbed.cmp(&b.snubbed).then(faster(b.gives, a.gives)).then(a.since.cmp(&b.since))
            }),
            (true, SeedPolicy::FastestUpload) => {
                ranked.sort_by(|a, b| faster(b.takes, a.takes).then(a.since.cmp(&b.since)));
            }
            (true, SeedPolicy::AntiLeech) => ranked.sort_by_key(|p| (std::cmp::Reverse(edge(p)), p.since)),
            (true, SeedPolicy::RoundRobin) => ranked.sort_by_key(|p| place_in_line(p, now, turn)),
        }
        let mut chosen: Vec<ConnId> = hosts_first(&ranked).take(self.slots).map(|p| p.conn).collect();
        self.choose_optimistic(&ranked, &chosen, seeding);
        chosen.extend(&self.optimistic);
        self.rounds = self.rounds.wrapping_add(1);
        chosen
    }

    fn choose_optimistic(&mut self, ranked: &[&Candidate], regular: &[ConnId], seeding: bool) {
        let rotate = self.rounds.is_multiple_of(OPTIMISTIC_ROUNDS);
        let slots = self.optimistic_slots(seeding);
        let left: Vec<&&Candidate> = ranked.iter().filter(|p| !regular.contains(&p.conn)).collect();
        self.optimistic.retain(|conn| !rotate && left.iter().any(|p| p.conn == *conn));
        self.optimistic.truncate(slots);
        let mut waiting: Vec<&&&Candidate> =
            left.iter().filter(|p| !self.optimistic.contains(&p.conn)).collect();
        // The choked ones have waited since they were choked; one that just had the slot goes to the end of
        // the line.
        waiting.sort_by_key(|p| (p.unchoked, p.since));
        let room = slots - self.optimistic.len();
        self.optimistic.extend(waiting.into_iter().take(room).map(|p| p.conn));
    }
}

/// The same peers, but the first of each host before the second of any: many connections of one host do not keep the
/// slots from the others. They come in order among themselves, and have what is left.
fn hosts_first<'a>(ranked: &[&'a Candidate]) -> impl Iterator<Item = &'a Candidate> {
    let mut seen: BTreeMap<Host, usize> = BTreeMap::new();
    let mut order: Vec<(usize, &Candidate)> = Vec::with_capacity(ranked.len());
    for candidate in ranked {
        let nth = seen.entry(candidate.host).or_default();
        order.push((*nth, candidate));
        *nth += 1;
    }
    order.sort_by_key(|(nth, _)| *nth);
    order.into_iter().map(|(_, candidate)| candidate)
}

/// The order of two rates.
fn faster(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// How many of the peers are served fast, and one more.
fn rate_slots(peers: &[Candidate]) -> usize {
    let mut rates: Vec<f64> = peers.iter().filter(|p| p.unchoked).map(|p| p.takes).collect();
    rates.sort_by(|a, b| faster(*b, *a));
    let demanded = (0..).map(|n| FIRST_RATE + NEXT_RATE * f64::from(n));
    1 + rates.into_iter().zip(demanded).take_while(|(rate, demanded)| rate >= demanded).count()
}

/// How far a peer is from the middle of its download, in thousandths of it.
fn edge(peer: &Candidate) -> u32 {
    peer.has.abs_diff(500)
}

/// Where a peer stands in the line of those that are served in turn: a slot is kept for its turn; then
/// whoever has had least comes next, and last whoever had a turn and took nothing.
fn place_in_line(p: &Candidate, now: Time, turn: u64) -> (u8, u64, Time) {
    if !p.unchoked {
        return (1, p.level, p.since);
    }
    if now.since(p.since) < FULL_TURN || p.served < turn && p.takes >= NOTHING {
        return (0, 0, p.since);
    }
    if p.served == 0 { (2, p.level, p.since) } else { (1, p.level, p.since) }
}

#[cfg(test)]
mod tests {
    use types::PeerId;

    use super::*;

    fn peer(slot: u32) -> Candidate {
        Candidate {
            conn: ConnId::new(slot, 0),
            host: Host::of((std::net::Ipv4Addr::from(0x0a00_0000 + slot), 1).into()),
            interested: true,
            snubbed: false,
            unchoked: false,
            since: Time::ZERO,
            served: 0,
            level: 0,
            gives: 0.0,
            takes: 0.0,
            has: 0,
        }
    }

    fn choker(slots: u32, policy: SeedPolicy) -> Choker {
        Choker::new(&Config { upload_slots: slots, seed_policy: policy, ..Config::new(PeerId([0; 20])) })
    }

    fn slot_numbers(chosen: &[ConnId]) -> Vec<usize> {
        chosen.iter().map(|conn| conn.slot()).collect()
    }

    #[test]
    fn those_who_give_most_are_served_and_a_newcomer_is_tried() {
        let mut choker = choker(2, SeedPolicy::RoundRobin);
        let mut peers: Vec<Candidate> =
            (0..6).map(|i| Candidate { gives: f64::from(i), ..peer(i) }).collect();
        peers[5].interested = false;
        peers[0].since = Time::ZERO;
        (1..5).for_each(|i| peers[i].since = Time::from_secs(5));
        let chosen = choker.round(Time::from_secs(10), false, 1, &peers);
        assert_eq!(chosen, [ConnId::new(4, 0), ConnId::new(3, 0), ConnId::new(0, 0)]);
    }

    #[test]
    fn a_snubbing_peer_keeps_no_regular_slot() {
        let mut choker = choker(1, SeedPolicy::RoundRobin);
        let fast = Candidate { gives: 1e6, snubbed: true, ..peer(0) };
        let chosen = choker.round(Time::ZERO, false, 1, &[fast, Candidate { gives: 1.0, ..peer(1) }]);
        assert_eq!(chosen[0], ConnId::new(1, 0));
    }

    #[test]
    fn a_crowd_at_one_host_leaves_slots_to_others() {
        for policy in [SeedPolicy::RoundRobin, SeedPolicy::FastestUpload, SeedPolicy::AntiLeech] {
            let mut choker = choker(3, policy);
            let crowd = Host::of("10.9.9.9:1".parse().unwrap());
            // They take fast, they have had nothing, they have just begun: whatever counts, they come first.
            let pest = |n| Candidate { host: crowd, takes: 1e6, has: 0, ..peer(n) };
            let honest = |n| Candidate { level: 1_000_000, takes: 10.0, has: 500, ..peer(n) };
            let mut peers: Vec<Candidate> = (0..50).map(pest).collect();
            peers.extend([honest(60), honest(61)]);
            let chosen = choker.round(Time::ZERO, true, 100, &peers);
            let chosen = slot_numbers(&chosen[..3]);
            assert!(chosen.contains(&60) && chosen.contains(&61), "{policy:?}: {chosen:?}");
        }
    }

    #[test]
    fn the_generous_serve_in_turn_whatever_they_get() {
        let config =
            Config { upload_slots: 2, reciprocity: Reciprocity::Generous, ..Config::new(PeerId([0; 20])) };
        let mut choker = Choker::new(&config);
        let giver = Candidate { gives: 1e6, level: 9_000, ..peer(0) };
        let peers = [giver, peer(1), peer(2)];
        assert_eq!(slot_numbers(&choker.round(Time::ZERO, false, 1, &peers)), [1, 2]);
        let mut choker = Choker::new(&Config { reciprocity: Reciprocity::Reciprocal, ..config });
        assert!(slot_numbers(&choker.round(Time::ZERO, false, 1, &peers)).contains(&0));
        let modes = [UploadMode::Never, UploadMode::WhileDownloading, UploadMode::Seed];
        assert_eq!(
            modes.map(|mode| (mode.serves(false), mode.serves(true))),
            [(false, false), (true, false), (true, true)]
        );
    }

    /// libtorrent row 15: one slot, 20 peers that want everything and give nothing, some of which take more
    /// in a round.
    #[test]
    fn row_15_twenty_idle_peers_share_a_slot_to_within_two_percent() {
        let mut choker = choker(1, SeedPolicy::RoundRobin);
        let mut peers: Vec<Candidate> = (0..20).map(peer).collect();
        let mut rounds = [0u32; 20];
        for round in 0..20_000u64 {
            let now = Time::from_secs(round * 10);
            let chosen = choker.round(now, true, 100, &peers);
            assert_eq!(chosen.len(), 1);
            rounds[chosen[0].slot()] += 1;
            for p in &mut peers {
                let unchoked = chosen.contains(&p.conn);
                if unchoked != p.unchoked {
                    (p.unchoked, p.since, p.served) = (unchoked, now, 0);
                }
                p.takes = if unchoked { 10.0 } else { 0.0 };
                if unchoked {
                    let took = 10 + p.conn.slot() as u64 % 3 * 10;
                    (p.served, p.level) = (p.served + took, p.level + took);
                }
            }
        }
        let (least, most) =
            (peers.iter().map(|p| p.level).min().unwrap(), peers.iter().map(|p| p.level).max().unwrap());
        assert!((most - least) * 50 <= most, "{least} to {most}");
        assert!(rounds.iter().all(|had| *had > 500), "{rounds:?}");
    }

    #[test]
    fn row_15_who_takes_nothing_keeps_no_slot() {
        let mut choker = choker(1, SeedPolicy::RoundRobin);
        let squatter = Candidate { unchoked: true, ..peer(0) };
        let turn =
            |now, squatter| choker.round(now, true, 100, &[squatter, Candidate { level: 5_000, ..peer(1) }]);
        let mut turn = turn;
        assert_eq!(slot_numbers(&turn(Time::from_secs(59), squatter)), [0]);
        assert_eq!(slot_numbers(&turn(Time::from_secs(60), squatter)), [1]);
        let slow = Candidate { takes: 100.0, served: 99, level: 99, ..squatter };
        assert_eq!(slot_numbers(&turn(Time::from_secs(600), slow)), [0], "a slow line has its whole turn");
    }

    #[test]
    fn row_15_the_fastest_come_first_and_one_slot_is_tried() {
        let mut choker = choker(2, SeedPolicy::FastestUpload);
        let peers: Vec<Candidate> =
            (0..5).map(|n| Candidate { takes: f64::from(n), unchoked: n > 0, ..peer(n) }).collect();
        assert_eq!(slot_numbers(&choker.round(Time::ZERO, true, 1, &peers)), [4, 3, 0]);
        assert!(choker.is_optimistic(ConnId::new(0, 0)) && !choker.is_optimistic(ConnId::new(4, 0)));
    }

    #[test]
    fn row_15_anti_leech_serves_beginners_and_those_nearly_done() {
        let mut choker = choker(3, SeedPolicy::AntiLeech);
        let has = [500, 990, 0, 400, 30, 600];
        let peers: Vec<Candidate> = (0..6).map(|n| Candidate { has: has[n as usize], ..peer(n) }).collect();
        let chosen = slot_numbers(&choker.round(Time::ZERO, true, 1, &peers));
        assert_eq!(chosen[..3], [2, 1, 4]);
        assert_eq!(chosen.len(), 4, "one more is tried");
    }

    #[test]
    fn row_15_slots_follow_the_rates() {
        let mut choker =
            Choker::new(&Config { slot_policy: SlotPolicy::RateBased, ..Config::new(PeerId([0; 20])) });
        let take = |rates: &[f64]| -> Vec<Candidate> {
            let all = rates.iter().zip(0..);
            all.map(|(takes, n)| Candidate { takes: *takes, unchoked: *takes > 0.0, ..peer(n) }).collect()
        };
        let mut count = |rates: &[f64]| {
            choker.round(Time::ZERO, true, 1 << 20, &take(rates));
            choker.slots(true)
        };
        assert_eq!(count(&[0.0; 20]), 1, "one is tried where nobody is served");
        assert_eq!(count(&[5e3, 0.0, 0.0]), 2);
        assert_eq!(count(&[900.0, 900.0, 900.0]), 1, "a line that is spread thin");
        assert_eq!(count(&[1_024.0, 9e3, 3_072.0, 6e3, 0.0]), 3);
        assert_eq!(count(&[1e6; 30]), 31);
    }

    #[test]
    fn a_newcomer_that_gives_most_is_in_the_next_round() {
        let mut choker = choker(4, SeedPolicy::RoundRobin);
        let mut peers: Vec<Candidate> =
            (0..20).map(|i| Candidate { gives: 1_000.0 + f64::from(i), ..peer(i) }).collect();
        choker.round(Time::ZERO, false, 1, &peers);
        peers.push(Candidate { gives: 9_000.0, since: Time::from_secs(1), ..peer(20) });
        let chosen = choker.round(Time::from_secs(10), false, 1, &peers);
        assert!(chosen[..4].contains(&ConnId::new(20, 0)));
    }
}
