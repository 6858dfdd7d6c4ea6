//! The info dictionary between us and our peers (BEP 9): fetched while it is missing, served when it is here.

use types::{SharedBytes, Time};
use wire::extended::{ExtendedHandshake, Metadata as Said};

use super::{Metadata, Torrent};
use crate::extension::metadata::{Came, Sender};
use crate::extension::{Extension, serve};
use crate::peer::Peer;
use crate::{ConnId, Disconnect, Event, Fault, MetadataProgress, Output};

fn sender(peer: &Peer) -> Sender {
    Sender { conn: peer.who.conn, addr: peer.who.listens.unwrap_or(peer.who.addr), peer_id: peer.who.peer_id }
}

impl Torrent {
    /// The bytes, where they are here and may be served.
    pub(super) fn metadata_bytes(&self) -> Option<&SharedBytes> {
        match &self.metadata {
            Metadata::Unread(bytes) | Metadata::Here(Some(bytes)) => Some(bytes),
            Metadata::Missing(_) | Metadata::Here(None) => None,
        }
    }

    pub(super) fn metadata_progress(&self) -> Option<MetadataProgress> {
        match &self.metadata {
            Metadata::Missing(fetch) => Some(fetch.progress()),
            Metadata::Unread(bytes) => {
                Some(MetadataProgress { bytes: bytes.len() as u32, total: bytes.len() as u32, peers: 0 })
            }
            Metadata::Here(_) => None,
        }
    }

    /// What a peer's handshake says about the dictionary.
    pub(super) fn metadata_offered(
        &mut self,
        now: Time,
        conn: ConnId,
        handshake: &ExtendedHandshake,
    ) -> Result<(), Fault> {
        let (Metadata::Missing(fetch), Some(peer)) = (&mut self.metadata, self.peers.get(&conn)) else {
            return Ok(());
        };
        match (peer.theirs.id(Extension::Metadata), handshake.metadata_size) {
            (None, _) => fetch.leave(conn),
            (Some(_), Some(size)) => fetch.offer(sender(peer), size)?,
            (Some(_), None) => {}
        }
        self.fetch_metadata(now);
        Ok(())
    }

    pub(super) fn metadata_peer_left(&mut self, conn: ConnId) {
        if let Metadata::Missing(fetch) = &mut self.metadata {
            fetch.leave(conn);
        }
    }

    /// Asks for what is missing of the dictionary.
    pub(super) fn fetch_metadata(&mut self, now: Time) {
        let Metadata::Missing(fetch) = &mut self.metadata else { return };
        for (conn, piece) in fetch.ask(now) {
            self.send_extension(now, conn, Extension::Metadata, &Said::Request { piece }.encode());
        }
    }

    /// A message of `ut_metadata` came.
    pub(super) fn metadata(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        match Said::decode(payload) {
            Ok(Said::Request { piece }) => self.metadata_requested(now, conn, piece),
            Ok(Said::Data { piece, total_size, data }) => {
                self.metadata_came(now, conn, piece, total_size, data)
            }
            Ok(Said::Reject { piece }) => {
                let asked = match &mut self.metadata {
                    Metadata::Missing(fetch) => fetch.rejected(now, conn, piece),
                    _ => false,
                };
                if asked { Ok(()) } else { self.without_effect(conn) }
            }
            // Kinds that are not known are to be ignored (BEP 9).
            Ok(Said::Unknown { .. }) | Err(_) => self.without_effect(conn),
        }
    }

    fn metadata_came(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        total_size: Option<u32>,
        data: &[u8],
    ) -> Result<(), Fault> {
        let Metadata::Missing(fetch) = &mut self.metadata else { return self.without_effect(conn) };
        match fetch.data(now, conn, piece, total_size, data)? {
            Came::Unasked => return self.without_effect(conn),
            Came::Taken => {}
            Came::Failed { liars } => self.convict_liars(now, liars),
            Came::Passed { info, liars } => {
                self.metadata = Metadata::Unread(info.clone().into());
                self.out.push_back(Output::Event(Event::Metadata(info)));
                self.convict_liars(now, liars);
            }
        }
        self.fetch_metadata(now);
        Ok(())
    }

    /// Those who sent a wrong dictionary are shut out, whether they are still here or not.
    fn convict_liars(&mut self, now: Time, liars: Vec<Sender>) {
        for Sender { conn, addr, peer_id } in liars {
            if self.peers.contains_key(&conn) {
                self.part_with(now, conn, Disconnect::Fault(Fault::CorruptData));
            } else {
                *self.tally.faults.entry(Disconnect::Fault(Fault::CorruptData).code()).or_default() += 1;
                self.shut_out(now, addr, addr, peer_id);
            }
        }
    }

    fn metadata_requested(&mut self, now: Time, conn: ConnId, piece: u32) -> Result<(), Fault> {
        let size = self.metadata_bytes().map_or(0, |bytes| bytes.len() as u32);
        let upload = self.uploads();
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let asked = if upload { peer.metadata.ask(piece, size) } else { serve::Asked::Refused };
        match asked {
            serve::Asked::Queued => self.serve_metadata(now, conn),
            serve::Asked::Again => return self.without_effect(conn),
            serve::Asked::Refused => {
                let payload = Said::Reject { piece }.encode();
                self.send_extension(now, conn, Extension::Metadata, &payload);
                return self.without_effect(conn);
            }
        }
        Ok(())
    }

    /// Sends what a peer asked for, a few pieces ahead of its socket.
    fn serve_metadata(&mut self, now: Time, conn: ConnId) {
        let (Some(bytes), Some(peer)) = (self.metadata_bytes().cloned(), self.peers.get_mut(&conn)) else {
            return;
        };
        let pieces = peer.metadata.next();
        if pieces.is_empty() {
            return;
        }
        for piece in pieces {
            self.send_extension(now, conn, Extension::Metadata, &serve::message(&bytes, piece));
        }
        self.out.push_back(Output::Flush { conn });
    }

    pub(super) fn flushed(&mut self, now: Time, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.metadata.left();
            self.serve_metadata(now, conn);
        }
    }
}
