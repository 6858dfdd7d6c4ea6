//! Asking peers for blocks, and what becomes of them.

use std::time::Duration;

use metainfo::Mismatch;
use types::{Bitfield, BlockRef, Geometry, PieceIndex, Time};
use wire::Message;

use super::{Torrent, urgent};
use crate::peer::Peer;
use crate::picker::{Asker, Received, Senders};
use crate::{Arrival, ConnId, DiskTrouble, Event, Fault, Output};

/// Blocks never asked for that a peer may send before it is dropped; crossed cancels and restarts explain a
/// few.
const UNASKED: u32 = 64;

/// As many pieces as a fast peer brings in this time it fetches side by side.
const ABREAST_FOR: Duration = Duration::from_millis(500);
/// Who brings less, in bytes a second, fetches one piece after the other: what their hashes cost is not worth a piece begun.
const FAST: f64 = 2e6;
/// The most pieces that one peer fetches side by side: as many as the widest kernel hashes at once.
const MOST_ABREAST: u32 = hash::MAX_LANES as u32;

/// How many pieces a peer of this rate, in bytes a second, fetches side by side: as many as it brings in [`ABREAST_FOR`], so
/// that none is whole much later than it would be alone.
fn abreast(rate: f64, geometry: &Geometry) -> u32 {
    if rate < FAST {
        return 1;
    }
    let pieces = rate * ABREAST_FOR.as_secs_f64() / f64::from(geometry.piece_len(PieceIndex(0)).max(1));
    (pieces as u32).clamp(1, MOST_ABREAST)
}

impl Torrent {
    /// Asks every hungry peer for as much as its queue holds. Where readers wait the quick ones are asked
    /// first.
    pub(super) fn feed(&mut self, now: Time) {
        if self.hungry.is_empty() {
            return;
        }
        if !self.picker.has_demand() {
            while let Some(conn) = self.hungry.pop_first() {
                self.ask(now, conn, Duration::ZERO);
            }
            return;
        }
        let patience = self.patience(now);
        for conn in self.quick_first(now) {
            self.ask(now, conn, patience);
        }
    }

    fn ask(&mut self, now: Time, conn: ConnId, patience: Duration) {
        if !self.may_fetch() || !self.state.running {
            return;
        }
        let parole = self.peers.get(&conn).is_some_and(|peer| peer.trust.parole);
        let alone = parole && !self.peers.values().any(Peer::serves);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let choked = peer.interest.choked;
        if !peer.interest.ours || choked && peer.sets.allowed().is_empty() {
            return;
        }
        let room = peer.requests.room();
        let idle = peer.requests.len() == 0;
        let open = peer.requests.open(&peer.pieces, self.geometry.pieces());
        let pace = urgent::pace(peer, now, patience);
        let pieces = open.as_ref().unwrap_or(&peer.pieces);
        let abreast = abreast(peer.requests.burst(), &self.geometry);
        let (suggested, queue) = (peer.sets.suggested(), peer.requests.len() + room);
        let asker = Asker { conn, pieces, parole, alone, pace, suggested, abreast, queue };
        let blocks = match choked {
            true => self.picker.pick_of(asker, peer.sets.allowed(), room),
            false => self.picker.pick(asker, room, &mut self.rng),
        };
        if blocks.is_empty() && idle && room > 0 && !choked {
            return self.ask_nothing_new(now, conn);
        }
        blocks.iter().for_each(|block| peer.requests.ask(now, *block));
        blocks.into_iter().for_each(|block| self.send(now, conn, Message::Request(block)));
    }

    /// Whether what comes could be of use.
    pub(super) fn may_fetch(&self) -> bool {
        self.state.trouble.is_none() && self.state.contradiction.is_none()
    }

    /// There is nothing that only this idle peer could fetch: it helps a slow one out, or is of no interest
    /// any more.
    fn ask_nothing_new(&mut self, now: Time, conn: ConnId) {
        // Who never brought anything helps when nobody else can, at the next tick.
        let proven = self.peers.get(&conn).is_some_and(|peer| peer.requests.is_proven());
        if proven && self.picker.is_endgame(&mut self.rng) && self.rescue(now, conn) {
            return;
        }
        let useful = self.peers.get(&conn).is_some_and(|peer| self.picker.is_interesting(&peer.pieces));
        self.set_interest(now, conn, useful);
    }

