//! Connections that are not through their handshake, and dials that wait for room.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use engine::{ConnId, TorrentId};
use types::Time;

/// Accepted connections without a whole handshake, at once: each costs little, and a flood of them must not
/// cost more.
const MAX_ACCEPTED: usize = 200;

/// Who stands at the door.
#[derive(Debug)]
pub(crate) struct Lobby {
    deadlines: BTreeSet<(Time, ConnId)>,
    accepted: usize,
    /// Dials for which the lease has no room, in order; whether from the port that is listened on.
    waiting: VecDeque<(TorrentId, SocketAddr, bool)>,
    /// Connections that the lease allows.
    limit: usize,
}

impl Lobby {
    /// Without a limit on connections, until a lease brings one.
    pub(crate) fn new() -> Lobby {
        Lobby { deadlines: BTreeSet::new(), accepted: 0, waiting: VecDeque::new(), limit: usize::MAX }
    }

    pub(crate) fn set_limit(&mut self, connections: u32) {
        self.limit = connections as usize;
    }

    /// Whether one more may be accepted beside `open` connections.
    pub(crate) fn may_accept(&self, open: usize) -> bool {
        open < self.limit && self.accepted < MAX_ACCEPTED
    }

    /// Queues a dial.
    pub(crate) fn dial(&mut self, torrent: TorrentId, addr: SocketAddr, punch: bool) {
        self.waiting.push_back((torrent, addr, punch));
    }

    /// The next dial that has room beside `open` connections.
    pub(crate) fn next_dial(&mut self, open: usize) -> Option<(TorrentId, SocketAddr, bool)> {
        if open < self.limit { self.waiting.pop_front() } else { None }
    }

    /// Drops the dials of a torrent that leaves.
    pub(crate) fn forget(&mut self, torrent: TorrentId) {
        self.waiting.retain(|(owner, ..)| *owner != torrent);
    }

    pub(crate) fn enter(&mut self, conn: ConnId, deadline: Time, accepted: bool) {
        self.accepted += usize::from(accepted);
        self.deadlines.insert((deadline, conn));
    }

    /// It has come through, or is gone. One that is not in the lobby changes nothing.
    pub(crate) fn leave(&mut self, conn: ConnId, deadline: Time, accepted: bool) {
        if self.deadlines.remove(&(deadline, conn)) {
            self.accepted -= usize::from(accepted);
        }
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

    #[test]
    fn floods_and_leases_are_bounded() {
        let mut lobby = Lobby::new();
        for slot in 0..MAX_ACCEPTED as u32 {
            assert!(lobby.may_accept(slot as usize));
            lobby.enter(ConnId::new(slot, 0), Time::from_secs(u64::from(slot)), true);
        }
        assert!(!lobby.may_accept(MAX_ACCEPTED));
        assert_eq!(lobby.overdue(Time::from_secs(1)), Some(ConnId::new(0, 0)));
        lobby.leave(ConnId::new(0, 0), Time::ZERO, true);
        lobby.leave(ConnId::new(0, 0), Time::ZERO, true);
        assert!(lobby.may_accept(199));
        lobby.set_limit(199);
        assert!(!lobby.may_accept(199));
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        lobby.dial(TorrentId(1), addr, false);
        assert_eq!(lobby.next_dial(199), None);
        assert_eq!(lobby.next_dial(198), Some((TorrentId(1), addr, false)));
    }
}
