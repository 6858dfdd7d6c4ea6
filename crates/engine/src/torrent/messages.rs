//! What peers say.

use types::{Bitfield, BlockRef, PieceIndex, Time};
use wire::Message;

use super::Torrent;
use crate::picker::Pieces;
use crate::{ConnId, Fault};

/// Messages without effect that a peer may send at once, and in a second on the whole.
const IDLE_MESSAGES: u32 = 1_000;
pub(super) const IDLE_MESSAGES_A_SECOND: u32 = 10;

impl Torrent {
    /// The first messages to a peer: what we have, and the extension handshake.
    pub(super) fn greet(&mut self, now: Time, conn: ConnId) {
        let Some(peer) = self.peers.get(&conn) else { return };
        let (fast, extended, addr) = (peer.fast(), peer.who.common.extension_protocol(), peer.who.addr);
        if self.hides() {
            if fast {
                self.send(now, conn, Message::HaveNone);
            }
            self.hide_from(conn);
            if extended {
                self.introduce(now, conn, addr.ip());
            }
            return;
        }
        let have = self.picker.have();
        match (have.count(), self.is_known() && have.is_full()) {
            (_, true) if fast => self.send(now, conn, Message::HaveAll),
            (0, _) if fast => self.send(now, conn, Message::HaveNone),
            (0, _) => {}
            _ => {
                let bytes = have.as_bytes().into_owned();
                self.send(now, conn, Message::Bitfield(&bytes));
            }
        }
        if extended {
            self.introduce(now, conn, addr.ip());
        }
    }

    pub(super) fn message(&mut self, now: Time, conn: ConnId, message: Message<'_>) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.clock.heard = now;
        let fast = peer.fast();
        match message {
            Message::Have(_) | Message::Bitfield(_) if !self.is_known() => self.early(conn, message),
            Message::HaveAll | Message::HaveNone if fast && !self.is_known() => self.early(conn, message),
            Message::Suggest(_) | Message::AllowedFast(_) if !self.is_known() => self.without_effect(conn),
            Message::Choke => self.choked(now, conn),
            Message::Unchoke => self.unchoked(conn),
            Message::Interested => self.interested(now, conn, true),
            Message::NotInterested => self.interested(now, conn, false),
            Message::Have(piece) => self.peer_has(now, conn, piece),
            Message::Bitfield(bytes) => {
                let bits =
                    Bitfield::from_bytes(bytes, self.geometry.pieces()).map_err(|_| Fault::BadBitfield)?;
                self.peer_pieces(now, conn, Pieces::Some(bits))
            }
            Message::HaveAll if fast => self.peer_pieces(now, conn, Pieces::All),
            Message::HaveNone if fast => {
                self.peer_pieces(now, conn, Pieces::Some(Bitfield::new(self.geometry.pieces())))
            }
            Message::Request(block) => self.requested(now, conn, block),
            Message::Cancel(block) => {
                self.cancelled(now, conn, block);
                self.without_effect(conn)
            }
            Message::Reject(block) if fast => self.rejected(conn, block),
            Message::Suggest(piece) if fast => self.offered(conn, piece, false),
            Message::AllowedFast(piece) if fast => self.offered(conn, piece, true),
            Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::Suggest(_)
            | Message::AllowedFast(_) => Err(Fault::NotNegotiated),
            Message::HashRequest(range) => {
                self.send(now, conn, Message::HashReject(range));
                self.without_effect(conn)
            }
            Message::Extended { id, payload } => self.extended(now, conn, id, payload),
            // Payload travels by `expect_block`; what else there is we have not agreed on, or need not know.
            Message::Piece { .. } => Err(Fault::BadMessage),
            _ => self.without_effect(conn),
        }
    }

