//! What is to be done for torrents at a given time: one list for all of them, so that a torrent that waits
//! costs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use std::time::Duration;

use engine::TorrentId;
use types::Time;

use crate::runtime::Clock;

/// Something to be done for a torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Chore {
    /// Save its state.
    Save,
    /// See whether it has reached its seed goal.
    Goal,
}

#[derive(Debug, Default)]
struct List {
    due: BTreeSet<(Time, TorrentId, Chore)>,
    times: BTreeMap<(TorrentId, Chore), Time>,
}

/// Chores by time.
#[derive(Debug)]
pub(crate) struct Agenda {
    clock: Clock,
    list: Mutex<List>,
}

impl Agenda {
    /// Nothing to be done.
    pub(crate) fn new(clock: Clock) -> Agenda {
        Agenda { clock, list: Mutex::default() }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing panics between its two halves.
        self.list.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Does a chore at this time, and not when it was meant to be done before. [`Time::NEVER`] takes it off.
    pub(crate) fn set(&self, id: TorrentId, chore: Chore, at: Time) {
        self.list().set(id, chore, at);
    }

    /// Does a chore at this time at the latest.
    fn by(&self, id: TorrentId, chore: Chore, at: Time) {
        let mut list = self.list();
        let at = list.times.get(&(id, chore)).map_or(at, |before| at.min(*before));
        list.set(id, chore, at);
    }

    /// Does a chore within this time.
    pub(crate) fn within(&self, id: TorrentId, chore: Chore, time: Duration) {
        self.by(id, chore, self.clock.now() + time);
    }

    /// Takes everything of a torrent off.
    pub(crate) fn forget(&self, id: TorrentId) {
        let mut list = self.list();
        [Chore::Save, Chore::Goal].into_iter().for_each(|chore| list.set(id, chore, Time::NEVER));
    }

    /// Takes what is due.
    pub(crate) fn take_due(&self, now: Time) -> Vec<(TorrentId, Chore)> {
        let mut list = self.list();
        let mut out = Vec::new();
        while let Some(&(at, id, chore)) = list.due.first()
            && at.is_due(now)
        {
            list.set(id, chore, Time::NEVER);
            out.push((id, chore));
        }
        out
    }
}

impl List {
    fn set(&mut self, id: TorrentId, chore: Chore, at: Time) {
        if let Some(before) = self.times.remove(&(id, chore)) {
            self.due.remove(&(before, id, chore));
        }
        if at != Time::NEVER {
            self.times.insert((id, chore), at);
            self.due.insert((at, id, chore));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chores_come_in_time_once() {
        let (agenda, a, b) = (Agenda::new(Clock::new()), TorrentId(1), TorrentId(2));
        agenda.by(a, Chore::Save, Time::from_secs(5));
        agenda.by(a, Chore::Save, Time::from_secs(9));
        agenda.set(b, Chore::Goal, Time::from_secs(3));
        agenda.set(b, Chore::Goal, Time::from_secs(7));
        agenda.set(b, Chore::Save, Time::from_secs(1));
        agenda.forget(b);
        agenda.set(b, Chore::Goal, Time::from_secs(7));
        assert_eq!(agenda.take_due(Time::from_secs(4)), []);
        assert_eq!(agenda.take_due(Time::from_secs(6)), [(a, Chore::Save)]);
        assert_eq!(agenda.take_due(Time::from_secs(60)), [(b, Chore::Goal)]);
        assert_eq!(agenda.take_due(Time::NEVER), []);
    }
}
