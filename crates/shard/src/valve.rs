//! One direction's rate: what may pass now, who waits, and whose turn is next.

use std::collections::VecDeque;

use engine::{Bucket, ConnId, Speed};
use types::Time;

/// What a connection may move before the next one that waits has its turn, in bytes.
const TURN: usize = 16 * 1024;

/// A leased rate, shared among connections in turns.
#[derive(Debug)]
pub(crate) struct Valve {
    bucket: Bucket,
    speed: Speed,
    line: VecDeque<ConnId>,
    held_back: bool,
}

impl Valve {
    pub(crate) fn new(now: Time) -> Valve {
        Valve {
            bucket: Bucket::new(None, now),
            speed: Speed::new(now),
            line: VecDeque::new(),
            held_back: false,
        }
    }

    pub(crate) fn set_limit(&mut self, limit: Option<u64>, now: Time) {
        self.bucket.set_limit(limit, now);
    }

    /// How many bytes the connection may move now. At 0 it stands in line until [`Valve::next`] names it.
    /// `turn` is what is left of its turn, kept with the connection.
    pub(crate) fn allow(&mut self, now: Time, conn: ConnId, turn: &mut usize) -> usize {
        let available = self.bucket.available(now);
        if available == usize::MAX {
            return available;
        }
        let named = *turn > 0;
        if *turn == 0 && self.line.is_empty() {
            *turn = TURN;
        }
        // Who takes each drop as it falls is never held back, and keeps the loop busy with writes of a few bytes: less
        // than comes in a millisecond is left to gather.
        let drop = (self.bucket.limit().unwrap_or(0) / 1_000) as usize;
        if available == 0 || *turn == 0 || self.bucket.ready_at(now, drop.min(*turn)) > now {
            // Who was named and found nothing left, since others took it first, is next: its turn is still to come.
            match std::mem::take(turn) {
                TURN if named => self.line.push_front(conn),
                _ => self.line.push_back(conn),
            }
            self.held_back = true;
            return 0;
        }
        available.min(*turn)
    }

    /// Bytes have passed.
    pub(crate) fn passed(&mut self, now: Time, bytes: usize, turn: &mut usize) {
        *turn = turn.saturating_sub(bytes);
        self.bucket.take(bytes);
        self.speed.add(now, bytes as u64);
    }

    /// The next connections in line that may move again, as many turns as there are bytes for. Each is to be
    /// given a turn with [`Valve::turn`].
    pub(crate) fn next(&mut self, now: Time) -> Vec<ConnId> {
        if self.line.is_empty() || self.bucket.ready_at(now, TURN) > now {
            return Vec::new();
        }
        let turns = (self.bucket.available(now) / TURN).max(1);
        self.line.drain(..turns.min(self.line.len())).collect()
    }

    /// Whether nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.line.is_empty()
    }

    /// A whole turn.
    pub(crate) const fn turn() -> usize {
        TURN
    }

    /// When [`Valve::next`] has something to say.
    pub(crate) fn deadline(&mut self, now: Time) -> Time {
        if self.line.is_empty() { Time::NEVER } else { self.bucket.ready_at(now, TURN) }
    }

    /// Bytes a second, and whether the limit held anybody back since the last call.
    pub(crate) fn usage(&mut self, now: Time) -> (u64, bool) {
        let waits = !self.line.is_empty();
        (self.speed.rate(now) as u64, std::mem::replace(&mut self.held_back, waits) || waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_and_finds_nothing_left_is_next() {
        let (mut valve, now) = (Valve::new(Time::ZERO), Time::from_secs(1));
        valve.set_limit(Some(100_000), Time::ZERO);
        let [a, b] = [0, 1].map(|slot| ConnId::new(slot, 0));
        let mut turns = [0, 0];
        valve.bucket.take(30_000);
        assert_eq!(
            (valve.allow(Time::ZERO, a, &mut turns[0]), valve.allow(Time::ZERO, b, &mut turns[1])),
            (0, 0)
        );
        // Both are named in one pass, with bytes for one; who comes first takes them all.
        assert_eq!(valve.next(now), [a]);
        assert_eq!(valve.next(now), [b]);
        turns = [Valve::turn(); 2];
        while valve.allow(now, a, &mut turns[0]) > 0 || turns[0] > 0 {
            let n = valve.bucket.available(now);
            valve.passed(now, n, &mut turns[0]);
        }
        assert_eq!(valve.allow(now, b, &mut turns[1]), 0);
        let later = Time::from_secs(2);
        assert_eq!(valve.next(later)[0], b);
    }

    #[test]
    fn a_limit_is_kept_and_shared_in_turns() {
        let mut valve = Valve::new(Time::ZERO);
        valve.set_limit(Some(100_000), Time::ZERO);
        let conns: Vec<_> = (0..5).map(|slot| ConnId::new(slot, 0)).collect();
        let (mut turns, mut moved) = ([0usize; 5], [0usize; 5]);
        let mut may: Vec<bool> = vec![true; 5];
        for ms in 0..20_000 {
            let now = Time::from_millis(ms);
            for conn in valve.next(now) {
                (may[conn.slot()], turns[conn.slot()]) = (true, Valve::turn());
            }
            for i in 0..5 {
                while may[i] {
                    let n = valve.allow(now, conns[i], &mut turns[i]).min(5_000);
                    may[i] = n > 0;
                    valve.passed(now, n, &mut turns[i]);
                    moved[i] += n;
                }
            }
        }
        let all: usize = moved.iter().sum();
        assert!((1_900_000..2_050_000).contains(&all), "{moved:?}");
        assert!(moved.iter().all(|&n| n.abs_diff(all / 5) < 40_000), "{moved:?}");
        assert!(valve.usage(Time::from_secs(20)).1);
    }

    /// At 5 MB/s fifty bytes come in the ten microseconds that a write takes.
    #[test]
    fn what_drips_in_meanwhile_is_not_taken_drop_by_drop() {
        let mut valve = Valve::new(Time::ZERO);
        valve.set_limit(Some(5_000_000), Time::ZERO);
        let (conn, mut turn, mut waits) = (ConnId::new(0, 0), 0, false);
        let (mut writes, mut moved) = (0, 0);
        for us in (0..1_000_000).step_by(10) {
            let now = Time::from_micros(us);
            if valve.next(now).contains(&conn) {
                (turn, waits) = (Valve::turn(), false);
            }
            if waits {
                continue;
            }
            let n = valve.allow(now, conn, &mut turn);
            waits = n == 0;
            writes += u32::from(n > 0);
            moved += n;
            valve.passed(now, n, &mut turn);
        }
        assert!((4_900_000..5_100_000).contains(&moved), "{moved}");
        assert!(writes <= 320, "{writes} writes");
        assert!(valve.usage(Time::from_secs(1)).1, "it was held back");
    }

    #[test]
    fn a_few_bytes_wait_for_a_few_bytes() {
        let (mut valve, conn) = (Valve::new(Time::ZERO), ConnId::new(0, 0));
        valve.set_limit(Some(60_000), Time::ZERO);
        assert!(valve.allow(Time::from_millis(2), conn, &mut 0) >= 68, "a handshake");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let mut valve = Valve::new(Time::ZERO);
        assert_eq!(valve.allow(Time::ZERO, ConnId::new(0, 0), &mut 0), usize::MAX);
        assert_eq!(valve.deadline(Time::ZERO), Time::NEVER);
        assert_eq!(valve.usage(Time::ZERO), (0, false));
    }
}
