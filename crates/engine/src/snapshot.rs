//! A torrent as seen from outside, built when somebody asks.

use std::net::SocketAddr;
use std::time::Duration;

use metainfo::Mismatch;
use types::{Bitfield, PeerSource};

use crate::{DiskTrouble, Origin};

/// What a torrent is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// Told to be quiet.
    Paused,
    /// Its files are not known yet: the info dictionary is being fetched (BEP 9).
    Metadata,
    /// Some wanted piece is missing.
    Downloading,
    /// Every wanted piece is here.
    Seeding,
    /// The disk refuses to work; the swarm is not asked for anything until it does.
    Stalled(DiskTrouble),
    /// The torrent's own hashes contradict each other: no data can pass them, and nothing is asked for any
    /// more.
    Contradictory(Mismatch),
}

/// A torrent at one moment. No figure of the payload counts padding (BEP 47).
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What it is doing.
    pub phase: Phase,
    /// How far the info dictionary is, where it is being fetched.
    pub metadata: Option<MetadataProgress>,
    /// Verified pieces.
    pub have: Bitfield,
    /// Pieces to be had.
    pub wanted: Bitfield,
    /// Wanted pieces that are missing.
    pub missing: u32,
    /// Pieces of which some blocks are here or asked for.
    pub partial: u32,
    /// Payload bytes still to come before every wanted piece is here.
    pub left: u64,
    /// Payload bytes received since the torrent was added, the useless ones included.
    pub downloaded: u64,
    /// Payload bytes sent since the torrent was added.
    pub uploaded: u64,
    /// Payload bytes received in vain: second copies, failed pieces, never asked for.
    pub wasted: u64,
    /// The same by why.
    pub waste: Waste,
    /// Payload bytes received in a second.
    pub download_rate: u64,
    /// Payload bytes sent in a second.
    pub upload_rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Peers by where their addresses were learned; sources without any are left out.
    pub sources: Vec<SourceCount>,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Dials under way.
    pub half_open: u32,
    /// Addresses known, connected or not.
    pub known: u32,
    /// Connections closed for each kind of fault, as `(code, times)`.
    pub faults: Vec<(&'static str, u64)>,
}

/// Payload bytes received in vain, by why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Waste {
    /// Asked for, but another copy came first, or they were of no use any more, or broke off half-way.
    pub duplicate: u64,
    /// In pieces that failed their hash.
    pub failed: u64,
    /// Never asked for.
    pub unasked: u64,
}

impl Waste {
    /// All of it.
    pub const fn total(&self) -> u64 {
        self.duplicate + self.failed + self.unasked
    }
}

/// How many peers were learned from one source. An address counts for the best of its sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SourceCount {
    /// The source.
    pub source: PeerSource,
    /// Addresses known, connected or not.
    pub known: u32,
    /// Connections. Those that peers opened are of [`PeerSource::Incoming`].
    pub connected: u32,
}

/// An address of the swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KnownPeer {
    /// Where it is dialed.
    pub addr: SocketAddr,
    /// The best source that named it.
    pub source: PeerSource,
    /// Failures in a row.
    pub failures: u8,
    /// How long ago a dial of it began last, well or not; one that waits for its place has begun. None where it has not been dialed since the torrent was added.
    pub tried: Option<Duration>,
    /// Whether it is connected.
    pub connected: bool,
}

/// What changes from second to second about a torrent: read off running totals, whatever its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Wanted pieces that are missing.
    pub missing: u32,
    /// Payload bytes received since the torrent was added, the useless ones included.
    pub downloaded: u64,
    /// Payload bytes sent since the torrent was added.
    pub uploaded: u64,
    /// Connected peers.
    pub peers: u32,
}

/// How far the fetching of an info dictionary is (BEP 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MetadataProgress {
    /// Bytes that are here; they are verified as a whole, at the end.
    pub bytes: u32,
    /// The size that most peers claim; 0 while nobody has said any.
    pub total: u32,
    /// Connected peers that offer it.
    pub peers: u32,
}

/// One connection at one moment.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PeerSnapshot {
    /// The remote end.
    pub addr: SocketAddr,
    /// What it calls itself, cleaned for printing.
    pub client: String,
    /// Who opened the connection.
    pub origin: Origin,
    /// Where its address was learned; [`PeerSource::Incoming`] where it opened the connection.
    pub source: PeerSource,
    /// How long it has been connected.
    pub connected: Duration,
    /// Pieces it has.
    pub pieces: u32,
    /// We want something it has.
    pub we_are_interested: bool,
    /// It does not serve us.
    pub chokes_us: bool,
    /// It wants something we have.
    pub is_interested: bool,
    /// We don't serve it.
    pub we_choke: bool,
    /// We serve it to see what it gives, not for what it gave.
    pub optimistic: bool,
    /// It downloads nothing, as it says (BEP 21).
    pub upload_only: bool,
    /// It owes us blocks for too long.
    pub snubbed: bool,
    /// Blocks asked of it and not here yet.
    pub requests: u32,
    /// Blocks it waits for.
    pub inbound_requests: u32,
    /// Payload bytes received from it.
    pub downloaded: u64,
    /// Payload bytes sent to it.
    pub uploaded: u64,
    /// Payload bytes received from it in a second.
    pub download_rate: u64,
    /// Payload bytes sent to it in a second.
    pub upload_rate: u64,
}
