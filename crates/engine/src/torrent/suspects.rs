//! Who sent what turned out to be corrupt, gone or not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use types::{PeerId, PieceIndex, Time};

use super::Torrent;
use crate::peer::{Peer, Who};
use crate::{ConnId, Disconnect, Event, Fault};

/// Most peers on parole that are remembered after they left.
const MAX_PAROLED: usize = 256;

/// What is kept of a peer that left before the verdict on what it sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departed {
    /// Its remote end.
    addr: SocketAddr,
    /// Where it accepts connections, as far as is known.
    listens: SocketAddr,
    id: PeerId,
    parole: bool,
}

/// Peers that left while pieces were open to which they gave blocks, or on parole. To hang up is no way out
/// of a verdict.
#[derive(Debug, Default)]
pub(super) struct Absent(BTreeMap<ConnId, Departed>);

impl Absent {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A peer like this one left on parole.
    fn takes_up_parole(&mut self, who: &Who) -> bool {
        let same = |gone: &Departed| {
            gone.parole
                && gone.addr.ip() == who.addr.ip()
                && (gone.id == who.peer_id || gone.listens == who.addr)
        };
        let found = self.0.iter().find(|(_, gone)| same(gone)).map(|(conn, _)| *conn);
        if let Some(gone) = found.and_then(|conn| self.0.get_mut(&conn)) {
            gone.parole = false;
        }
        found.is_some()
    }
}

impl Torrent {
    /// A peer has left: what it gave may still be found to be corrupt.
    pub(super) fn remember_sender(&mut self, peer: &Peer) {
        let (who, parole) = (&peer.who, peer.trust.parole);
        if !parole && !self.picker.is_open_sender(who.conn) {
            return;
        }
        let listens = who.listens.unwrap_or(who.addr);
        let gone = Departed { addr: who.addr, listens, id: who.peer_id, parole };
        self.absent.0.insert(who.conn, gone);
        // The open pieces bound how many senders there are; of the others the oldest makes room.
        if self.absent.0.len() > MAX_PAROLED {
            let picker = &self.picker;
            let oldest = self.absent.0.keys().find(|conn| !picker.is_open_sender(**conn)).copied();
            oldest.and_then(|conn| self.absent.0.remove(&conn));
        }
    }

    /// A piece has ended: of these senders those are forgotten that left and against whom nothing else is
    /// open.
    pub(super) fn forget_senders(&mut self, conns: &[ConnId]) {
        for conn in conns {
            let idle = self.absent.0.get(conn).is_some_and(|gone| !gone.parole);
            if idle && !self.picker.is_open_sender(*conn) {
                self.absent.0.remove(conn);
            }
        }
    }

    /// A peer that left on parole and comes back is on parole.
    pub(super) fn resume_parole(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn)
            && self.absent.takes_up_parole(&peer.who)
        {
            peer.trust.parole = true;
        }
    }

    /// It is among the senders of a failed piece.
    pub(super) fn suspect(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.trust.parole = true;
        } else if let Some(gone) = self.absent.0.get_mut(&conn) {
            gone.parole = true;
        }
    }

    /// A piece that failed before passed: its blocks tell who lied. Those who did not are on parole no more,
    /// unless for another piece.
    pub(super) fn piece_judged(&mut self, now: Time, piece: PieceIndex, guilty: &[ConnId]) {
        let suspects = self.picker.take_suspects(piece);
        for conn in suspects.iter().filter(|conn| !guilty.contains(conn)) {
            if self.picker.is_suspect(*conn) {
                continue;
            }
            if let Some(peer) = self.peers.get_mut(conn) {
                peer.trust.parole = false;
                self.hungry.insert(*conn);
            } else if let Some(gone) = self.absent.0.get_mut(conn) {
                gone.parole = false;
            }
        }
        guilty.iter().for_each(|conn| self.convict(now, *conn));
        self.forget_senders(&suspects);
    }

    /// It sent corrupt data: it goes, if it is still here, and its address is shut out, with whoever came
    /// back from there under the same name.
    pub(super) fn convict(&mut self, now: Time, conn: ConnId) {
        if self.peers.contains_key(&conn) {
            return self.fault(now, conn, Fault::CorruptData);
        }
        let Some(gone) = self.absent.0.remove(&conn) else { return };
        *self.tally.faults.entry(Disconnect::Fault(Fault::CorruptData).code()).or_default() += 1;
        self.shut_out(now, gone.addr, gone.listens, gone.id);
    }

    /// Bans an address, and parts with whoever is here from it under this name.
    pub(super) fn shut_out(&mut self, now: Time, addr: SocketAddr, listens: SocketAddr, id: PeerId) {
        self.book.ban(listens, id, now + self.config.ban_time);
        self.out.push_back(crate::Output::Event(Event::PeerBanned { addr }));
        let back = |peer: &&Peer| peer.who.peer_id == id && peer.who.addr.ip() == addr.ip();
        let back: Vec<ConnId> = self.peers.values().filter(back).map(|peer| peer.who.conn).collect();
        back.into_iter().for_each(|conn| self.part_with(now, conn, Disconnect::Banned));
    }
}
