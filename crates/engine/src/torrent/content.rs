//! The moment at which a torrent's content becomes known, and what peers said before it.

use types::{Bitfield, Geometry, PeerSource, PieceIndex, Time};
use wire::Message;

use super::{Content, Metadata, Torrent};
use crate::picker::Picker;
use crate::{ConnId, Disconnect, Fault};

/// So many pieces that are here already are told to peers one by one. With more it is better to greet them
/// anew.
const FEW: u32 = 1_000;

/// The picker of a torrent with this content.
pub(super) fn picker(
    geometry: &Geometry,
    have: Bitfield,
    wanted: Bitfield,
    unhashed: &[(PieceIndex, Bitfield)],
) -> Picker {
    let mut picker = Picker::new(geometry.clone(), have, wanted);
    unhashed.iter().for_each(|(piece, blocks)| picker.restore(*piece, blocks));
    picker
}

impl Torrent {
    /// A message about pieces of a torrent whose pieces nobody knows here.
    pub(super) fn early(&mut self, conn: ConnId, message: Message<'_>) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let spoke = std::mem::replace(&mut peer.trust.spoke, true);
        match message {
            Message::Have(piece) => peer.early.have(piece)?,
            Message::Bitfield(bytes) => peer.early.bitfield(bytes)?,
            Message::HaveAll | Message::HaveNone if spoke => return Err(Fault::BadBitfield),
            Message::HaveAll => peer.early.have_all(),
            _ => {}
        }
        self.without_effect(conn)
    }

    /// The files are known.
    pub(super) fn learn_content(&mut self, now: Time, content: Content) {
        let bytes = match &mut self.metadata {
            Metadata::Here(_) => return,
            Metadata::Unread(bytes) => Some(bytes.clone()),
            Metadata::Missing(_) => None,
        };
        let Content { geometry, have, wanted, unhashed, private, info } = content;
        self.metadata = Metadata::Here(info.or(bytes));
        self.picker = picker(&geometry, have, wanted, &unhashed);
        self.picker.share(self.share.is_on());
        self.geometry = geometry;
        (self.state.private, self.state.discreet) = (private, false);
        let wishes: Vec<ConnId> = self.peers.keys().copied().collect();
        let mut faults = Vec::new();
        for conn in wishes {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let early = std::mem::take(&mut peer.early);
            match early.understand(self.geometry.pieces()) {
                Ok(pieces) => peer.pieces = pieces,
                Err(fault) => {
                    peer.pieces = crate::picker::Pieces::Some(Bitfield::new(self.geometry.pieces()));
                    faults.push((conn, fault));
                }
            }
            self.picker.peer(&peer.pieces, true);
        }
        faults.into_iter().for_each(|(conn, fault)| self.fault(now, conn, fault));
        if private {
            self.become_private(now);
        }
        self.greet_again(now);
        self.review_interest(now);
        self.part_from_seeds(now);
        self.dial(now);
    }

    /// Tells peers that joined before what they could not be told then.
    fn greet_again(&mut self, now: Time) {
        self.state.upload_only = self.is_complete() && !self.hides();
        if self.picker.have().count() > FEW {
            return self.part_with_all(now);
        }
        let here: Vec<PieceIndex> = self.picker.have().ones().map(PieceIndex).collect();
        let all: Vec<_> = self
            .peers
            .values()
            .map(|peer| (peer.who.conn, peer.who.common.extension_protocol(), peer.who.addr.ip()))
            .collect();
        for (conn, extended, ip) in all {
            here.iter().for_each(|piece| self.send(now, conn, Message::Have(*piece)));
            if extended {
                self.introduce(now, conn, ip);
            }
        }
    }

    /// The torrent turned out to be private: peers that did not come from its tracker, its user, or by
    /// themselves are dropped and forgotten (BEP 27).
    fn become_private(&mut self, now: Time) {
        let legal = |source: PeerSource| source.serves_private() || source == PeerSource::Incoming;
        for addr in self.book.sourced(|source| !legal(source)) {
            let at_addr = self.peers.values().find(|peer| {
                peer.who.origin == crate::Origin::Dialed && crate::book::canonical(peer.who.addr) == addr
            });
            if let Some(conn) = at_addr.map(|peer| peer.who.conn) {
                self.part_with(now, conn, Disconnect::Stopped);
            }
        }
        self.book.forget_sources(legal);
    }
}