    /// Messages without effect are patience spent.
    pub(super) fn without_effect(&mut self, conn: ConnId) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.trust.idle_messages += 1;
        if peer.trust.idle_messages > IDLE_MESSAGES { Err(Fault::MessageFlood) } else { Ok(()) }
    }

    /// The peer would rather send this piece, or sends it although it chokes us (BEP 6).
    fn offered(&mut self, conn: ConnId, piece: PieceIndex, allowed: bool) -> Result<(), Fault> {
        if !self.geometry.has_piece(piece) {
            return Err(Fault::PieceOutOfRange);
        }
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if !allowed {
            peer.sets.suggest(piece);
        } else if peer.sets.allow(piece) {
            self.hungry.insert(conn);
            return Ok(());
        }
        self.without_effect(conn)
    }

    fn choked(&mut self, now: Time, conn: ConnId) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if peer.interest.choked {
            return self.without_effect(conn);
        }
        peer.interest.choked = true;
        if !peer.fast() {
            // All requests are void; what is on its way may still come (BEP 3).
            self.take_back(now, conn, false);
        }
        self.hungry.insert(conn);
        self.without_effect(conn)
    }

    fn unchoked(&mut self, conn: ConnId) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.interest.choked = false;
        self.hungry.insert(conn);
        self.without_effect(conn)
    }

    fn interested(&mut self, now: Time, conn: ConnId, interested: bool) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let changed = peer.interest.theirs != interested;
        peer.interest.theirs = interested;
        if changed && peer.wants_slot() {
            self.begin_fairly(conn);
            self.offer_slot(now, conn);
        }
        self.without_effect(conn)
    }

    pub(super) fn peer_has(&mut self, now: Time, conn: ConnId, piece: PieceIndex) -> Result<(), Fault> {
        if !self.geometry.has_piece(piece) {
            return Err(Fault::PieceOutOfRange);
        }
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.trust.spoke = true;
        let (fresh, full) = match &mut peer.pieces {
            Pieces::All => (false, true),
            Pieces::Some(bits) => (bits.insert(piece.0), bits.is_full()),
        };
        if !fresh {
            return self.without_effect(conn);
        }
        self.picker.peer_has(piece);
        if full {
            self.picker.peer(&peer.pieces, false);
            peer.pieces = Pieces::All;
            self.picker.peer(&peer.pieces, true);
        }
        if self.picker.is_sought(piece) {
            self.set_interest(now, conn, true);
            self.hungry.insert(conn);
        }
        self.passed_on(now);
        if full {
            self.part_from_seeds(now);
        }
        Ok(())
    }

    /// The first word about what a peer has. BEP 3 has it come once; aria2 says many `have` as one more
    /// bitfield.
    fn peer_pieces(&mut self, now: Time, conn: ConnId, pieces: Pieces) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if peer.trust.spoke {
            return match pieces {
                Pieces::Some(bits) if bits.count() > 0 => self.peer_has_more(now, conn, &bits),
                _ => Err(Fault::BadBitfield),
            };
        }
        peer.trust.spoke = true;
        let pieces = match pieces {
            Pieces::Some(bits) if bits.is_full() => Pieces::All,
            other => other,
        };
        self.picker.peer(&peer.pieces, false);
        peer.pieces = pieces;
        self.picker.peer(&peer.pieces, true);
        let wanted = self.picker.is_interesting(&peer.pieces);
        self.set_interest(now, conn, wanted);
        self.part_from_seeds(now);
        self.grant_fast(now, conn);
        self.show_to(now, conn);
        Ok(())
    }

    /// A later bitfield only adds: what it leaves out stays. Without anything new it is a message without
    /// effect.
    fn peer_has_more(&mut self, now: Time, conn: ConnId, bits: &Bitfield) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let fresh: Vec<PieceIndex> =
            bits.ones().map(PieceIndex).filter(|piece| !peer.pieces.has(*piece)).collect();
        if fresh.is_empty() {
            return self.without_effect(conn);
        }
        fresh.into_iter().try_for_each(|piece| self.peer_has(now, conn, piece))
    }

    /// The peer will not send a block we asked for (BEP 6).
    fn rejected(&mut self, conn: ConnId, block: BlockRef) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if !peer.requests.owes(block) {
            // What we cancelled is refused as it should be (BEP 6); what we never asked for is noise.
            let cancelled = peer.requests.rejected(block);
            return if cancelled { Ok(()) } else { self.without_effect(conn) };
        }
        peer.requests.rejected(block);
        peer.sets.refused(block.piece);
        self.picker.release(block);
        let choked = peer.interest.choked;
        // Another one may have it; asking the same peer at once again for it would be a loop.
        self.picker.disown(conn);
        if !choked && peer.requests.refused(block.piece) {
            self.hungry.insert(conn);
        }
        self.hungry.extend(self.peers.keys().filter(|other| **other != conn || choked));
        self.without_effect(conn)
    }
}
