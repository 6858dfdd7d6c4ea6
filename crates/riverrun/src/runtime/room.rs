//! Bounds on what waits in a queue between threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How much of one kind may wait in a queue. Clones are the same room.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    most: usize,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    refused: AtomicU64,
}

/// A place in a queue, free again when this is dropped: it travels with what waits.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Counts>);

impl Room {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Room {
        Room { most, counts: Arc::default() }
    }

    /// A place, where there is one; who gets none is counted.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        // Nothing is read because of this number but the number itself.
        if self.counts.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            return Some(Ticket(self.counts.clone()));
        }
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// How many got no place.
    pub(crate) fn refused(&self) -> u64 {
        self.counts.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_room_refuses_until_a_place_is_free() {
        let room = Room::new(2);
        let (first, second) = (room.enter(), room.clone().enter());
        assert!(first.is_some() && second.is_some() && room.enter().is_none());
        assert_eq!(room.refused(), 1);
        drop(first);
        assert!(room.enter().is_some(), "and it is free again at once");
        assert!(room.enter().is_some());
        assert_eq!(room.refused(), 1);
    }
}
