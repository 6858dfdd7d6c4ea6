//! Peers tell each other of peers (BEP 11). A private torrent takes no part (BEP 27).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use types::{PeerSource, Time};
use wire::extended::{Pex, PexFlags};

use super::Torrent;
use crate::extension::{Extension, Verdict};
use crate::peer::Peer;
use crate::{ConnId, Fault, Origin};

impl Torrent {
    /// Whether peers may be exchanged at all.
    pub(super) fn exchanges(&self) -> bool {
        self.config.pex && !self.state.private && !self.state.discreet
    }

    /// Tells everyone whose minute has passed what changed.
    pub(super) fn tell_peers(&mut self, now: Time) {
        let listens = |peer: &Peer| peer.theirs.id(Extension::Pex).is_some() && peer.told.is_due(now);
        // What is known by its name alone may turn out to be private.
        if !self.exchanges() || !self.is_known() || !self.peers.values().any(listens) {
            return;
        }
        let connected = self.connected();
        let due: Vec<ConnId> =
            self.peers.values().filter(|peer| listens(peer)).map(|peer| peer.who.conn).collect();
        for conn in due {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let (to, itself) = (peer.who.addr.ip(), peer.who.reachable_at());
            if let Some(pex) = peer.told.next(now, to, itself, &connected) {
                self.send_extension(now, conn, Extension::Pex, &pex.encode());
            }
        }
    }

    /// Everyone whose port is known, with what there is to know.
    fn connected(&self) -> BTreeMap<SocketAddr, PexFlags> {
        self.peers.values().filter_map(|peer| Some((peer.who.reachable_at()?, flags(peer)))).collect()
    }

    /// A peer tells whom it is connected to.
    pub(super) fn told_of_peers(&mut self, now: Time, conn: ConnId, payload: &[u8]) -> Result<(), Fault> {
        let (takes_part, complete) = (self.exchanges(), self.is_complete());
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if !takes_part {
            return self.without_effect(conn);
        }
        match peer.heard.admits(now) {
            Verdict::Flood => return Err(Fault::MessageFlood),
            Verdict::TooSoon => return self.without_effect(conn),
            Verdict::Read => {}
        }
        let Ok(pex) = Pex::decode(payload) else { return self.without_effect(conn) };
        let (taken, refused) = peer.heard.read(peer.who.addr.ip(), &pex);
        // Whoever has all that he wants is of no use to us when we have, too.
        let useful = taken.iter().filter(|p| !(complete && p.flags.contains(PexFlags::UPLOAD_ONLY)));
        let useful: Vec<SocketAddr> = useful.map(|peer| peer.addr).collect();
        let by = peer.who.reachable_at().unwrap_or(peer.who.addr);
        useful.into_iter().for_each(|addr| self.learn_from(now, addr, PeerSource::Pex, Some(by)));
        self.dial(now);
        // Addresses that nobody can have from there are patience spent, an honest message is not.
        if refused > 0 { self.without_effect(conn) } else { Ok(()) }
    }
}

/// What others may want to know of a peer.
fn flags(peer: &Peer) -> PexFlags {
    let sets = [
        (peer.theirs.prefers_encryption, PexFlags::ENCRYPTION),
        (peer.theirs.upload_only.is_some() || peer.is_seed(), PexFlags::UPLOAD_ONLY),
        (peer.theirs.id(Extension::Holepunch).is_some(), PexFlags::HOLEPUNCH),
        (peer.who.origin == Origin::Dialed, PexFlags::REACHABLE),
    ];
    sets.into_iter().filter(|(on, _)| *on).fold(PexFlags::NONE, |all, (_, flag)| all.with(flag))
}
