//! What peers say by the extension protocol (BEP 10), one function for each extension.
//!
//! The rules for all of them: a message before the sender's handshake, with an id that we never gave out, or
//! with a payload that its extension does not know, has no effect and spends patience. A payload longer than
//! any of its extension is a fault.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use types::{PeerSource, Time};
use wire::Message;
use wire::extended::{ExtendedHandshake, HANDSHAKE_ID, UploadOnly};

use super::Torrent;
use crate::extension::{self, Extension, MAX_CUSTOM_LEN, Ours};
use crate::{ConnId, Event, Fault, Origin, Output};

impl Torrent {
    /// Sends our extended handshake.
    pub(super) fn introduce(&mut self, now: Time, conn: ConnId, peer: IpAddr) {
        let ours = Ours {
            peer,
            metadata_size: self.metadata_bytes().map(|bytes| bytes.len() as u32),
            upload_only: self.state.upload_only && !self.hides(),
            share_mode: self.share.told(),
            private: self.state.private || self.state.discreet,
        };
        let payload = extension::handshake(&self.config, ours);
        self.send(now, conn, Message::Extended { id: HANDSHAKE_ID, payload: &payload });
    }

    /// Sends a message of an extension to a peer, where it understands it. Whether it does.
    pub(super) fn send_extension(
        &mut self,
        now: Time,
        conn: ConnId,
        extension: Extension,
        payload: &[u8],
    ) -> bool {
        let id = self.peers.get(&conn).and_then(|peer| peer.theirs.id(extension));
        if let Some(id) = id {
            self.send(now, conn, Message::Extended { id, payload });
        }
        id.is_some()
    }

    /// A message of the extension protocol came.
    pub(super) fn extended(&mut self, now: Time, conn: ConnId, id: u8, payload: &[u8]) -> Result<(), Fault> {
        if id == HANDSHAKE_ID {
            return self.extended_handshake(now, conn, payload);
        }
        let greeted = self.peers.get(&conn).is_some_and(|peer| peer.theirs.greeted);
        match Extension::of(id, &self.config) {
            Some(extension) if payload.len() > extension.max_len() => Err(Fault::BadMessage),
            Some(extension) if greeted => self.extension(now, conn, extension, payload),
            _ => self.without_effect(conn),
        }
    }

    fn extension(
        &mut self,
        now: Time,
        conn: ConnId,
        extension: Extension,
        payload: &[u8],
    ) -> Result<(), Fault> {
        match extension {
            Extension::Metadata => self.metadata(now, conn, payload),
            Extension::Pex => self.told_of_peers(now, conn, payload),
            Extension::DontHave => self.peer_lost(now, conn, payload),
            Extension::Holepunch => self.holepunch(now, conn, payload),
            Extension::UploadOnly => self.upload_only(now, conn, payload),
            Extension::Custom(n) => self.custom(now, conn, n, payload),
        }
    }

    fn extended_handshake(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        let handshake = ExtendedHandshake::decode(payload).map_err(|_| Fault::BadMessage)?;
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let first = !peer.theirs.greeted;
        peer.theirs.update(now, &self.config, &handshake);
        if let Some(reqq) = handshake.request_queue {
            peer.requests.limit(reqq);
        }
        if let Some(name) = &handshake.client {
            peer.who.client = Some(printable(name));
        }
        let (addr, origin) = (peer.who.addr, peer.who.origin);
        if let Some(ours) = handshake.your_ip {
            self.votes.cast(addr.ip(), ours);
        }
        if let (Some(port), Origin::Accepted) = (handshake.port, origin) {
            self.peer_listens(now, conn, SocketAddr::new(addr.ip(), port));
        }
        self.part_from_seeds(now);
        if first {
            self.tell_extensions(conn);
            self.state.next_tick = self.state.next_tick.min(now + super::upkeep::TICK);
        }
        self.metadata_offered(now, conn, &handshake)?;
        self.without_effect(conn)
    }

    /// A peer that came to us said where it can be reached.
    fn peer_listens(&mut self, now: Time, conn: ConnId, listens: SocketAddr) {
        self.learn(now, listens, PeerSource::Incoming);
        // It is here already: to dial it too would only end one of the two connections.
        self.book.connected(listens);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.who.listens = Some(listens);
        }
    }

    /// Tells the user which of his extensions a peer understands.
    fn tell_extensions(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.get(&conn) else { return };
        let knows = |n: usize| peer.theirs.id(Extension::Custom(n as u8)).is_some();
        let all = self.config.extensions.iter().enumerate();
        let names: Vec<Arc<str>> = all.filter(|(n, _)| knows(*n)).map(|(_, name)| name.clone()).collect();
        if !names.is_empty() {
            self.out.push_back(Output::Event(Event::Extensions { addr: peer.who.addr, names }));
        }
    }

    /// Tells everyone that nothing is wanted any more, or again, where that is news (BEP 21).
    pub(super) fn tell_upload_only(&mut self, now: Time) {
        let upload_only = self.picker.is_content() && !self.hides() && !self.shares();
        if std::mem::replace(&mut self.state.upload_only, upload_only) == upload_only {
            return;
        }
        self.state.upload_only_since = now;
        let payload = UploadOnly(upload_only).encode();
        let all: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in all {
            self.send_extension(now, conn, Extension::UploadOnly, &payload);
        }
    }

    /// A message for an extension of the user.
    fn custom(&mut self, now: Time, conn: ConnId, n: u8, payload: &[u8]) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let Some(name) = self.config.extensions.get(usize::from(n)).cloned() else { return Ok(()) };
        if peer.theirs.admits(now, payload.len()) {
            let addr = peer.who.addr;
            self.out.push_back(Output::Event(Event::Extension { addr, name, payload: payload.into() }));
            return Ok(());
        }
        self.without_effect(conn)
    }

    /// Sends a message of the user's.
    pub(super) fn send_custom(&mut self, now: Time, to: Option<SocketAddr>, name: &str, payload: &[u8]) {
        let place = self.config.extensions.iter().position(|known| &**known == name);
        let Some(n) = place.filter(|_| payload.len() <= MAX_CUSTOM_LEN) else { return };
        let meant = self.peers.values().filter(|peer| to.is_none_or(|to| peer.who.addr == to));
        let meant: Vec<ConnId> = meant.map(|peer| peer.who.conn).collect();
        for conn in meant {
            self.send_extension(now, conn, Extension::Custom(n as u8), payload);
        }
    }
}

/// A name from a stranger, fit for a terminal.
fn printable(name: &str) -> String {
    const LONGEST: usize = 64;
    name.chars().map(|c| if c.is_control() { '.' } else { c }).take(LONGEST).collect()
}
