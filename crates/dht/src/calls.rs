//! Queries that are under way, and what of them is due.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use types::{Rng, Time};

/// After so long a query is sent a second time: datagrams get lost.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// After so long nobody waits for the answer any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// One query.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) to: SocketAddr,
    /// The lookup that waits for the answer.
    pub(crate) lookup: u32,
    pub(crate) began: Time,
    datagram: Vec<u8>,
    due: Time,
    again: bool,
}

/// All of them, by transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    open: BTreeMap<u32, Call>,
    queue: BTreeSet<(Time, u32)>,
}

impl Calls {
    /// Begins one; the datagram to send is made for its transaction id, which nobody can guess.
    pub(crate) fn begin(
        &mut self,
        now: Time,
        rng: &mut Rng,
        to: SocketAddr,
        lookup: u32,
        datagram: impl FnOnce([u8; 4]) -> Vec<u8>,
    ) -> Vec<u8> {
        let mut transaction = rng.next_u32();
        while self.open.contains_key(&transaction) {
            transaction = rng.next_u32();
        }
        let datagram = datagram(transaction.to_be_bytes());
        let due = now + AGAIN_AFTER;
        self.queue.insert((due, transaction));
        let call = Call { to, lookup, began: now, datagram: datagram.clone(), due, again: false };
        self.open.insert(transaction, call);
        datagram
    }

    /// Whether `from` has something to answer.
    pub(crate) fn expects(&self, from: SocketAddr) -> bool {
        self.open.values().any(|call| call.to == from)
    }

    /// The query that `transaction` answers, if it went to whoever answers.
    pub(crate) fn answered(&mut self, transaction: &[u8], from: SocketAddr) -> Option<Call> {
        let transaction = u32::from_be_bytes(transaction.try_into().ok()?);
        self.open.get(&transaction).filter(|call| call.to == from)?;
        self.remove(transaction)
    }

    /// One that nobody waits for any more.
    pub(crate) fn failed(&mut self, now: Time) -> Option<Call> {
        let over = |(due, transaction): &(Time, u32)| due.is_due(now) && self.open[transaction].again;
        // Those that are to be sent again stay due until they are, and are few: three for each lookup, and announces.
        let (_, transaction) =
            self.queue.iter().take_while(|(due, _)| due.is_due(now)).copied().find(over)?;
        self.remove(transaction)
    }

    /// One that is to be sent again: the query and its datagram.
    pub(crate) fn again(&mut self, now: Time) -> Option<(&Call, Vec<u8>)> {
        let first = |(due, transaction): &(Time, u32)| due.is_due(now) && !self.open[transaction].again;
        let (due, transaction) = self.queue.iter().copied().find(first)?;
        self.queue.remove(&(due, transaction));
        let call = self.open.get_mut(&transaction)?;
        (call.again, call.due) = (true, now + (GIVE_UP_AFTER - AGAIN_AFTER));
        self.queue.insert((call.due, transaction));
        Some((call, call.datagram.clone()))
    }

    /// When the first of them is due.
    pub(crate) fn next(&self) -> Time {
        self.queue.first().map_or(Time::NEVER, |(due, _)| *due)
    }

    /// Whether a lookup has some.
    pub(crate) fn has(&self, lookup: u32) -> bool {
        self.open.values().any(|call| call.lookup == lookup)
    }

    /// Forgets those of a lookup: they are not sent again.
    pub(crate) fn drop_those_of(&mut self, lookup: u32) {
        self.open.retain(|_, call| call.lookup != lookup);
        self.queue.retain(|(_, transaction)| self.open.contains_key(transaction));
    }

    fn remove(&mut self, transaction: u32) -> Option<Call> {
        let call = self.open.remove(&transaction)?;
        self.queue.remove(&(call.due, transaction));
        Some(call)
    }
}