    /// Bytes of a block that count: padding is no payload (BEP 47). Of a block that is none of ours every
    /// byte counts.
    pub(super) fn data_in(&self, block: BlockRef) -> u64 {
        let ours = self.geometry.contains(block);
        u64::from(if ours { self.geometry.data_in(block) } else { block.len })
    }

    /// What a block whose header has come is worth.
    pub(super) fn arrival(&mut self, now: Time, conn: ConnId, block: BlockRef) -> Arrival {
        let data = self.data_in(block);
        let may_fetch = self.may_fetch();
        let Some(peer) = self.peers.get_mut(&conn) else { return Arrival::Skip };
        peer.clock.heard = now;
        let len = u64::from(block.len);
        self.tally.down.add(now, data);
        if !peer.requests.begins(block) {
            self.tally.waste.unasked += data;
            if peer.requests.unasked() > UNASKED {
                self.fault(now, conn, Fault::UnaskedData);
            }
            return Arrival::Unasked;
        }
        if may_fetch && self.picker.needs(block) {
            peer.requests.takes_in(block);
            return Arrival::Take;
        }
        // It counts as delivered: the peer kept its word.
        self.tally.waste.duplicate += data;
        let rate = peer.down.rate(now);
        peer.requests.arrived(now, rate);
        peer.down.add(now, len);
        self.picker.release(block);
        self.hungry.insert(conn);
        Arrival::Skip
    }

