//! Answering peers: slots, requests, blocks.

use std::collections::BTreeSet;

use types::{BLOCK_LEN, BlockRef, Time};
use wire::Message;

use super::Torrent;
use crate::choker::{Candidate, FULL_TURN};
use crate::peer::{Asked, Asking, Peer};
use crate::{ConnId, Fault, Output, UploadMode};

/// A full turn of a slot while seeding, in pieces (libtorrent's measure as well).
const TURN_PIECES: u64 = 20;

impl Torrent {
    /// Whether peers are served now.
    pub(super) fn uploads(&self) -> bool {
        self.state.upload.serves(self.is_complete())
    }

    pub(super) fn set_upload(&mut self, now: Time, mode: UploadMode) {
        self.state.upload = mode;
        self.choke_round(now);
        self.part_if_useless(now);
        self.dial(now);
    }

    /// Who was to serve as long as it fetches, and fetches no more, takes nobody's place.
    pub(super) fn part_if_useless(&mut self, now: Time) {
        if self.is_complete() && self.state.upload == UploadMode::WhileDownloading {
            self.part_with_all(now);
        }
    }

    /// Hands out the slots anew.
    pub(super) fn choke_round(&mut self, now: Time) {
        let seeding = self.gives_alone();
        let pieces = self.geometry.pieces();
        let candidates: Vec<Candidate> =
            self.peers.values_mut().map(|peer| peer.candidate(now, pieces)).collect();
        let turn = TURN_PIECES * u64::from(self.geometry.nominal_piece_len());
        let chosen: BTreeSet<ConnId> = match self.uploads() {
            true => self.choker.round(now, seeding, turn, &candidates).into_iter().collect(),
            false => BTreeSet::new(),
        };
        for peer in candidates {
            match (chosen.contains(&peer.conn), peer.unchoked) {
                (true, false) => self.unchoke(now, peer.conn),
                (false, true) => {
                    // Who took nothing of its turn has had it all the same: it waits as long as the others
                    // for the next.
                    if seeding && peer.served == 0 && now.since(peer.since) >= FULL_TURN {
                        self.charge(peer.conn, turn);
                    }
                    self.choke(now, peer.conn);
                }
                _ => {}
            }
        }
    }

