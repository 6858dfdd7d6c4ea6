//! Who is served: tit-for-tat slots while downloading, a seed policy afterwards.
//!
//! Once a round the interested peers are ranked and the best get the regular slots; one more slot in five is optimistic
//! and goes, every third round, to whoever has waited longest, so that newcomers can show what they give (BEP 3). A seed
//! that serves everyone in turn has no optimistic slots: all of them go to whoever has had least.

use std::time::Duration;

use types::Time;

use crate::ConnId;

/// Which interested peers a seed serves first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SeedPolicy {
    /// Everyone in turn: a peer keeps its slot for a minute and 20 pieces' worth of blocks, then comes whoever has
    /// had least.
    #[default]
    RoundRobin,
    /// Those that take data fastest.
    FastestUpload,
}

/// What the choker knows of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) conn: ConnId,
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
}

/// The choker of one torrent.
#[derive(Debug)]
pub(crate) struct Choker {
    slots: usize,
    policy: SeedPolicy,
    optimistic: Vec<ConnId>,
    rounds: u32,
}

const FULL_TURN: Duration = Duration::from_secs(60);
const OPTIMISTIC_ROUNDS: u32 = 3;

impl Choker {
    pub(crate) fn new(slots: u32, policy: SeedPolicy) -> Choker {
        Choker { slots: slots as usize, policy, optimistic: Vec::new(), rounds: 0 }
    }

    /// How many peers are served at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots + self.optimistic_slots()
    }

    fn optimistic_slots(&self) -> usize {
        (self.slots / 5).max(1)
    }

    /// The peers to be served for the next round. `turn` is a full turn's bytes: 20 pieces.
    pub(crate) fn round(&mut self, now: Time, seeding: bool, turn: u64, peers: &[Candidate]) -> Vec<ConnId> {
        let mut ranked: Vec<&Candidate> = peers.iter().filter(|p| p.interested).collect();
        match (seeding, self.policy) {
            (false, _) => {
                ranked.sort_by(|a, b| {
                    (a.snubbed, b.gives, a.since)
                        .partial_cmp(&(b.snubbed, a.gives, b.since))
                        .unwrap_or(std::cmp::Ordering::Equal)
                });
            }
            (true, SeedPolicy::FastestUpload) => {
                ranked.sort_by(|a, b| {
                    (b.takes, a.since).partial_cmp(&(a.takes, b.since)).unwrap_or(std::cmp::Ordering::Equal)
                });
            }
            // A slot is kept for its turn; then whoever has had least comes next.
            (true, SeedPolicy::RoundRobin) => {
                let done = |p: &Candidate| p.unchoked && p.served >= turn && now.since(p.since) >= FULL_TURN;
                ranked.sort_by_key(|p| {
                    let goes_on = p.unchoked && !done(p);
                    (!goes_on, if goes_on { 0 } else { p.level }, p.since)
                });
                self.optimistic.clear();
                return ranked.iter().take(self.slots()).map(|p| p.conn).collect();
            }
        }
        let mut chosen: Vec<ConnId> = ranked.iter().take(self.slots).map(|p| p.conn).collect();
        self.choose_optimistic(&ranked, &chosen);
        chosen.extend(&self.optimistic);
        self.rounds = self.rounds.wrapping_add(1);
        chosen
    }

    fn choose_optimistic(&mut self, ranked: &[&Candidate], regular: &[ConnId]) {
        let rotate = self.rounds.is_multiple_of(OPTIMISTIC_ROUNDS);
        let left: Vec<&&Candidate> = ranked.iter().filter(|p| !regular.contains(&p.conn)).collect();
        self.optimistic.retain(|conn| !rotate && left.iter().any(|p| p.conn == *conn));
        let mut waiting: Vec<&&&Candidate> =
            left.iter().filter(|p| !self.optimistic.contains(&p.conn)).collect();
        // The choked ones have waited since they were choked; one that just had the slot goes to the end of the line.
        waiting.sort_by_key(|p| (p.unchoked, p.since));
        let room = self.optimistic_slots().saturating_sub(self.optimistic.len());
        self.optimistic.extend(waiting.into_iter().take(room).map(|p| p.conn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(slot: u32) -> Candidate {
        Candidate {
            conn: ConnId::new(slot, 0),
            interested: true,
            snubbed: false,
            unchoked: false,
            since: Time::ZERO,
            served: 0,
            level: 0,
            gives: 0.0,
            takes: 0.0,
        }
    }

    #[test]
    fn those_who_give_most_are_served_and_a_newcomer_is_tried() {
        let mut choker = Choker::new(2, SeedPolicy::RoundRobin);
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
        let mut choker = Choker::new(1, SeedPolicy::RoundRobin);
        let fast = Candidate { gives: 1e6, snubbed: true, ..peer(0) };
        let chosen = choker.round(Time::ZERO, false, 1, &[fast, Candidate { gives: 1.0, ..peer(1) }]);
        assert_eq!(chosen[0], ConnId::new(1, 0));
    }

    #[test]
    fn twenty_idle_peers_share_a_slot_to_within_two_percent() {
        let mut choker = Choker::new(1, SeedPolicy::RoundRobin);
        let mut peers: Vec<Candidate> = (0..20).map(peer).collect();
        for round in 0..20_000u64 {
            let now = Time::from_secs(round * 10);
            let chosen = choker.round(now, true, 100, &peers);
            assert_eq!(chosen.len(), 2);
            for p in &mut peers {
                let unchoked = chosen.contains(&p.conn);
                if unchoked != p.unchoked {
                    (p.unchoked, p.since, p.served) = (unchoked, now, 0);
                }
                if unchoked {
                    // Some take more in a round than others.
                    let took = 10 + p.conn.slot() as u64 % 3 * 10;
                    (p.served, p.level) = (p.served + took, p.level + took);
                }
            }
        }
        let (least, most) =
            (peers.iter().map(|p| p.level).min().unwrap(), peers.iter().map(|p| p.level).max().unwrap());
        assert!((most - least) * 50 <= most, "{least} to {most}");
    }

    #[test]
    fn a_newcomer_that_gives_most_is_in_the_next_round() {
        let mut choker = Choker::new(4, SeedPolicy::RoundRobin);
        let mut peers: Vec<Candidate> =
            (0..20).map(|i| Candidate { gives: 1_000.0 + f64::from(i), ..peer(i) }).collect();
        choker.round(Time::ZERO, false, 1, &peers);
        peers.push(Candidate { gives: 9_000.0, since: Time::from_secs(1), ..peer(20) });
        let chosen = choker.round(Time::from_secs(10), false, 1, &peers);
        assert!(chosen[..4].contains(&ConnId::new(20, 0)));
    }
}
