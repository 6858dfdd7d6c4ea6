//! The rates of one direction: that of the shard, and those of torrents that have limits of their own.

use std::collections::BTreeMap;

use engine::{ConnId, TorrentId};
use types::Time;

use crate::valve::Valve;

/// What is left of a connection's turns, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    shard: usize,
    torrent: usize,
}

/// The valves of one direction. What passes has passed both its torrent's and the shard's.
#[derive(Debug)]
pub(crate) struct Gates {
    shard: Valve,
    /// Only of torrents with a limit, or with somebody in line since they had one.
    torrents: BTreeMap<TorrentId, Valve>,
}

/// Whose valve a connection waits at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    Shard,
    Torrent,
}

impl Turns {
    /// It has its turn at this valve.
    pub(crate) fn begin(&mut self, whose: Whose) {
        match whose {
            Whose::Shard => self.shard = Valve::turn(),
            Whose::Torrent => self.torrent = Valve::turn(),
        }
    }
}

impl Gates {
    pub(crate) fn new(now: Time) -> Gates {
        Gates { shard: Valve::new(now), torrents: BTreeMap::new() }
    }

    /// What all may move, in bytes a second.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>, now: Time) {
        self.shard.set_limit(limit, now);
    }

    /// What one torrent may move, in bytes a second. Whoever waits at a limit that is no more is let go by
    /// [`Gates::next`].
    pub(crate) fn set_torrent(&mut self, id: TorrentId, limit: Option<u64>, now: Time) {
        if limit.is_none() && self.torrents.get(&id).is_none_or(Valve::is_idle) {
            self.torrents.remove(&id);
            return;
        }
        self.torrents.entry(id).or_insert_with(|| Valve::new(now)).set_limit(limit, now);
    }

    /// A torrent is gone.
    pub(crate) fn forget(&mut self, id: TorrentId) {
        self.torrents.remove(&id);
    }

    /// As [`Valve::allow`]: at 0 the connection stands in one line.
    pub(crate) fn allow(
        &mut self,
        now: Time,
        conn: ConnId,
        torrent: Option<TorrentId>,
        turns: &mut Turns,
    ) -> usize {
        let own = torrent.filter(|_| !self.torrents.is_empty()).and_then(|id| self.torrents.get_mut(&id));
        let own = own.map_or(usize::MAX, |valve| valve.allow(now, conn, &mut turns.torrent));
        if own == 0 { 0 } else { own.min(self.shard.allow(now, conn, &mut turns.shard)) }
    }

    /// Bytes have passed.
    pub(crate) fn passed(&mut self, now: Time, torrent: Option<TorrentId>, bytes: usize, turns: &mut Turns) {
        if let Some(valve) = torrent.and_then(|id| self.torrents.get_mut(&id)) {
            valve.passed(now, bytes, &mut turns.torrent);
        }
        self.shard.passed(now, bytes, &mut turns.shard);
    }

    /// The next connections that may move again, and at whose valve each has its turn then.
    pub(crate) fn next(&mut self, now: Time) -> Vec<(ConnId, Whose)> {
        let shard = self.shard.next(now).into_iter().map(|conn| (conn, Whose::Shard));
        let mut all: Vec<_> = shard.collect();
        for valve in self.torrents.values_mut() {
            all.extend(valve.next(now).into_iter().map(|conn| (conn, Whose::Torrent)));
        }
        all
    }

    /// When [`Gates::next`] has something to say.
    pub(crate) fn deadline(&mut self, now: Time) -> Time {
        let own = self.torrents.values_mut().map(|valve| valve.deadline(now)).min();
        self.shard.deadline(now).min(own.unwrap_or(Time::NEVER))
    }

    /// As [`Gates::usage`], of each torrent with a limit of its own.
    pub(crate) fn torrents(&mut self, now: Time) -> impl Iterator<Item = (TorrentId, (u64, bool))> {
        self.torrents.iter_mut().map(move |(id, valve)| (*id, valve.usage(now)))
    }

    /// Bytes a second of all, and whether the shard's limit held anybody back since the last call.
    pub(crate) fn usage(&mut self, now: Time) -> (u64, bool) {
        self.shard.usage(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two torrents with two greedy connections each, a step of time at a time; what each torrent moved.
    struct Line {
        gates: Gates,
        turns: [Turns; 4],
        may: [bool; 4],
        now: u64,
    }

    impl Line {
        fn new() -> Line {
            Line { gates: Gates::new(Time::ZERO), turns: [Turns::default(); 4], may: [true; 4], now: 0 }
        }

        fn run(&mut self, seconds: u64, step: u64, chunk: usize) -> [u64; 2] {
            let mut moved = [0; 2];
            let end = self.now + seconds * 1_000_000;
            while self.now < end {
                self.now += step;
                let now = Time::from_micros(self.now);
                for (conn, whose) in self.gates.next(now) {
                    self.turns[conn.slot()].begin(whose);
                    self.may[conn.slot()] = true;
                }
                for i in 0..4 {
                    let (conn, id) = (ConnId::new(i as u32, 0), TorrentId(i as u32 / 2));
                    for _ in 0..64 {
                        let turns = &mut self.turns[i];
                        let n = if self.may[i] { self.gates.allow(now, conn, Some(id), turns) } else { 0 };
                        self.may[i] = n > 0;
                        if n == 0 {
                            break;
                        }
                        let n = n.min(chunk);
                        self.gates.passed(now, Some(id), n, turns);
                        moved[i / 2] += n as u64;
                    }
                }
            }
            moved
        }
    }

    fn near(moved: u64, expected: u64) -> bool {
        moved.abs_diff(expected) * 20 <= expected
    }

    #[test]
    fn row_22_a_torrents_limit_holds_within_5_percent_and_leaves_the_others_alone() {
        for (limit, seconds) in [(1_000, 60), (64_000, 10), (1_000_000, 10), (125_000_000, 10)] {
            let mut line = Line::new();
            line.gates.set_torrent(TorrentId(0), Some(limit), Time::ZERO);
            let [limited, other] = line.run(seconds, 500, 65_536);
            assert!(near(limited, limit * seconds), "{limit}: {limited}");
            assert!(other > 100 * limit * seconds, "{limit}: the other has no limit: {other}");
            // Both limits hold; who waits at one of them may lose a turn at the other, which nobody else loses.
            line.gates.set_limit(Some(limit * 3), Time::from_micros(line.now));
            line.run(2, 500, 65_536);
            let [limited, other] = line.run(seconds, 500, 65_536);
            assert!(limited * 20 <= limit * seconds * 21, "{limit}: {limited}");
            assert!(near(limited + other, 3 * limit * seconds), "{limit}: {limited} and {other}");
        }
    }

    #[test]
    fn limits_change_while_connections_wait() {
        let (mut line, id) = (Line::new(), TorrentId(0));
        line.gates.set_limit(Some(10_000_000), Time::ZERO);
        line.gates.set_torrent(id, Some(0), Time::ZERO);
        assert_eq!(line.run(2, 1_000, 16_384)[0], 0);
        line.gates.set_torrent(id, Some(100_000), Time::from_secs(2));
        let moved = line.run(10, 1_000, 16_384)[0];
        assert!(near(moved, 1_000_000), "{moved}");
        line.gates.set_torrent(id, Some(1_000_000), Time::from_secs(12));
        let moved = line.run(10, 1_000, 16_384)[0];
        assert!(near(moved, 10_000_000), "{moved}");
        // No limit of its own: what the shard has is shared.
        line.gates.set_torrent(id, None, Time::from_secs(22));
        let [a, b] = line.run(10, 1_000, 16_384);
        assert!(near(a, 50_000_000) && near(b, 50_000_000), "{a} {b}");
        line.gates.set_torrent(id, None, Time::from_secs(32));
        assert!(line.gates.torrents.is_empty(), "nobody waits there, so it costs nothing");
    }
}
