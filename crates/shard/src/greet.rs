//! Connections on their way through the handshake.

use std::collections::BTreeSet;

use engine::{ConnId, Disconnect, Fault, Input, Origin, TorrentId};
use types::{InfoHash, Time};
use wire::Handshake;

use crate::conn::{Conn, Stage};
use crate::handshake::{self, State, Verdict};
use crate::lobby::Place;
use crate::receive::Flow;
use crate::{Output, Shard};

impl Shard {
    /// A dialed connection is open: says hello.
    pub(crate) fn greet(&mut self, now: Time, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        let Stage::Handshake(State::Dialing(id)) = entry.stage else { return };
        let Some(member) = self.members.get(id) else { return };
        entry.stage = Stage::Handshake(State::Sent(id));
        let hello = handshake::ours(member.us, member.name(), member.reserved());
        self.queue_bytes(now, conn, hello.to_vec());
    }

    /// Bytes of a handshake came.
    pub(crate) fn feed_handshake(
        &mut self,
        now: Time,
        conn: ConnId,
        mut state: State,
        mut bytes: &[u8],
    ) -> Flow {
        let Some(entry) = self.conns.get_mut(conn) else { return Flow::Gone };
        let (mine, rest) = bytes.split_at(bytes.len().min(entry.read_limit()));
        bytes = rest;
        entry.inbound.gather(mine);
        loop {
            let Some(entry) = self.conns.get_mut(conn) else { return Flow::Gone };
            let us = state.torrent().and_then(|id| self.members.get(id)).map(|member| member.us);
            match state.handle(entry.inbound.gather(&[]), us, |name| self.members.find(name)) {
                Verdict::Wait(_) => return Flow::On,
                Verdict::Answer(..) if self.lobby.place(entry.addr) == Place::None => {
                    self.lost(now, conn, Disconnect::Full);
                    return Flow::Gone;
                }
                Verdict::Answer(next, name) => {
                    entry.stage = Stage::Handshake(next);
                    state = next;
                    self.work_for(next.torrent(), |shard| shard.answer(now, conn, next, name));
                }
                Verdict::Done(id, peer) => {
                    return self.work_for(Some(id), |shard| shard.opened(now, conn, id, peer, bytes));
                }
                Verdict::Ourselves(next) => {
                    entry.stage = Stage::Handshake(next);
                    return Flow::On;
                }
                Verdict::Unknown(name) => return self.hand_off(conn, name, bytes),
                Verdict::Refuse(why) => {
                    self.lost(now, conn, why);
                    return Flow::Gone;
                }
            }
        }
    }

    fn answer(&mut self, now: Time, conn: ConnId, state: State, name: InfoHash) {
        let Some(member) = state.torrent().and_then(|id| self.members.get_mut(id)) else { return };
        member.conns.insert(conn);
        let hello = handshake::ours(member.us, name, member.reserved());
        self.queue_bytes(now, conn, hello.to_vec());
    }

    /// Gives an accepted connection to whichever shard has its torrent.
    fn hand_off(&mut self, conn: ConnId, info_hash: InfoHash, rest: &[u8]) -> Flow {
        let Some(entry) = self.conns.get_mut(conn) else { return Flow::Gone };
        let mut bytes = entry.inbound.gathered();
        bytes.extend_from_slice(rest);
        self.forget(conn);
        self.outputs.push_back(Output::Handoff { conn, info_hash, bytes });
        Flow::Held
    }

    /// Both sides have said hello.
    fn opened(&mut self, now: Time, conn: ConnId, id: TorrentId, peer: Handshake, rest: &[u8]) -> Flow {
        if !self.makes_place(now, conn) {
            self.lost(now, conn, Disconnect::Full);
            return Flow::Gone;
        }
        let Some(entry) = self.conns.get_mut(conn) else { return Flow::Gone };
        entry.stage = Stage::Open(id);
        entry.inbound.gathered();
        self.lobby.admit(entry.guest(conn));
        let (addr, origin) = (entry.addr, entry.origin);
        let Some(member) = self.members.touch(id) else { return Flow::Gone };
        let (reserved, peer_id) = (peer.reserved, peer.peer_id);
        member.inform(now, Input::Connected { conn, addr, origin, reserved, peer_id });
        if rest.is_empty() { Flow::On } else { self.feed(now, conn, rest) }
    }

    /// Makes sure of a place for a connection that is through its handshake. False where there is none.
    fn makes_place(&mut self, now: Time, conn: ConnId) -> bool {
        let Some(entry) = self.conns.get(conn).filter(|entry| entry.origin == Origin::Accepted) else {
            return true;
        };
        let crowd = match self.lobby.place(entry.addr) {
            Place::Free => return true,
            Place::OneOf(crowd) => crowd.clone(),
            Place::None => return false,
        };
        let least = self.least_of(&crowd);
        if let Some(least) = least {
            self.close(now, least, Disconnect::Full);
        }
        least.is_some()
    }

    /// Of these connections the one that is worth least; one that is not open yet is worth nothing.
    pub(crate) fn least_of(&self, crowd: &BTreeSet<ConnId>) -> Option<ConnId> {
        let worth = |conn: &ConnId| {
            let member = self.torrent_of(*conn).and_then(|id| self.members.get(id))?;
            member.brain.as_ref()?.worth(*conn)
        };
        crowd.iter().copied().min_by_key(worth)
    }

    /// A connection begins its handshake.
    pub(crate) fn enter_lobby(&mut self, conn: ConnId) {
        if let Some(entry) = self.conns.get(conn) {
            self.lobby.enter(entry.guest(conn));
        }
    }

    /// Bytes that another shard had read from a connection.
    pub(crate) fn adopted(&mut self, now: Time, conn: ConnId, bytes: &[u8]) -> Result<ConnId, Disconnect> {
        let outputs = self.outputs.len();
        let flow = self.feed(now, conn, bytes);
        if self.conns.get(conn).is_some() {
            return Ok(conn);
        }
        // It came to the wrong shard again: whoever calls drops the socket, so nobody is to hand it on.
        self.outputs.truncate(if flow == Flow::Held { outputs } else { self.outputs.len() });
        Err(Disconnect::Fault(Fault::UnknownInfoHash))
    }

    /// Drops connections whose handshake takes too long.
    pub(crate) fn expire_handshakes(&mut self, now: Time) {
        while let Some(conn) = self.lobby.overdue(now) {
            self.close(now, conn, Disconnect::HandshakeTimeout);
        }
    }

    /// Opens connections for dials that have room.
    pub(crate) fn dial_waiting(&mut self, now: Time) {
        while let Some((id, addr, punch)) = self.lobby.next_dial() {
            let Some(member) = self.members.get_mut(id) else { continue };
            let deadline = now + self.config.engine.handshake_timeout;
            let conn = self.conns.insert(Conn::new(addr, Origin::Dialed, State::Dialing(id), deadline));
            member.conns.insert(conn);
            self.enter_lobby(conn);
            self.outputs.push_back(Output::Dial { conn, addr, punch });
        }
    }
}