    pub(super) fn block_received(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.down.add(now, block.len.into());
            let rate = peer.down.rate(now);
            peer.requests.arrived(now, rate);
            peer.clock.heard = now;
            self.hungry.insert(conn);
        }
        match self.picker.receive(block, conn) {
            Received::New { asked } if asked > 1 => self.cancel_copies(now, conn, block),
            Received::New { .. } => {}
            Received::Useless => self.tally.waste.duplicate += self.data_in(block),
        }
    }

    /// The others that were asked for the block need not send it.
    fn cancel_copies(&mut self, now: Time, winner: ConnId, block: BlockRef) {
        let mut losers = Vec::new();
        for peer in self.peers.values_mut().filter(|peer| peer.who.conn != winner) {
            if peer.requests.forgive(block) {
                losers.push(peer.who.conn);
            }
        }
        for conn in losers {
            self.send(now, conn, Message::Cancel(block));
            self.hungry.insert(conn);
        }
    }

    /// Takes back everything asked of a peer. With `cancel` the peer is told.
    pub(super) fn take_back(&mut self, now: Time, conn: ConnId, cancel: bool) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let blocks = peer.requests.give_up();
        for block in blocks {
            self.picker.release(block);
            if cancel {
                self.send(now, conn, Message::Cancel(block));
            }
        }
        self.picker.disown(conn);
        self.hungry.extend(self.peers.keys().filter(|other| **other != conn));
    }

    pub(super) fn piece_stored(&mut self, now: Time, piece: PieceIndex) {
        let wanted = self.picker.lacks(piece.0);
        let Some(senders) = self.picker.passed(piece) else { return };
        if let Senders { conns, complete: true } = &senders
            && let [only] = conns[..]
            && let Some(peer) = self.peers.get_mut(&only)
        {
            peer.trust.parole = false;
            self.hungry.insert(only);
        }
        self.forget_senders(&senders.conns);
        self.out.push_back(Output::Event(Event::PieceCompleted(piece)));
        self.announce(now, piece);
        if wanted && self.is_complete() {
            self.completed(now);
        }
        self.tell_upload_only(now);
        self.stake(now);
    }

    /// Tells everyone who lacks it that a piece is here.
    fn announce(&mut self, now: Time, piece: PieceIndex) {
        let told = |conn| self.superseed.shows(conn, piece);
        let lacking = self.peers.values().filter(|peer| !peer.pieces.has(piece) && told(peer.who.conn));
        let lacking: Vec<ConnId> = lacking.map(|peer| peer.who.conn).collect();
        lacking.into_iter().for_each(|conn| self.send(now, conn, Message::Have(piece)));
    }

    pub(super) fn completed(&mut self, now: Time) {
        self.out.push_back(Output::Event(Event::Completed));
        self.review_interest(now);
        self.part_from_seeds(now);
        self.part_if_useless(now);
        self.tell_upload_only(now);
        self.choke_round(now);
    }

    /// The hash failed. A piece of one sender convicts it, unless it went over a disk that may be to blame;
    /// of several, each gets its next piece alone. A torrent whose own hashes contradict each other is
    /// nobody's fault, and asking again would never end; but where its two sides were hashed from bytes that
    /// came and bytes that were read back, it may be the disk that contradicts itself.
    pub(super) fn piece_failed(&mut self, now: Time, piece: PieceIndex, why: Mismatch, read_back: bool) {
        // Padding is known to be zeros (BEP 47): a piece of it alone has its hash, or the torrent is wrong.
        let padding = self.geometry.piece_data_len(piece) == 0;
        let by_data = match why {
            Mismatch::V1(_) | Mismatch::V2(_) => true,
            Mismatch::Inconsistent(_) => read_back,
            _ => false,
        };
        if padding || !by_data {
            return self.contradicts_itself(now, why);
        }
        let Senders { conns, complete } = self.picker.failed(piece);
        self.tally.waste.failed += u64::from(self.geometry.piece_data_len(piece));
        self.out.push_back(Output::Event(Event::PieceFailed(piece)));
        if let ([only], true) = (&conns[..], complete && !read_back) {
            self.convict(now, *only);
        } else {
            conns.iter().for_each(|conn| self.suspect(*conn));
        }
        self.forget_senders(&conns);
        // It may be one that we had: then nobody's interest counts on it yet.
        self.review_interest(now);
    }

    /// A piece can't be read, or may be lost: it does not count until the data path has hashed it again.
    pub(super) fn piece_doubtful(&mut self, now: Time, piece: PieceIndex, why: &DiskTrouble) {
        if self.picker.doubt(piece) {
            self.state.withdrawn.insert(piece);
            self.refuse_withdrawn(now);
            self.retract(now, piece);
            self.tell_upload_only(now);
        }
        self.out.push_back(Output::Event(Event::PieceDoubtful { piece, trouble: why.clone() }));
    }

    pub(super) fn disk_trouble(&mut self, now: Time, trouble: &DiskTrouble) {
        if self.state.trouble.is_none() {
            self.out.push_back(Output::Event(Event::DiskTrouble(trouble.clone())));
        }
        self.state.trouble = Some(trouble.clone());
        self.take_back_all(now);
    }

    fn contradicts_itself(&mut self, now: Time, why: Mismatch) {
        if self.state.contradiction.replace(why).is_none() {
            self.out.push_back(Output::Event(Event::Contradictory(why)));
            self.take_back_all(now);
        }
    }

    fn take_back_all(&mut self, now: Time) {
        let all: Vec<ConnId> = self.peers.keys().copied().collect();
        all.into_iter().for_each(|conn| self.take_back(now, conn, true));
    }

    pub(super) fn disk_clear(&mut self) {
        if self.state.trouble.take().is_some() {
            self.out.push_back(Output::Event(Event::DiskRecovered));
            self.hungry.extend(self.peers.keys());
        }
    }

    /// A recheck found what is really here.
    pub(super) fn replace_have(&mut self, now: Time, have: Bitfield) {
        let was_complete = self.is_complete();
        let before = self.picker.have().clone();
        let fresh = self.picker.replace_have(have);
        self.absent.clear();
        let have = self.picker.have();
        let lost: Vec<PieceIndex> = before.ones().filter(|&i| !have.get(i)).map(PieceIndex).collect();
        self.state.withdrawn.extend(&lost);
        self.refuse_withdrawn(now);
        lost.into_iter().for_each(|piece| self.retract(now, piece));
        fresh.into_iter().for_each(|piece| self.announce(now, piece));
        if self.is_complete() && !was_complete {
            self.completed(now);
        }
        self.review_interest(now);
        self.tell_upload_only(now);
    }
}
