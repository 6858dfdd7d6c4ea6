//! The torrents that take part, and when each is looked for.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::{InfoHash, Rng, Time};

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    due: Time,
    /// Lookups under way.
    running: u32,
    /// Whether one of them found a peer.
    found: bool,
    /// Rounds in a row that found nobody.
    misses: u32,
    /// Whether it is to be looked for anew as soon as the lookups under way are over.
    again: bool,
}

/// The torrents by name, and by when they are due.
#[derive(Clone, Debug, Default)]
pub(crate) struct Torrents {
    rows: BTreeMap<InfoHash, Row>,
    queue: BTreeSet<(Time, InfoHash)>,
}

impl Torrents {
    pub(crate) fn add(&mut self, now: Time, name: InfoHash) {
        if let Entry::Vacant(entry) = self.rows.entry(name) {
            entry.insert(Row { due: now, ..Row::default() });
            self.queue.insert((now, name));
        }
    }

    pub(crate) fn remove(&mut self, name: InfoHash) {
        if let Some(row) = self.rows.remove(&name) {
            self.queue.remove(&(row.due, name));
        }
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Time {
        self.queue.first().map_or(Time::NEVER, |(due, _)| *due)
    }

    /// One that is due; `lookups` are under way for it until as many times [`ended`](Torrents::ended).
    pub(crate) fn begin(&mut self, now: Time, lookups: u32) -> Option<InfoHash> {
        let (due, name) = self.queue.first().copied().filter(|(due, _)| due.is_due(now))?;
        self.queue.remove(&(due, name));
        let row = self.rows.get_mut(&name)?;
        (row.running, row.found) = (lookups, false);
        Some(name)
    }

    /// A lookup is over. After the last of them the torrent waits: for `interval` if they found somebody, else for
    /// `retry`, and twice as long each time, up to `interval`; always a tenth more or less.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        name: InfoHash,
        found: bool,
        rng: &mut Rng,
        [retry, interval]: [Duration; 2],
    ) {
        let Some(row) = self.rows.get_mut(&name).filter(|row| row.running > 0) else { return };
        row.running -= 1;
        row.found |= found;
        if row.running > 0 {
            return;
        }
        row.misses = if row.found { 0 } else { row.misses.saturating_add(1) };
        let wait = match row.misses {
            0 => interval,
            misses => retry.saturating_mul(1 << (misses - 1).min(16)).min(interval),
        };
        let wait = if row.again { Duration::ZERO } else { wait.mul_f64(0.9 + 0.2 * rng.fraction()) };
        (row.due, row.again) = (now + wait, false);
        self.queue.insert((row.due, name));
    }

    /// All are due now, and those that are being looked for once more after that: what was announced is no longer true.
    pub(crate) fn renew(&mut self, now: Time) {
        for (name, row) in &mut self.rows {
            row.again = row.running > 0;
            if self.queue.remove(&(row.due, *name)) {
                row.due = row.due.min(now);
                self.queue.insert((row.due, *name));
            }
        }
    }

    /// All that wait because nobody was found are due now.
    pub(crate) fn hurry(&mut self, now: Time) {
        let waiting = self.rows.iter_mut().filter(|(_, row)| row.misses > 0 && row.running == 0);
        for (name, row) in waiting {
            self.queue.remove(&(row.due, *name));
            (row.due, row.misses) = (row.due.min(now), 0);
            self.queue.insert((row.due, *name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(900)];

    #[test]
    fn who_finds_nobody_looks_again_soon_and_then_later_and_later() {
        let (mut torrents, mut rng, name) = (Torrents::default(), Rng::from_number(1), InfoHash([1; 20]));
        let mut now = Time::ZERO;
        torrents.add(now, name);
        torrents.add(now, name);
        for expected in [60, 120, 240, 480, 900, 900, 900] {
            assert_eq!(torrents.begin(now, 2), Some(name));
            assert_eq!((torrents.begin(now, 2), torrents.next()), (None, Time::NEVER));
            torrents.ended(now, name, false, &mut rng, WAITS);
            assert_eq!(torrents.next(), Time::NEVER);
            torrents.ended(now, name, false, &mut rng, WAITS);
            let wait = torrents.next().since(now).as_secs_f64() / f64::from(expected);
            assert!((0.9..=1.1).contains(&wait), "{wait} of {expected}");
            now = torrents.next();
        }
        torrents.begin(now, 2);
        torrents.ended(now, name, true, &mut rng, WAITS);
        torrents.ended(now, name, false, &mut rng, WAITS);
        assert!(torrents.next().since(now) >= Duration::from_secs(810));
    }

    #[test]
    fn a_torrent_that_goes_while_it_is_looked_for_stays_away() {
        let (mut torrents, mut rng, name) = (Torrents::default(), Rng::from_number(1), InfoHash([1; 20]));
        torrents.add(Time::ZERO, name);
        torrents.begin(Time::ZERO, 1);
        torrents.remove(name);
        torrents.ended(Time::ZERO, name, false, &mut rng, WAITS);
        torrents.hurry(Time::ZERO);
        assert_eq!(torrents.next(), Time::NEVER);
    }

    #[test]
    fn new_nodes_end_the_waiting_of_those_who_found_nobody() {
        let (mut torrents, mut rng) = (Torrents::default(), Rng::from_number(1));
        let [found, missed] = [1, 2].map(|n| InfoHash([n; 20]));
        for (name, peers) in [(found, true), (missed, false)] {
            torrents.add(Time::ZERO, name);
            torrents.begin(Time::ZERO, 1);
            torrents.ended(Time::ZERO, name, peers, &mut rng, WAITS);
        }
        torrents.hurry(Time::from_secs(1));
        assert_eq!(torrents.begin(Time::from_secs(1), 1), Some(missed));
        assert_eq!(torrents.begin(Time::from_secs(1), 1), None);
    }
}
