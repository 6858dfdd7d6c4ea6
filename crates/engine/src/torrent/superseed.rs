//! Super-seeding (BEP 16): who is shown what.

use types::{BlockRef, PieceIndex, Time};
use wire::Message;

use super::Torrent;
use crate::superseed::Progress;
use crate::{ConnId, Disconnect};

/// When super-seeding ends each peer is told of so many pieces one by one. Of more it is better told anew.
const FEW: usize = 1_000;

impl Torrent {
    /// Whether peers that come are told that nothing is here.
    pub(super) fn hides(&self) -> bool {
        self.state.super_seeding && self.is_known() && self.picker.have().is_full()
    }

    /// A peer came that was told that nothing is here.
    pub(super) fn hide_from(&mut self, conn: ConnId) {
        self.superseed.join(conn);
    }

    /// The user wants to super-seed, or no more. Who is connected keeps what he knows; at the end everybody
    /// is told.
    pub(super) fn set_super_seeding(&mut self, now: Time, on: bool) {
        self.state.super_seeding = on;
        if on {
            return;
        }
        let ended = std::mem::take(&mut self.superseed);
        for conn in ended.peers() {
            let here = self.picker.have().ones().map(PieceIndex);
            let hidden: Vec<PieceIndex> = here.filter(|piece| !ended.shows(conn, *piece)).collect();
            match hidden.len() > FEW {
                true => self.part_with(now, conn, Disconnect::Stopped),
                false => hidden.into_iter().for_each(|piece| self.send(now, conn, Message::Have(piece))),
            }
        }
        self.tell_upload_only(now);
    }

    /// Shows pieces to everyone who has passed on what he had.
    pub(super) fn show_pieces(&mut self, now: Time) {
        self.superseed.peers().into_iter().for_each(|conn| self.show_to(now, conn));
    }

    /// Shows a peer what it may have next.
    pub(super) fn show_to(&mut self, now: Time, conn: ConnId) {
        let Torrent { superseed, picker, peers, geometry, rng, .. } = self;
        let Some(peer) = peers.get(&conn) else { return };
        superseed.review(now, conn, |piece| match (peer.pieces.has(piece), picker.availability(piece)) {
            (false, _) => Progress::Missing,
            (true, 0 | 1) => Progress::Fetched,
            (true, _) => Progress::PassedOn,
        });
        let mut shown = Vec::new();
        let lacks = |piece: PieceIndex| picker.have().get(piece.0) && !peer.pieces.has(piece);
        let copies = |piece| picker.availability(piece);
        while let Some(piece) = superseed.show(now, conn, geometry.pieces(), copies, lacks, rng) {
            shown.push(piece);
        }
        shown.into_iter().for_each(|piece| self.send(now, conn, Message::Have(piece)));
    }

    /// A block left. Whoever was sent a whole piece has it, whether it says so or not.
    pub(super) fn shown_left(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        let piece_len = self.geometry.piece_len(block.piece);
        let lacks = self.peers.get(&conn).is_some_and(|peer| !peer.pieces.has(block.piece));
        if self.superseed.sent(conn, block.piece, block.len, piece_len) && lacks {
            // Never an error: the piece is inside the torrent.
            let _ = self.peer_has(now, conn, block.piece);
        }
    }

    /// A peer told of a piece: somebody passed it on.
    pub(super) fn passed_on(&mut self, now: Time) {
        if !self.superseed.is_empty() {
            self.show_pieces(now);
        }
    }
}
