//! Where the peers of a swarm were learned, to be shown.

use std::collections::BTreeMap;

use types::{PeerSource, Time};

use super::Torrent;
use crate::book::Book;
use crate::peer::Peer;
use crate::{KnownPeer, Origin, SourceCount};

/// Where a connected peer was learned. One that the book forgot meanwhile was dialed all the same: it counts
/// for the source that is worth least.
pub(super) fn of(book: &Book, peer: &Peer) -> PeerSource {
    match peer.who.origin {
        Origin::Accepted => PeerSource::Incoming,
        Origin::Dialed => book.source(peer.who.addr).unwrap_or(PeerSource::Resume),
    }
}

impl Torrent {
    /// How many peers each source brought.
    pub(super) fn sources(&self) -> Vec<SourceCount> {
        let mut counts: BTreeMap<PeerSource, (u32, u32)> = BTreeMap::new();
        self.book.sources().for_each(|source| counts.entry(source).or_default().0 += 1);
        self.peers.values().for_each(|peer| counts.entry(of(&self.book, peer)).or_default().1 += 1);
        let count = |(source, (known, connected))| SourceCount { source, known, connected };
        counts.into_iter().map(count).collect()
    }

    /// The addresses of its swarm that are known, at most so many, in the order of the addresses.
    pub fn known_peers(&self, now: Time, most: usize) -> Vec<KnownPeer> {
        self.book.listed(now).take(most).collect()
    }
}
