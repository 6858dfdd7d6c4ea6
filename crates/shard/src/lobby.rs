//! Connections that are not through their handshake, dials that wait for room, and who has a place.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use engine::{ConnId, Host, Origin, TorrentId};
use types::Time;

use crate::crowd::Crowd;

/// Accepted connections without a whole handshake, at once: each costs little, and a flood of them must not
/// cost more.
const MAX_ACCEPTED: usize = 200;
/// So many of them may be one host's. An honest handshake takes a round trip or two: behind a NAT would have to be
/// very many to notice.
const MAX_ACCEPTED_OF_A_HOST: usize = 100;
/// Handshakes that may be under way where all places are taken: who comes is heard before it is decided who yields.
const BEYOND_PLACES: usize = 32;

/// Whether a newcomer may begin its handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    Open,
    /// When this one has gone, which has had longest: of the network with most, of its host with most. An honest
    /// handshake takes a round trip, so that whoever has had longest is least likely to be of one.
    Instead(ConnId),
    Shut,
}

/// Whether a newcomer that is through its handshake may stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place<'a> {
    Free,
    /// When one of these has gone.
    OneOf(&'a BTreeSet<ConnId>),
    None,
}

/// Who stands at the door, and who has a place.
///
/// A place is held by who is dialed, and by who is through its handshake.
#[derive(Debug)]
pub(crate) struct Lobby {
    deadlines: BTreeSet<(Time, ConnId)>,
    accepted: Crowd<(Time, ConnId)>,
    places: Crowd<ConnId>,
    /// Dials for which the lease has no room, in order; whether from the port that is listened on.
    waiting: VecDeque<(TorrentId, SocketAddr, bool)>,
    /// Places that the lease allows.
    limit: usize,
    /// Dials that the driver allows besides; all where it does not say.
    allowed: Option<usize>,
    /// Somebody found no place.
    refused: bool,
}

/// A connection on its way through the lobby.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) conn: ConnId,
    pub(crate) addr: SocketAddr,
    pub(crate) origin: Origin,
    /// When its handshake has to be done.
    pub(crate) deadline: Time,
}

impl Guest {
    fn host(&self) -> Host {
        Host::of(self.addr)
    }
}

impl Lobby {
    /// Without a limit on connections, until a lease brings one. `gated`: without dials, until they are allowed.
    pub(crate) fn new(gated: bool) -> Lobby {
        Lobby {
            deadlines: BTreeSet::new(),
            accepted: Crowd::new(),
            places: Crowd::new(),
            waiting: VecDeque::new(),
            limit: usize::MAX,
            allowed: gated.then_some(0),
            refused: false,
        }
    }

    /// Dials that could begin, were they allowed.
    pub(crate) fn dials_waiting(&self) -> usize {
        self.waiting.len().min(self.limit.saturating_sub(self.places.len()))
    }

    /// Allows so many dials from now on, if dials have to be allowed.
    pub(crate) fn allow(&mut self, dials: usize) {
        self.allowed = self.allowed.map(|_| dials);
    }

    pub(crate) fn set_limit(&mut self, connections: u32) {
        self.limit = connections as usize;
    }

    /// Places that are taken.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Handshakes of newcomers under way.
    pub(crate) fn handshakes(&self) -> usize {
        self.accepted.len()
    }

    /// Whether one more may be accepted.
    pub(crate) fn door(&self, addr: SocketAddr) -> Door {
        let has = self.accepted.of(Host::of(addr));
        let all = self.accepted.len() + self.places.len();
        if has >= MAX_ACCEPTED_OF_A_HOST {
            return Door::Shut;
        }
        if self.accepted.len() < MAX_ACCEPTED && all < self.limit.saturating_add(BEYOND_PLACES) {
            return Door::Open;
        }
        if self.accepted.len() < BEYOND_PLACES {
            return Door::Shut;
        }
        self.accepted.first_of_the_most().map_or(Door::Shut, |(_, conn)| Door::Instead(*conn))
    }

