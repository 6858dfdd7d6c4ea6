//! Pieces that go away, here and at peers (BEP 54), and ends that want nothing (BEP 21).

use std::time::Duration;

use types::{Bitfield, PieceIndex, Time};
use wire::extended::{DontHave, UploadOnly};

use super::Torrent;
use crate::extension::Extension;
use crate::peer::Peer;
use crate::picker::Pieces;
use crate::{ConnId, Disconnect, Fault};

/// Two ends that want nothing for so long part, though not everything is here: before, one of them may be
/// about to want more.
const PATIENCE: Duration = Duration::from_secs(60);

impl Torrent {
    /// Tells everyone who understands it that a piece is not here any more.
    pub(super) fn retract(&mut self, now: Time, piece: PieceIndex) {
        let all: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in all {
            self.send_extension(now, conn, Extension::DontHave, &DontHave(piece).encode());
        }
    }

    /// A peer lost a piece.
    pub(super) fn peer_lost(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        let decoded = DontHave::decode(payload).ok().filter(|_| self.is_known());
        let Some(DontHave(piece)) = decoded else { return self.without_effect(conn) };
        if !self.geometry.has_piece(piece) {
            return Err(Fault::PieceOutOfRange);
        }
        let Some(peer) = self.peers.get_mut(&conn).filter(|peer| peer.pieces.has(piece)) else {
            return self.without_effect(conn);
        };
        match &mut peer.pieces {
            Pieces::Some(bits) => {
                bits.remove(piece.0);
                self.picker.peer_lost(piece);
            }
            Pieces::All => {
                self.picker.peer(&Pieces::All, false);
                let mut bits = Bitfield::full(self.geometry.pieces());
                bits.remove(piece.0);
                peer.pieces = Pieces::Some(bits);
                self.picker.peer(&peer.pieces, true);
            }
        }
        peer.requests.forgive_piece(piece).into_iter().for_each(|block| self.picker.release(block));
        let goes_on = peer.requests.goes_on();
        let wanted = self.picker.is_interesting(&peer.pieces);
        self.picker.disown(conn);
        self.set_interest(now, conn, wanted);
        self.hungry.extend(self.peers.keys().filter(|other| **other != conn || goes_on));
        self.without_effect(conn)
    }

    /// The peer stops to download, or begins again (BEP 21).
    pub(super) fn upload_only(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        if let (Ok(UploadOnly(on)), Some(peer)) = (UploadOnly::decode(payload), self.peers.get_mut(&conn)) {
            peer.theirs.say_upload_only(now, on);
            self.part_from_seeds(now);
        }
        self.without_effect(conn)
    }

    /// Two ends that want nothing of each other make room for others.
    pub(super) fn part_from_seeds(&mut self, now: Time) {
        if self.is_known() && self.picker.have().is_full() {
            self.part_from(now, Peer::is_seed);
        }
    }

    /// The same where not everything is here, after a while.
    pub(super) fn part_from_idle_ends(&mut self, now: Time) {
        let long = |since: Time| now.since(since) >= PATIENCE;
        if self.is_known() && self.state.upload_only && long(self.state.upload_only_since) {
            self.part_from(now, |peer| peer.theirs.upload_only.is_some_and(long));
        }
    }

    fn part_from(&mut self, now: Time, idle: impl Fn(&Peer) -> bool) {
        let all = self.peers.values().filter(|peer| idle(peer)).map(|peer| peer.who.conn);
        let all: Vec<ConnId> = all.collect();
        all.into_iter().for_each(|conn| self.part_with(now, conn, Disconnect::Useless));
    }
}