    fn charge(&mut self, conn: ConnId, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.uploads.level += bytes;
        }
    }

    /// A peer became interested: to have been away is no claim on what the others have had since.
    pub(super) fn begin_fairly(&mut self, conn: ConnId) {
        let others = self.peers.values().filter(|peer| peer.interest.theirs && peer.who.conn != conn);
        let least = others.map(|peer| peer.uploads.level).min().unwrap_or(0);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.uploads.level = peer.uploads.level.max(least);
        }
    }

    /// A peer became interested: a free slot is given at once, not at the next round.
    pub(super) fn offer_slot(&mut self, now: Time, conn: ConnId) {
        let taken = self.peers.values().filter(|peer| !peer.uploads.is_choked()).count();
        if self.uploads() && taken < self.choker.slots(self.gives_alone()) {
            self.unchoke(now, conn);
        }
    }

    fn unchoke(&mut self, now: Time, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.uploads.is_choked() {
            peer.uploads.unchoke(now);
            self.send(now, conn, Message::Unchoke);
        }
    }

    fn choke(&mut self, now: Time, conn: ConnId) {
        let uploads = self.uploads();
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let (fast, has) = (peer.fast(), peer.has(self.geometry.pieces()));
        let free = |piece| uploads && fast && peer.sets.grants(piece, has);
        let dropped = peer.uploads.choke(now, free);
        self.send(now, conn, Message::Choke);
        // With the fast extension every request gets an answer; without it a choke is the answer to all
        // (BEP 6).
        for block in dropped.into_iter().filter(|_| fast) {
            self.send(now, conn, Message::Reject(block));
        }
    }

    /// Tells a peer that begins which pieces it may have without a slot: the same set whatever we have
    /// (BEP 6). No more peers at a time than there are slots: beside them a slow line would give nobody
    /// anything in time.
    pub(super) fn grant_fast(&mut self, now: Time, conn: ConnId) {
        let (pieces, piece_len) = (self.geometry.pieces(), self.geometry.nominal_piece_len());
        let begins = |peer: &Peer| peer.uploads.is_choked() && peer.sets.is_open(peer.has(pieces));
        let slots = self.choker.slots(self.gives_alone());
        let may =
            self.uploads() && !self.hides() && self.peers.values().filter(|p| begins(p)).count() < slots;
        let Some(peer) = self.peers.get_mut(&conn).filter(|peer| peer.fast() && may) else { return };
        let (ip, has, torrent) = (peer.who.addr.ip(), peer.has(pieces), self.hashes.primary());
        let set = peer.sets.grant(ip, torrent, pieces, piece_len, has).to_vec();
        set.into_iter().for_each(|piece| self.send(now, conn, Message::AllowedFast(piece)));
    }

    /// A peer asks for a block.
    pub(super) fn requested(&mut self, now: Time, conn: ConnId, block: BlockRef) -> Result<(), Fault> {
        let v2 = self.hashes.get_v2().is_some();
        let inside = self.geometry.contains(block) || v2 && self.geometry.contains_with_gap(block);
        if !inside {
            return Err(Fault::BadRequest);
        }
        let (limit, uploads) = (self.config.accept_requests as usize, self.uploads());
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        // Nobody needs runs longer than a block; clients that ask for them take a refusal.
        let here = self.picker.have().get(block.piece.0) && block.len <= BLOCK_LEN;
        let here = here && self.superseed.shows(conn, block.piece);
        let has = peer.has(self.geometry.pieces());
        let free = here && uploads && peer.uploads.is_choked() && peer.sets.spend(block, has);
        let who = Asking { interested: peer.interest.theirs, free };
        let asked = if here { peer.uploads.ask(now, block, limit, who)? } else { Asked::Refused };
        match (asked, peer.fast()) {
            (Asked::Queued, _) => self.serve(now, conn),
            (Asked::Refused, true) => self.send(now, conn, Message::Reject(block)),
            // Without the fast extension there is no refusal; one for a piece that we never had is a mistake
            // of the peer.
            (Asked::Refused, false) if !here && !self.state.withdrawn.contains(&block.piece) => {
                return Err(Fault::BadRequest);
            }
            (Asked::Refused, false) => {}
        }
        Ok(())
    }

    /// A peer takes a request back. The fast extension wants an answer all the same (BEP 6).
    pub(super) fn cancelled(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.uploads.cancel(block) && peer.fast() {
            self.send(now, conn, Message::Reject(block));
        }
    }

    /// Refuses what waits of pieces that went away. What the data path holds it gives back by itself.
    pub(super) fn refuse_withdrawn(&mut self, now: Time) {
        let have = self.picker.have();
        let mut refused = Vec::new();
        for peer in self.peers.values_mut() {
            let (conn, fast) = (peer.who.conn, peer.fast());
            let gone = peer.uploads.withdraw(|piece| have.get(piece.0));
            refused.extend(gone.into_iter().filter(|_| fast).map(|block| (conn, block)));
        }
        refused.into_iter().for_each(|(conn, block)| self.send(now, conn, Message::Reject(block)));
    }

    /// Hands waiting blocks to the data path, a few ahead of the socket.
    pub(super) fn serve(&mut self, now: Time, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        // What needs no slot does not hold up those who have one.
        let least = self.config.send_ahead;
        let ahead = if peer.uploads.is_choked() { 1 } else { peer.uploads.ahead(now, least) };
        while let Some(block) = peer.uploads.next(ahead) {
            peer.clock.spoke = now;
            self.out.push_back(Output::SendBlock { conn, block });
        }
    }

    pub(super) fn block_sent(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        self.tally.up.add(now, self.data_in(block));
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.uploads.sent(now, block.len.into());
            self.serve(now, conn);
            self.shown_left(now, conn, block);
        }
    }

    pub(super) fn block_unreadable(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.uploads.unreadable();
        if peer.fast() {
            self.send(now, conn, Message::Reject(block));
        }
        self.serve(now, conn);
    }
}
