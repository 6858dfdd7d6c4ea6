//! Addresses of the swarm: how they are learned, and what the end of a connection, or of an attempt at one, means for them.

use std::net::SocketAddr;

use types::{PeerSource, Time};
use wire::priority::peer_priority;

use super::Torrent;
use crate::peer::Peer;
use crate::{Blame, Config, Disconnect, Event, Fault, Output};

impl Torrent {
    /// Takes an address into the book. A private torrent dials only whom its tracker or its user named
    /// (BEP 27).
    pub(super) fn learn(&mut self, now: Time, addr: SocketAddr, source: PeerSource) {
        self.learn_from(now, addr, source, None);
    }

    /// The same, where a peer named it: who.
    pub(super) fn learn_from(
        &mut self,
        now: Time,
        addr: SocketAddr,
        source: PeerSource,
        by: Option<SocketAddr>,
    ) {
        if self.is_ours(addr) || self.leads_to_ourselves(addr, source) {
            return;
        }
        if !self.state.private || source.serves_private() {
            match by {
                Some(by) => self.book.tell(now, addr, by, &mut self.rng),
                None => self.book.add(now, addr, source, &mut self.rng),
            }
            // Both ends of a connection agree on what it is worth (BEP 40), so that nobody is rushed at by
            // all.
            if let Some(ours) = self.own_address(addr) {
                self.book.prefer(addr, peer_priority(ours, addr));
            }
        }
    }

    /// Whether it is where we accept connections ourselves, as far as we know our address to the outside.
    fn is_ours(&self, addr: SocketAddr) -> bool {
        let Config { public_v4, public_v6, listen_port, .. } = &*self.config;
        let ip = addr.ip().to_canonical();
        let public = public_v4.is_some_and(|v4| ip == v4) || public_v6.is_some_and(|v6| ip == v6);
        public && *listen_port == Some(addr.port())
    }

    /// What the book learns of the address of a peer that may not join.
    pub(super) fn settle_refused(&mut self, now: Time, addr: SocketAddr, why: Disconnect) {
        match why {
            Disconnect::Ourselves => {
                self.tell_of_useless(addr, why);
                self.book.found_ourselves(addr);
            }
            Disconnect::Duplicate => self.book.met_elsewhere(now, addr),
            _ => self.book.closed(now, addr),
        }
    }

    /// Tells of a peer that the user named and that is of no use. To be called before the book forgets it.
    fn tell_of_useless(&mut self, addr: SocketAddr, why: Disconnect) {
        if self.state.running && why != Disconnect::Stopped && self.book.is_manual(addr) {
            self.out.push_back(Output::Event(Event::PeerUseless { addr, why }));
        }
    }

    /// Whether we answered ourselves at an address that is named anew. The user is told again.
    pub(super) fn leads_to_ourselves(&mut self, addr: SocketAddr, source: PeerSource) -> bool {
        let ours = self.book.is_ourselves(addr);
        if ours && source == PeerSource::Manual && self.state.running {
            self.out.push_back(Output::Event(Event::PeerUseless { addr, why: Disconnect::Ourselves }));
        }
        ours
    }

    /// What the book learns from the end of a connection: one place maps blame to what follows for the
    /// address.
    pub(super) fn settle_address(&mut self, now: Time, peer: &Peer, why: Disconnect) {
        // Of a peer that came to us the book knows the address it listens on.
        let addr = peer.who.listens.unwrap_or(peer.who.addr);
        if let Disconnect::Fault(fault) = why {
            *self.tally.faults.entry(why.code()).or_default() += 1;
            if fault == Fault::CorruptData {
                return self.shut_out(now, peer.who.addr, addr, peer.who.peer_id);
            }
            self.tell_of_useless(addr, why);
        }
        match why.blame() {
            _ if !why.may_retry() => self.book.forget(addr),
            // It is we who pause: when we go on there is no reason to wait.
            _ if why == Disconnect::Stopped && !self.state.running => self.book.stopped(now, addr),
            Blame::Misbehaved => self.book.failed(now, addr),
            _ if why == Disconnect::Useless && (self.picker.is_content() || self.shares()) => {
                self.book.shelve(addr)
            }
            // A peer that never gave or took anything is no better than one that did not answer.
            _ if peer.down.total() == 0 && peer.uploads.speed.total() == 0 => self.book.failed(now, addr),
            _ => self.book.closed(now, addr),
        }
    }

    pub(super) fn dial_failed(&mut self, now: Time, addr: SocketAddr, why: Disconnect) {
        if why == Disconnect::Full {
            self.book.postponed(now, addr);
            return self.dial(now);
        }
        self.tell_of_useless(addr, why);
        if why.may_retry() {
            self.book.failed(now, addr);
            self.ask_relay(now, addr);
        } else {
            self.book.forget(addr);
        }
        self.dial(now);
    }
}
