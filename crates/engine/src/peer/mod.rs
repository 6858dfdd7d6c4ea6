//! One connection as the brain sees it.

mod early;
mod fast;
mod requests;
mod uploads;

use std::net::SocketAddr;

use types::{PeerId, PeerSource, Time};
use wire::Reserved;

use crate::choker::Candidate;
use crate::extension::{Heard, Ration, Theirs, Told, serve};
use crate::picker::Pieces;
use crate::{ConnId, Host, Origin, PeerSnapshot, Speed};

pub(crate) use early::Early;
pub(crate) use fast::Fast;
pub(crate) use requests::Requests;
pub(crate) use uploads::{Asked, Asking, Uploads};

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) who: Who,
    pub(crate) pieces: Pieces,
    /// What we ask of it.
    pub(crate) requests: Requests,
    /// What it asks of us.
    pub(crate) uploads: Uploads,
    /// What goes without a slot, both ways (BEP 6).
    pub(crate) sets: Fast,
    pub(crate) interest: Interest,
    pub(crate) down: Speed,
    /// What it said about itself and its extensions.
    pub(crate) theirs: Theirs,
    /// What it asks of the info dictionary (BEP 9).
    pub(crate) metadata: serve::Requests,
    /// What it said about its pieces before we could understand it.
    pub(crate) early: Early,
    /// What it was told of other peers, and what it told us (BEP 11).
    pub(crate) told: Told,
    pub(crate) heard: Heard,
    /// Meetings it may ask us for, and those others may ask it for through us (BEP 55).
    pub(crate) knocks: Ration,
    pub(crate) called: Ration,
    pub(crate) trust: Trust,
    pub(crate) clock: Clock,
}

/// Who is at the other end.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) conn: ConnId,
    pub(crate) addr: SocketAddr,
    pub(crate) origin: Origin,
    pub(crate) peer_id: PeerId,
    /// What both ends can do.
    pub(crate) common: Reserved,
    /// Where it accepts connections, if it came to us and told.
    pub(crate) listens: Option<SocketAddr>,
    /// What it calls itself in the extension handshake.
    pub(crate) client: Option<String>,
}

/// Who wants something, and who gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    /// We told it that we want something.
    pub(crate) ours: bool,
    /// It told us that it wants something.
    pub(crate) theirs: bool,
    /// It does not serve us.
    pub(crate) choked: bool,
}

/// How far a peer has earned belief.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    /// It is among the senders of a failed piece, and gets pieces alone until one passes.
    pub(crate) parole: bool,
    /// Its first message came, so that a bitfield is late.
    pub(crate) spoke: bool,
    /// Messages without effect.
    pub(crate) idle_messages: u32,
}

/// When it joined, when it last spoke, and when we did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) joined: Time,
    pub(crate) heard: Time,
    pub(crate) spoke: Time,
}

impl Who {
    /// Where it accepts connections, as far as we know.
    pub(crate) fn reachable_at(&self) -> Option<SocketAddr> {
        let known = match self.origin {
            Origin::Dialed => Some(self.addr),
            Origin::Accepted => self.listens,
        };
        known.map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }
}

impl Peer {
    pub(crate) fn new(now: Time, who: Who, pieces: u32, max_requests: u32) -> Peer {
        Peer {
            who,
            pieces: Pieces::Some(types::Bitfield::new(pieces)),
            requests: Requests::new(now, max_requests),
            uploads: Uploads::new(now),
            sets: Fast::default(),
            interest: Interest { ours: false, theirs: false, choked: true },
            down: Speed::new(now),
            theirs: Theirs::new(now),
            metadata: serve::Requests::default(),
            early: Early::default(),
            told: Told::new(now),
            heard: Heard::new(now),
            knocks: Ration::new(now),
            called: Ration::new(now),
            trust: Trust::default(),
            clock: Clock { joined: now, heard: now, spoke: now },
        }
    }

    /// Whether both ends speak the fast extension (BEP 6).
    pub(crate) fn fast(&self) -> bool {
        self.who.common.fast()
    }

    /// Whether it may be counted on for blocks.
    pub(crate) fn serves(&self) -> bool {
        !self.interest.choked && !self.trust.parole && !self.requests.is_snubbed()
    }

    /// How many pieces of `total` it has.
    pub(crate) fn has(&self, total: u32) -> u32 {
        match &self.pieces {
            Pieces::All => total,
            Pieces::Some(bits) => bits.count(),
        }
    }

    pub(crate) fn is_seed(&self) -> bool {
        match &self.pieces {
            Pieces::All => true,
            Pieces::Some(bits) => !bits.is_empty() && bits.is_full(),
        }
    }

    /// Whether it wants something, and downloads at all (BEP 21).
    pub(crate) fn wants_slot(&self) -> bool {
        self.interest.theirs && self.theirs.upload_only.is_none()
    }

    /// What the choker needs to know, of a torrent of `total` pieces.
    pub(crate) fn candidate(&mut self, now: Time, total: u32) -> Candidate {
        let has = u64::from(self.has(total)) * 1_000 / u64::from(total.max(1));
        Candidate {
            has: has as u32,
            conn: self.who.conn,
            host: Host::of(self.who.addr),
            interested: self.wants_slot(),
            snubbed: self.requests.is_snubbed(),
            unchoked: !self.uploads.is_choked(),
            since: self.uploads.since,
            served: self.uploads.served,
            level: self.uploads.level,
            gives: self.down.rate(now),
            takes: self.uploads.speed.rate(now),
        }
    }

    pub(crate) fn snapshot(
        &mut self,
        now: Time,
        total: u32,
        source: PeerSource,
        optimistic: bool,
    ) -> PeerSnapshot {
        PeerSnapshot {
            addr: self.who.addr,
            client: self.who.client.clone().unwrap_or_else(|| wire::client_name(&self.who.peer_id)),
            origin: self.who.origin,
            source,
            connected: now.since(self.clock.joined),
            pieces: self.has(total),
            we_are_interested: self.interest.ours,
            chokes_us: self.interest.choked,
            is_interested: self.interest.theirs,
            we_choke: self.uploads.is_choked(),
            optimistic,
            upload_only: self.theirs.upload_only.is_some(),
            snubbed: self.requests.is_snubbed(),
            requests: self.requests.len() as u32,
            inbound_requests: self.uploads.len() as u32,
            downloaded: self.down.total(),
            uploaded: self.uploads.speed.total(),
            download_rate: self.down.rate(now) as u64,
            upload_rate: self.uploads.speed.rate(now) as u64,
        }
    }
}
