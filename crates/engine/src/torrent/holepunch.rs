//! Meeting through a third peer (BEP 55), as initiator, relay and target. A private torrent takes no part
//! (BEP 27).
//!
//! The BEP speaks of uTP; over TCP both ends dial at once from the port they listen on, and two calls that
//! cross are one connection.

use std::net::SocketAddr;

use types::{Time, may_speak_of};
use wire::extended::{Holepunch, HolepunchError, PexFlags};

use super::Torrent;
use crate::extension::{Extension, Target, relay};
use crate::peer::Peer;
use crate::{ConnId, Fault, Output};

impl Torrent {
    /// Nobody answered at an address: asks one who is connected to it to bring us together.
    pub(super) fn ask_relay(&mut self, now: Time, target: SocketAddr) {
        let target = SocketAddr::new(target.ip().to_canonical(), target.port());
        let helps = |peer: &&Peer| {
            let knows = peer.heard.flags_of(target).is_some_and(|flags| flags.contains(PexFlags::HOLEPUNCH));
            knows && peer.theirs.id(Extension::Holepunch).is_some()
        };
        let Some(conn) = self.peers.values().find(helps).map(|peer| peer.who.conn) else { return };
        if self.may_meet() && self.meetings.ask(now, target) {
            self.send_extension(now, conn, Extension::Holepunch, &Holepunch::Rendezvous(target).encode());
        }
    }

    /// What is known by its name alone may turn out to be private.
    fn may_meet(&self) -> bool {
        self.is_known() && !self.state.private
    }

    /// A message of the extension came.
    pub(super) fn holepunch(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        let message = Holepunch::decode(payload).ok().filter(|_| self.may_meet());
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        match message {
            Some(Holepunch::Rendezvous(target)) if peer.knocks.take(now) => self.relay(now, conn, target),
            Some(Holepunch::Connect(target)) if peer.knocks.take(now) => self.punch(now, conn, target),
            // Errors need no answer: the address was tried, and rests as others do.
            _ => {}
        }
        self.without_effect(conn)
    }

    /// A peer wants to be brought together with another.
    fn relay(&mut self, now: Time, conn: ConnId, target: SocketAddr) {
        let Some(from) = self.peers.get(&conn).map(|peer| peer.who.reachable_at().unwrap_or(peer.who.addr))
        else {
            return;
        };
        let other = self.peers.values().find(|peer| peer.who.reachable_at() == Some(target));
        let what = match other {
            _ if self.is_ourselves(target) => Target::Ourselves,
            None => Target::Unknown,
            Some(peer) => Target::Connected { understands: peer.theirs.id(Extension::Holepunch).is_some() },
        };
        let other = other.map(|peer| peer.who.conn);
        let answer = match relay(from, target, what) {
            Ok(()) => Holepunch::Connect(target),
            Err(code) => Holepunch::Error { target, code },
        };
        if let (Holepunch::Connect(_), Some(other)) = (answer, other) {
            // Nobody is to be made to dial without end by others.
            let spared = self.peers.get_mut(&other).is_some_and(|peer| !peer.called.take(now));
            if spared {
                let error = Holepunch::Error { target, code: HolepunchError::NOT_CONNECTED };
                self.send_extension(now, conn, Extension::Holepunch, &error.encode());
                return;
            }
            self.send_extension(now, other, Extension::Holepunch, &Holepunch::Connect(from).encode());
        }
        self.send_extension(now, conn, Extension::Holepunch, &answer.encode());
    }

    fn is_ourselves(&self, addr: SocketAddr) -> bool {
        let public = [self.config.public_v4.map(Into::into), self.config.public_v6.map(Into::into)];
        Some(addr.port()) == self.config.listen_port && public.contains(&Some(addr.ip()))
    }

    /// A relay says: connect, now.
    fn punch(&mut self, now: Time, conn: ConnId, target: SocketAddr) {
        let near = self.peers.get(&conn).is_some_and(|peer| may_speak_of(peer.who.addr.ip(), target));
        let here = self.peers.values().any(|peer| peer.who.reachable_at() == Some(target));
        let by = self.peers.get(&conn).map(|peer| peer.who.reachable_at().unwrap_or(peer.who.addr));
        let Some(by) = by.filter(|_| near && !here && self.has_room()) else { return };
        if self.book.call(now, target, by, &mut self.rng) {
            self.out.push_back(Output::Punch { addr: target });
        }
    }
}
