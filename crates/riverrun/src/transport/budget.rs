//! A bound on connections that are being opened, over all who share it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use mio::Waker;

/// How many connections may be half-open at once, over every client that was given a clone of it
/// ([`ClientBuilder::dial_budget`](crate::ClientBuilder::dial_budget)): some routers and firewalls mind connections
/// that are being opened, not those that are open.
///
/// A dial takes a place until its connection is open or has failed. Who finds no place waits in line with others; each
/// turn brings one place, so that clients with many addresses starve none with few. Dials that wait cost no time of
/// theirs.
#[derive(Clone, Debug)]
pub struct DialBudget {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    most: usize,
    taken: usize,
    line: VecDeque<(u64, Arc<Waker>)>,
    /// Seats whose turn has come. Their places count as taken.
    granted: BTreeSet<u64>,
    next_seat: u64,
}

impl DialBudget {
    /// At most so many; 0 is as 1.
    pub fn new(most: usize) -> DialBudget {
        let state = State {
            most: most.max(1),
            taken: 0,
            line: VecDeque::new(),
            granted: BTreeSet::new(),
            next_seat: 0,
        };
        DialBudget { shared: Arc::new(Mutex::new(state)) }
    }

    /// Changes how many there may be; 0 is as 1. Dials under way go on.
    pub fn set_most(&self, most: usize) {
        let mut state = self.state();
        state.most = most.max(1);
        state.grant();
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.state().most
    }

    /// How many there are now.
    pub fn half_open(&self) -> usize {
        self.state().taken
    }

    /// A place, where one is free and nobody waits for it.
    pub(crate) fn take(&self) -> Option<Place> {
        let mut state = self.state();
        let free = state.taken < state.most && state.line.is_empty();
        state.taken += usize::from(free);
        free.then(|| Place(self.clone()))
    }

    /// Waits in line; `waker` is called when the turn has come.
    pub(crate) fn line_up(&self, waker: Arc<Waker>) -> Seat {
        let mut state = self.state();
        let number = state.next_seat;
        state.next_seat += 1;
        state.line.push_back((number, waker));
        state.grant();
        Seat { number, budget: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is half changed.
        self.shared.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// Gives free places to those who wait.
    fn grant(&mut self) {
        while self.taken < self.most {
            let Some((seat, waker)) = self.line.pop_front() else { return };
            self.granted.insert(seat);
            self.taken += 1;
            // A poller that can't be woken looks at its next deadline.
            let _ = waker.wake();
        }
    }

    fn give_back(&mut self) {
        self.taken -= 1;
        self.grant();
    }
}

/// A place of a dial; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(DialBudget);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().give_back();
    }
}

/// Somebody who waits in line, until he is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    budget: DialBudget,
}

impl Seat {
    /// The place, where the turn has come.
    pub(crate) fn claim(self) -> Result<Place, Seat> {
        let granted = self.budget.state().granted.remove(&self.number);
        if granted { Ok(Place(self.budget.clone())) } else { Err(self) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        match state.granted.remove(&self.number) {
            true => state.give_back(),
            false => state.line.retain(|(number, _)| *number != self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waker() -> (mio::Poll, Arc<Waker>) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        (poll, Arc::new(waker))
    }

    #[test]
    fn who_waits_longest_comes_next() {
        let (_poll, waker) = waker();
        let budget = DialBudget::new(2);
        let (first, second) = (budget.take().unwrap(), budget.take().unwrap());
        assert!(budget.take().is_none());
        let (early, late) = (budget.line_up(waker.clone()), budget.line_up(waker.clone()));
        let (early, late) = (early.claim().unwrap_err(), late.claim().unwrap_err());
        drop(first);
        let late = late.claim().unwrap_err();
        assert!(budget.take().is_none(), "it is promised already");
        let third = early.claim().unwrap();
        drop(second);
        // Whoever goes away though his turn had come leaves it to others.
        drop(late);
        assert_eq!(budget.half_open(), 1);
        drop((third, budget.take().unwrap()));
        assert_eq!(budget.half_open(), 0);
    }

    #[test]
    fn a_budget_that_grows_or_shrinks() {
        let (mut poll, waker) = waker();
        let budget = DialBudget::new(0);
        let first = budget.take().unwrap();
        let (seat, gone) = (budget.line_up(waker.clone()), budget.line_up(waker.clone()));
        drop(gone);
        budget.set_most(3);
        let mut events = mio::Events::with_capacity(1);
        poll.poll(&mut events, None).unwrap();
        assert!(!events.is_empty(), "it is told");
        let second = seat.claim().unwrap();
        let third = budget.take().unwrap();
        budget.set_most(1);
        drop((first, second));
        assert!(budget.take().is_none());
        drop(third);
        assert!(budget.take().is_some());
        assert_eq!((budget.half_open(), budget.most()), (0, 1));
    }
}
