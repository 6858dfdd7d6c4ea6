//! The order in which a group of tiers is tried (BEP 12), and one tracker at a time for private torrents (BEP 27).

use std::time::Duration;

use types::Time;

use super::{Tracker, TrackerIndex};

/// Where one lane stands in a walk.
#[derive(Clone, Debug)]
pub(super) struct LaneState {
    /// When to announce next.
    pub(super) next: Time,
    /// An announce is under way.
    pub(super) busy: bool,
    /// The tracker that answered last.
    pub(super) last: Option<TrackerIndex>,
    /// No announce without an event before this.
    not_before: Time,
}

/// A list of tiers of which one tracker is used at a time and lane.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Tier and tracker, in the order in which they are tried.
    pub(super) order: Vec<(usize, TrackerIndex)>,
    pub(super) lanes: Vec<LaneState>,
    /// All lanes keep to one tracker until it has failed for every one of them.
    private: bool,
    pinned: Option<TrackerIndex>,
}

impl Walk {
    pub(super) fn new(now: Time, order: Vec<(usize, TrackerIndex)>, lanes: usize, private: bool) -> Walk {
        let lane = LaneState { next: now, busy: false, last: None, not_before: now };
        Walk { order, lanes: vec![lane; lanes], private, pinned: None }
    }

    /// Begins anew, with the order that was learned.
    pub(super) fn restart(&mut self, now: Time) {
        for lane in &mut self.lanes {
            *lane = LaneState { next: now, busy: false, last: None, not_before: now };
        }
    }

    /// More peers are wanted.
    pub(super) fn hurry(&mut self, now: Time) {
        for lane in &mut self.lanes {
            lane.next = lane.next.min(lane.not_before.max(now));
        }
    }

    /// The tracker to ask in `lane` now. `None` puts the lane off until one may be asked.
    pub(super) fn choose(&mut self, now: Time, lane: usize, trackers: &[Tracker]) -> Option<TrackerIndex> {
        if let Some(pin) = self.pinned.filter(|_| self.private) {
            // Busy lanes may still find that it works.
            if self.lanes.iter().any(|l| l.busy) || trackers[pin].told.iter().any(|told| told.failures == 0) {
                let ready = trackers[pin].told[lane].retry_at;
                if ready.is_due(now) {
                    return Some(pin);
                }
                self.lanes[lane].next = if self.lanes.iter().any(|l| l.busy) { Time::NEVER } else { ready };
                return None;
            }
        }
        let found = self.order.iter().map(|(_, t)| *t).find(|t| trackers[*t].told[lane].retry_at.is_due(now));
        match found {
            Some(tracker) => {
                self.pinned = Some(tracker);
                Some(tracker)
            }
            None => {
                let ready = self.order.iter().map(|(_, t)| trackers[*t].told[lane].retry_at).min();
                self.lanes[lane].next = ready.unwrap_or(Time::NEVER);
                None
            }
        }
    }

    /// `tracker` answered: it moves to the front of its tier, and is asked again after `next`.
    pub(super) fn succeeded(
        &mut self,
        now: Time,
        lane: usize,
        tracker: TrackerIndex,
        next: Duration,
        least: Duration,
    ) {
        if let Some(at) = self.order.iter().position(|(_, t)| *t == tracker) {
            let tier = self.order[at].0;
            let first = self.order.iter().position(|(n, _)| *n == tier).unwrap_or(at);
            self.order[first..=at].rotate_right(1);
        }
        let state = &mut self.lanes[lane];
        (state.busy, state.last) = (false, Some(tracker));
        state.next = now + next;
        state.not_before = now + least;
        self.wake(now);
    }

    /// A tracker failed: the next one is tried at once. Lanes that waited for this answer look again.
    pub(super) fn failed(&mut self, now: Time, lane: usize) {
        self.lanes[lane].busy = false;
        self.lanes[lane].next = now;
        self.wake(now);
    }

    /// Lanes that wait for what another lane finds out look again.
    fn wake(&mut self, now: Time) {
        self.lanes.iter_mut().filter(|l| l.next == Time::NEVER).for_each(|l| l.next = now);
    }

    /// Takes over from `old` what is still true of a walk over these trackers.
    pub(super) fn inherit(&mut self, now: Time, old: &[Walk]) {
        let has = |t: &TrackerIndex| self.order.iter().any(|(_, mine)| mine == t);
        self.pinned = old.iter().filter_map(|w| w.pinned).find(has);
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            let known = old.iter().map(|w| &w.lanes[n]).find(|l| l.last.as_ref().is_some_and(has));
            if let Some(known) = known {
                *lane = known.clone();
                if std::mem::take(&mut lane.busy) || lane.next == Time::NEVER {
                    lane.next = now;
                }
            }
        }
    }

    /// The tracker that answered last, or else the first that may be asked.
    pub(super) fn in_use(&self, trackers: &[Tracker]) -> Option<TrackerIndex> {
        let last = self.lanes.iter().find_map(|l| l.last);
        last.or_else(|| self.order.iter().map(|(_, t)| *t).find(|t| trackers[*t].url.scheme().is_supported()))
    }
}
