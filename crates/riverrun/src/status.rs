//! Torrents, peers and trackers at one moment, as users see them.

use std::net::SocketAddr;
use std::time::Duration;

use engine::PeerSnapshot;
use types::PeerSource;

use crate::Trouble;

/// What a torrent is doing.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "state", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TorrentState {
    /// Only its hash is known: peers are asked for the rest (BEP 9).
    FetchingMetadata {
        /// Bytes of the info dictionary that are here.
        bytes: u32,
        /// How long it is, as peers say; 0 while none has said.
        total: u32,
        /// Connected peers that offer it.
        peers: u32,
    },
    /// Existing data is being looked for and hashed.
    Checking {
        /// Bytes hashed.
        checked: u64,
        /// Bytes to be hashed; 0 while that is not known.
        total: u64,
    },
    /// It rests.
    Paused,
    /// It waits for its turn: as many torrents as may are active; see
    /// [`ClientBuilder::active_downloads`](crate::ClientBuilder::active_downloads).
    Queued,
    /// Some wanted piece is missing.
    Downloading,
    /// Every wanted piece is here.
    Seeding,
    /// The disk refuses to work. The swarm is asked for nothing; the disk is tried again now and then, and
    /// the download goes on by itself when it works.
    Stalled(Trouble),
    /// It is broken and rests until it is rechecked or removed.
    Failed(Trouble),
    /// It was removed.
    Removed,
}

impl TorrentState {
    /// One word, the same in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            TorrentState::FetchingMetadata { .. } => "fetching_metadata",
            TorrentState::Checking { .. } => "checking",
            TorrentState::Paused => "paused",
            TorrentState::Queued => "queued",
            TorrentState::Downloading => "downloading",
            TorrentState::Seeding => "seeding",
            TorrentState::Stalled(_) => "stalled",
            TorrentState::Failed(_) => "failed",
            TorrentState::Removed => "removed",
        }
    }

    /// Whether both are the same but for progress.
    pub(crate) fn is_like(&self, other: &TorrentState) -> bool {
        match (self, other) {
            (TorrentState::Checking { .. }, TorrentState::Checking { .. })
            | (TorrentState::FetchingMetadata { .. }, TorrentState::FetchingMetadata { .. }) => true,
            (a, b) => a == b,
        }
    }
}

/// A torrent at one moment. All sizes are in bytes of payload, all rates in bytes a second.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// What it is doing.
    pub state: TorrentState,
    /// Pieces it has in all.
    pub pieces: u32,
    /// Pieces that are verified and stored.
    pub pieces_have: u32,
    /// Pieces that are wanted.
    pub pieces_wanted: u32,
    /// Wanted pieces that are missing.
    pub pieces_missing: u32,
    /// Pieces of which some blocks are here or asked for.
    pub pieces_partial: u32,
    /// Length of all pieces.
    pub bytes: u64,
    /// Length of the verified pieces.
    pub bytes_have: u64,
    /// Length of the wanted pieces.
    pub bytes_wanted: u64,
    /// Length of the wanted pieces that are missing; blocks that are here count as here.
    pub bytes_left: u64,
    /// Received, over all runs that state was kept of, the useless included.
    pub downloaded: u64,
    /// Sent, over all runs that state was kept of.
    pub uploaded: u64,
    /// Received in this run.
    pub session_downloaded: u64,
    /// Sent in this run.
    pub session_uploaded: u64,
    /// Received in vain since its shard has it, by why.
    pub wasted: Waste,
    /// Received in a second.
    pub download_rate: u64,
    /// Sent in a second.
    pub upload_rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Peers by where they were learned; sources that brought none are left out.
    pub sources: Vec<SourceCount>,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Dials under way.
    pub half_open: u32,
    /// Addresses known, connected or not.
    pub known_peers: u32,
    /// When it will be complete at this rate.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::seconds_if_any"))]
    pub eta: Option<Duration>,
    /// Connections closed for each kind of fault, as `(code, times)`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::map"))]
    pub faults: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Sent for each byte of the wanted pieces, over all runs.
    pub fn ratio(&self) -> f64 {
        ratio(self.uploaded, self.bytes_wanted)
    }
}

/// Bytes sent for each byte that is wanted; 0 where nothing is.
pub(crate) fn ratio(sent: u64, wanted: u64) -> f64 {
    if wanted == 0 { 0.0 } else { sent as f64 / wanted as f64 }
}

/// Payload bytes received in vain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Waste {
    /// Asked for, but another copy came first, or they were of no use any more, or broke off half-way.
    pub duplicate: u64,
    /// In pieces that failed their hash.
    pub hash_failed: u64,
    /// Never asked for.
    pub unasked: u64,
}

impl Waste {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.duplicate + self.hash_failed + self.unasked
    }

    pub(crate) fn add(&mut self, other: Waste) {
        self.duplicate += other.duplicate;
        self.hash_failed += other.hash_failed;
        self.unasked += other.unasked;
    }
}

impl From<engine::Waste> for Waste {
    fn from(waste: engine::Waste) -> Waste {
        Waste { duplicate: waste.duplicate, hash_failed: waste.failed, unasked: waste.unasked }
    }
}

/// How many peers one source brought. An address that several named counts for the best of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SourceCount {
    /// The source.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::source"))]
    pub source: PeerSource,
    /// Addresses known, connected or not.
    pub known: u32,
    /// Connections. Those that peers opened are of [`PeerSource::Incoming`].
    pub connected: u32,
}

