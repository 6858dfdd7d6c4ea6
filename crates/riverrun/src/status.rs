//! Torrents, peers and trackers at one moment, as users see them.

use std::net::SocketAddr;
use std::time::Duration;

use engine::PeerSnapshot;

use crate::Trouble;

/// What a torrent is doing.
#[derive(Clone, PartialEq, Debug)]
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

/// A torrent at one moment. All sizes are in bytes of payload.
#[derive(Clone, PartialEq, Debug)]
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
    /// Received in vain in this run.
    pub wasted: u64,
    /// Received in a second.
    pub download_rate: u64,
    /// Sent in a second.
    pub upload_rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Dials under way.
    pub half_open: u32,
    /// Addresses known, connected or not.
    pub known_peers: u32,
    /// When it will be complete at this rate.
    pub eta: Option<Duration>,
    /// Connections closed for each kind of fault, as `(code, times)`.
    pub faults: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Sent for each byte of the wanted pieces, over all runs.
    pub fn ratio(&self) -> f64 {
        if self.bytes_wanted == 0 { 0.0 } else { self.uploaded as f64 / self.bytes_wanted as f64 }
    }
}

/// A connection at one moment.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// The remote end.
    pub addr: SocketAddr,
    /// What it calls itself, cleaned for printing.
    pub client: String,
    /// Whether we opened the connection.
    pub dialed: bool,
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
    /// It owes us blocks for too long.
    pub snubbed: bool,
    /// Blocks asked of it and not here yet.
    pub requests: u32,
    /// Received from it.
    pub downloaded: u64,
    /// Sent to it.
    pub uploaded: u64,
    /// Received from it in a second.
    pub download_rate: u64,
    /// Sent to it in a second.
    pub upload_rate: u64,
}

impl From<PeerSnapshot> for Peer {
    fn from(peer: PeerSnapshot) -> Peer {
        Peer {
            addr: peer.addr,
            client: peer.client,
            dialed: peer.origin == engine::Origin::Dialed,
            pieces: peer.pieces,
            interesting: peer.we_are_interested,
            chokes_us: peer.chokes_us,
            interested: peer.is_interested,
            choked: peer.we_choke,
            snubbed: peer.snubbed,
            requests: peer.requests,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            download_rate: peer.download_rate,
            upload_rate: peer.upload_rate,
        }
    }
}

/// A tracker of a torrent, and how it last answered.
#[derive(Clone, PartialEq, Debug, Default)]
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
    pub next_announce: Option<Duration>,
    /// Peers that have everything, at its last answer.
    pub seeders: Option<u32>,
    /// Peers that have not, at its last answer.
    pub leechers: Option<u32>,
}