    /// Whether there is a place for a newcomer.
    pub(crate) fn place(&mut self, addr: SocketAddr) -> Place<'_> {
        if self.places.len() < self.limit {
            return Place::Free;
        }
        let crowd = self.places.yielding(self.places.of(Host::of(addr)), Host::KEEPS);
        self.refused |= crowd.is_none();
        crowd.map_or(Place::None, Place::OneOf)
    }

    /// Of whom one has to go, as there are more than there are places for; none where every host has few.
    pub(crate) fn surplus(&self) -> Option<&BTreeSet<ConnId>> {
        self.places.yielding(0, Host::KEEPS).filter(|_| self.places.len() > self.limit)
    }

    /// Whether somebody found no place since the last call, or waits for one.
    pub(crate) fn take_wants(&mut self) -> bool {
        std::mem::take(&mut self.refused) || !self.waiting.is_empty()
    }

    /// Queues a dial.
    pub(crate) fn dial(&mut self, torrent: TorrentId, addr: SocketAddr, punch: bool) {
        self.waiting.push_back((torrent, addr, punch));
    }

    /// The next dial that has room.
    pub(crate) fn next_dial(&mut self) -> Option<(TorrentId, SocketAddr, bool)> {
        if self.places.len() >= self.limit || self.allowed == Some(0) {
            return None;
        }
        let dial = self.waiting.pop_front()?;
        self.allowed = self.allowed.map(|left| left - 1);
        Some(dial)
    }

    /// Drops the dials of a torrent that leaves.
    pub(crate) fn forget(&mut self, torrent: TorrentId) {
        self.waiting.retain(|(owner, ..)| *owner != torrent);
    }

    pub(crate) fn enter(&mut self, guest: Guest) {
        self.deadlines.insert((guest.deadline, guest.conn));
        match guest.origin {
            Origin::Accepted => self.accepted.insert(guest.host(), (guest.deadline, guest.conn)),
            Origin::Dialed => self.places.insert(guest.host(), guest.conn),
        }
    }

    /// It has come through, and has a place.
    pub(crate) fn admit(&mut self, guest: Guest) {
        self.leave(guest);
        self.places.insert(guest.host(), guest.conn);
    }

    /// It is gone, whether it was through or not.
    pub(crate) fn leave(&mut self, guest: Guest) {
        self.deadlines.remove(&(guest.deadline, guest.conn));
        self.accepted.remove(guest.host(), &(guest.deadline, guest.conn));
        self.places.remove(guest.host(), &guest.conn);
    }

    /// A connection that took too long; it stays until [`Lobby::leave`].
    pub(crate) fn overdue(&self, now: Time) -> Option<ConnId> {
        self.deadlines.first().filter(|(deadline, _)| deadline.is_due(now)).map(|(_, conn)| *conn)
    }

    pub(crate) fn deadline(&self) -> Time {
        self.deadlines.first().map_or(Time::NEVER, |(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(slot: usize, host: u8, origin: Origin) -> Guest {
        let addr = SocketAddr::from(([10, 0, 0, host], 1));
        Guest { conn: ConnId::new(slot as u32, 0), addr, origin, deadline: Time::from_secs(slot as u64) }
    }

    fn came(slot: usize, host: u8) -> Guest {
        guest(slot, host, Origin::Accepted)
    }

    #[test]
    fn dials_wait_until_they_are_allowed() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut lobby = Lobby::new(true);
        (0..3).for_each(|id| lobby.dial(TorrentId(id), addr, false));
        assert_eq!((lobby.dials_waiting(), lobby.next_dial()), (3, None));
        lobby.allow(2);
        assert!(lobby.next_dial().is_some());
        lobby.set_limit(1);
        assert_eq!(lobby.dials_waiting(), 1);
        assert!(lobby.next_dial().is_some() && lobby.next_dial().is_none());
        lobby.allow(0);
        assert_eq!(lobby.next_dial(), None);
    }

    #[test]
    fn a_full_lobby_takes_a_newcomer_for_the_oldest_of_the_crowd() {
        let mut lobby = Lobby::new(false);
        for slot in 0..MAX_ACCEPTED {
            let guest = came(slot, 1 + (slot % 2) as u8);
            assert_eq!(lobby.door(guest.addr), Door::Open);
            lobby.enter(guest);
        }
        assert_eq!(lobby.door(came(0, 1).addr), Door::Shut, "it is crowded itself");
        let Door::Instead(gone) = lobby.door(came(0, 3).addr) else { panic!("a newcomer is heard") };
        assert_eq!(gone, came(0, 1).conn);
        lobby.leave(came(0, 1));
        lobby.leave(came(0, 1));
        assert_eq!(lobby.door(came(0, 3).addr), Door::Open);
        assert_eq!(lobby.overdue(Time::from_secs(1)), Some(ConnId::new(1, 0)));
    }

    #[test]
    fn a_lobby_full_of_different_hosts_takes_newcomers_for_the_oldest() {
        let mut lobby = Lobby::new(false);
        lobby.enter(guest(500, 0, Origin::Dialed));
        for slot in 0..MAX_ACCEPTED {
            lobby.enter(came(slot, slot as u8));
        }
        for slot in 0..MAX_ACCEPTED {
            let newcomer = came(MAX_ACCEPTED + slot, (MAX_ACCEPTED + slot) as u8);
            assert_eq!(lobby.door(newcomer.addr), Door::Instead(came(slot, slot as u8).conn));
            lobby.leave(came(slot, slot as u8));
            lobby.enter(newcomer);
        }
        assert_eq!((lobby.handshakes(), lobby.places()), (MAX_ACCEPTED, 1), "the dial stays");
    }

    #[test]
    fn one_host_takes_half_of_the_lobby_at_most() {
        let mut lobby = Lobby::new(false);
        let slots = (0..).take_while(|slot| {
            let open = lobby.door(came(*slot, 1).addr) == Door::Open;
            lobby.enter(came(*slot, 1));
            open
        });
        assert_eq!(slots.count(), MAX_ACCEPTED_OF_A_HOST);
    }

    #[test]
    fn where_places_are_scarce_the_crowded_yield_and_nobody_else() {
        let mut lobby = Lobby::new(false);
        lobby.set_limit(10);
        for slot in 0..10 {
            assert_eq!(lobby.place(came(0, 1).addr), Place::Free);
            lobby.admit(came(slot, 1));
        }
        assert!(!lobby.take_wants());
        assert_eq!(lobby.place(came(0, 1).addr), Place::None, "alone it has none to yield to");
        assert!(lobby.take_wants() && !lobby.take_wants());
        // The door is still open for some, to hear who they are.
        let mut heard = 0;
        while lobby.door(came(0, 2).addr) == Door::Open {
            lobby.enter(came(20 + heard, 2));
            heard += 1;
        }
        assert_eq!(heard, BEYOND_PLACES);
        for slot in 20..25 {
            let Place::OneOf(crowd) = lobby.place(came(0, 2).addr) else { panic!("{slot}") };
            let gone = crowd.first().copied().unwrap();
            assert!(gone.slot() < 10, "of the first host");
            lobby.leave(came(gone.slot(), 1));
            lobby.admit(came(slot, 2));
        }
        assert_eq!(lobby.place(came(0, 2).addr), Place::None, "both have half");
        assert_eq!(lobby.places(), 10);
        assert!(matches!(lobby.place(came(0, 3).addr), Place::OneOf(_)));
        assert_eq!((lobby.surplus(), lobby.handshakes()), (None, BEYOND_PLACES - 5));
        lobby.set_limit(9);
        assert_eq!(lobby.surplus().map(BTreeSet::len), Some(5));
        lobby.set_limit(0);
        (20..24).for_each(|slot| lobby.leave(came(slot, 2)));
        assert_eq!(lobby.surplus().map(BTreeSet::len), Some(5), "of the first");
        lobby.leave(came(9, 1));
        assert_eq!(lobby.surplus(), None, "few are not fewer for the lease");
    }

    #[test]
    fn dials_wait_for_places_and_not_for_strangers_at_the_door() {
        let mut lobby = Lobby::new(false);
        lobby.set_limit(1);
        (0..BEYOND_PLACES).for_each(|slot| lobby.enter(came(slot, 1)));
        let addr = came(0, 9).addr;
        (0..2).for_each(|_| lobby.dial(TorrentId(1), addr, false));
        assert_eq!(lobby.next_dial(), Some((TorrentId(1), addr, false)));
        let dialed = guest(50, 9, Origin::Dialed);
        lobby.enter(dialed);
        assert_eq!((lobby.next_dial(), lobby.take_wants()), (None, true));
        lobby.leave(dialed);
        assert!(lobby.next_dial().is_some());
        lobby.forget(TorrentId(1));
        assert!(!lobby.take_wants());
    }
}