impl From<engine::SourceCount> for SourceCount {
    fn from(count: engine::SourceCount) -> SourceCount {
        SourceCount { source: count.source, known: count.known, connected: count.connected }
    }
}

/// Adds up the counts of several torrents.
pub(crate) fn add_sources(all: &mut Vec<SourceCount>, more: &[SourceCount]) {
    for count in more {
        match all.iter_mut().find(|known| known.source == count.source) {
            Some(known) => {
                known.known += count.known;
                known.connected += count.connected;
            }
            None => all.push(*count),
        }
    }
    all.sort_by_key(|count| count.source);
}

/// An address of a torrent's swarm, connected or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KnownPeer {
    /// Where it is dialed.
    pub addr: SocketAddr,
    /// The best source that named it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::source"))]
    pub source: PeerSource,
    /// Failures in a row: of dials, or of what the peer did. A connection that ended well begins the count anew.
    pub failures: u8,
    /// How long ago a dial of it began last, well or not; one that waits for its place has begun. None where it has not been dialed since the torrent was added to
    /// this client. Serialised in whole seconds.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::seconds_if_any"))]
    pub tried: Option<Duration>,
    /// Whether it is connected.
    pub connected: bool,
}

impl From<engine::KnownPeer> for KnownPeer {
    fn from(known: engine::KnownPeer) -> KnownPeer {
        let engine::KnownPeer { addr, source, failures, tried, connected, .. } = known;
        KnownPeer { addr, source, failures, tried, connected }
    }
}

/// A connection at one moment. All sizes are in bytes of payload, all rates in bytes a second.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Peer {
    /// The remote end.
    pub addr: SocketAddr,
    /// What it calls itself, cleaned for printing.
    pub client: String,
    /// Whether we opened the connection.
    pub dialed: bool,
    /// Where its address was learned; [`PeerSource::Incoming`] where it opened the connection.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::source"))]
    pub source: PeerSource,
    /// How long it has been connected.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::seconds"))]
    pub connected: Duration,
    /// Pieces it has.
    pub pieces: u32,
    /// We want something it has.
    pub interesting: bool,
    /// It does not serve us.
    pub chokes_us: bool,
    /// It wants something we have.
    pub interested: bool,
    /// We don't serve it.
    pub choked: bool,
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
    /// Received from it.
    pub downloaded: u64,
    /// Sent to it.
    pub uploaded: u64,
    /// Received from it in a second.
    pub download_rate: u64,
    /// Sent to it in a second.
    pub upload_rate: u64,
}

impl Peer {
    /// How it stands in a few letters: `D` it serves us, `d` it has what we want and chokes us; `U` we serve
    /// it, `u` it wants what we have and we choke it; `O` to see what it gives; `S` it owes us blocks for too
    /// long; `F` it downloads nothing; `I` it came to us. `-` where none of them holds.
    pub fn flags(&self) -> String {
        let down = match (self.interesting, self.chokes_us) {
            (true, false) => Some('D'),
            (true, true) => Some('d'),
            _ => None,
        };
        let up = match (self.interested, self.choked) {
            (true, false) => Some('U'),
            (true, true) => Some('u'),
            _ => None,
        };
        let rest =
            [(self.optimistic, 'O'), (self.snubbed, 'S'), (self.upload_only, 'F'), (!self.dialed, 'I')];
        let rest = rest.into_iter().filter(|(holds, _)| *holds).map(|(_, letter)| letter);
        let flags: String = down.into_iter().chain(up).chain(rest).collect();
        if flags.is_empty() { "-".to_owned() } else { flags }
    }
}

impl From<PeerSnapshot> for Peer {
    fn from(peer: PeerSnapshot) -> Peer {
        Peer {
            addr: peer.addr,
            client: peer.client,
            dialed: peer.origin == engine::Origin::Dialed,
            source: peer.source,
            connected: peer.connected,
            pieces: peer.pieces,
            interesting: peer.we_are_interested,
            chokes_us: peer.chokes_us,
            interested: peer.is_interested,
            choked: peer.we_choke,
            optimistic: peer.optimistic,
            upload_only: peer.upload_only,
            snubbed: peer.snubbed,
            requests: peer.requests,
            inbound_requests: peer.inbound_requests,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            download_rate: peer.download_rate,
            upload_rate: peer.upload_rate,
        }
    }
}

/// A tracker of a torrent, and how it last answered.
#[derive(Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TrackerStatus {
    /// Its address.
    pub url: String,
    /// Its tier, from 0; lower ones are asked first (BEP 12).
    pub tier: usize,
    /// Whether it counts us as a member of the swarm.
    pub announced: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Why the last announce failed; none when it did not.
    pub last_error: Option<String>,
    /// When it is asked next, from now, as far as it is known.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::seconds_if_any"))]
    pub next_announce: Option<Duration>,
    /// Peers that have everything, at its last answer.
    pub seeders: Option<u32>,
    /// Peers that have not, at its last answer.
    pub leechers: Option<u32>,
}

/// How values without a form of their own are serialised.
#[cfg(feature = "serde")]
pub(crate) mod json {
    use std::time::Duration;

    use serde::Serializer;
    use types::PeerSource;

    /// A time in whole seconds.
    pub(crate) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_secs())
    }

    /// The same, or null.
    pub(super) fn seconds_if_any<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_some(&time.as_secs()),
            None => to.serialize_none(),
        }
    }

    /// Pairs as an object.
    pub(super) fn map<S: Serializer>(pairs: &[(&'static str, u64)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(pairs.iter().copied())
    }

    /// By its name.
    pub(super) fn source<S: Serializer>(source: &PeerSource, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(source.name())
    }
}
