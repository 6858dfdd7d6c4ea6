//! The one event heap of a run.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use types::Time;

use crate::net::NetEvent;
use crate::world::World;

/// A host of the world, by its place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct HostId(pub(crate) u32);

impl HostId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A deed of a scenario.
pub(crate) type Act = Box<dyn FnOnce(&mut World)>;

/// Something that will happen.
pub(crate) enum Event {
    /// In the network.
    Net(NetEvent),
    /// A host looks at its sockets, its disk and its clock.
    Wake(HostId),
    /// Disk work ends. The number tells one life of the host from the next.
    Disk(HostId, u32, u64),
    /// A host asks the tracker, in this life.
    Announce(HostId, u32),
    /// The tracker's answer.
    Answer(HostId, u32, Vec<SocketAddr>),
    /// What the scenario planned.
    Act(Act),
}

struct Entry {
    at: Time,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The heap gives its greatest first: that is the earliest, and of two at one moment the one planned first.
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// What will happen, in the order of its moments.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    planned: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        self.planned += 1;
        self.heap.push(Entry { at, number: self.planned, event });
    }

    /// The next event, where it comes no later than `end`.
    pub(crate) fn pop(&mut self, end: Time) -> Option<(Time, Event)> {
        if self.heap.peek()?.at > end {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_ties_keep_their_order() {
        let mut queue = Queue::default();
        for (at, host) in [(5, 0), (1, 1), (5, 2), (1, 3)] {
            queue.push(Time::from_secs(at), Event::Wake(HostId(host)));
        }
        let mut order = Vec::new();
        while let Some((_, Event::Wake(host))) = queue.pop(Time::from_secs(4)) {
            order.push(host.0);
        }
        assert_eq!(order, [1, 3]);
        assert!(matches!(queue.pop(Time::from_secs(5)), Some((_, Event::Wake(HostId(0))))));
    }
}
