//! What an [`Announcer`](super::Announcer) is told, and what it says.

use std::net::IpAddr;
use std::time::Duration;

use types::{InfoHash, InfoHashes, PeerId, Time};

use crate::message::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, BadTime, Failure, Family, ScrapeReply, SwarmCounts,
    TrackerPeer,
};
use crate::url::TrackerUrl;

/// Which trackers are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TierMode {
    /// One tracker in all: the next tier is only tried when every tracker of the one before has failed (BEP 12).
    #[default]
    First,
    /// One tracker of each tier. Finds more peers; a private torrent is announced as with [`TierMode::First`] all the
    /// same (BEP 27).
    EveryTier,
}

/// How the waiting times that trackers ask for are clamped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intervals {
    /// The least time between two announces without an event.
    pub floor: Duration,
    /// The longest time between two announces.
    pub ceiling: Duration,
    /// Used where a tracker gives none, or one that is zero or negative.
    pub default: Duration,
    /// The first wait after a failure; it doubles with each failure in a row, up to `64` times itself. With the
    /// default of 60 s it goes on where the waits of a UDP request (15 and 30 s, BEP 15) end: 60, 120, ... 3840 s.
    pub first_retry: Duration,
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals {
            floor: Duration::from_secs(60),
            ceiling: Duration::from_secs(6 * 3600),
            default: Duration::from_secs(1800),
            first_retry: Duration::from_secs(60),
        }
    }
}

/// What an [`Announcer`](super::Announcer) starts from.
#[derive(Clone, Debug)]
pub struct AnnouncerConfig {
    /// The torrent. Both names of a hybrid are announced.
    pub info_hashes: InfoHashes,
    /// Who we are.
    pub peer_id: PeerId,
    /// BEP 27: one tracker at a time, and peers are dropped on a switch.
    pub private: bool,
    /// Which of a public torrent's trackers are asked.
    pub mode: TierMode,
    /// Each kind of address is announced by itself. `[Any]` suits a host with one kind, `[V4, V6]` one with both.
    pub families: Vec<Family>,
    /// Tiers of trackers, as the metainfo lists them (BEP 12).
    pub tiers: Vec<Vec<TrackerUrl>>,
    /// Trackers that are asked besides, whatever the tiers answer: those that a user names. A private torrent has one
    /// tracker at a time (BEP 27): there each is one more tier after the others.
    pub beside: Vec<TrackerUrl>,
    /// The address to publish, where the tracker would see another.
    pub public_ip: Option<IpAddr>,
    /// Clamps for what trackers ask.
    pub intervals: Intervals,
}

impl AnnouncerConfig {
    /// A public torrent with the tiers of its metainfo and default settings.
    pub fn new(info_hashes: InfoHashes, peer_id: PeerId, tiers: Vec<Vec<TrackerUrl>>) -> AnnouncerConfig {
        AnnouncerConfig {
            info_hashes,
            peer_id,
            private: false,
            mode: TierMode::First,
            families: vec![Family::Any],
            tiers,
            beside: Vec::new(),
            public_ip: None,
            intervals: Intervals::default(),
        }
    }
}

/// The figures that every announce carries, as they are now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// The TCP port we listen on.
    pub port: u16,
    /// Payload bytes uploaded in this session.
    pub uploaded: u64,
    /// Payload bytes downloaded in this session.
    pub downloaded: u64,
    /// Payload bytes still missing.
    pub left: u64,
    /// Peers wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
}

impl Default for Status {
    /// Nothing moved yet, the metadata not known, as many peers wanted as a torrent connects to, port 6881.
    fn default() -> Status {
        Status {
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: AnnounceRequest::LEFT_UNKNOWN,
            num_want: Some(types::DEFAULT_MAX_PEERS),
        }
    }
}

/// What an [`Announcer`](super::Announcer) is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnnouncerInput {
    /// Begin announcing, or begin again after [`AnnouncerInput::Stop`].
    Start,
    /// Leave the swarm: `stopped` goes to every tracker that may know us, and nothing else after it.
    Stop,
    /// The figures changed.
    Status(Status),
    /// The download became complete just now. Not for a torrent that was complete from the start.
    Completed,
    /// More peers are needed: announce as soon as the trackers' minimum interval allows.
    WantPeers,
    /// The user wants an announce now, whatever was agreed; trackers given up on are tried again.
    Force,
    /// Ask the trackers in use for their counts.
    Scrape,
    /// The list of trackers changed. What is known of those that stay is kept; the others are told `stopped`.
    Trackers(Vec<Vec<TrackerUrl>>),
    /// The list of trackers that are asked besides changed, as above.
    Beside(Vec<TrackerUrl>),
    /// This job is being sent: from now on the tracker may know us, and is owed a `stopped`.
    Sent(u64),
    /// How an announce went.
    Announced {
        /// The job.
        ticket: u64,
        /// How it went.
        outcome: Result<AnnounceReply, Failure>,
    },
    /// How a scrape went.
    Scraped {
        /// The job.
        ticket: u64,
        /// How it went.
        outcome: Result<ScrapeReply, Failure>,
    },
}

/// Something to ask a tracker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// What the answer is to be handed back with; unique within the [`Announcer`](super::Announcer).
    pub ticket: u64,
    /// Whom to ask.
    pub tracker: TrackerUrl,
    /// What to ask.
    pub kind: JobKind,
    /// Since when it is due.
    pub due: Time,
}

/// The question of a [`Job`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobKind {
    /// An announce.
    Announce(Box<AnnounceRequest>),
    /// A scrape of these.
    Scrape(Vec<InfoHash>),
}

/// What an [`Announcer`](super::Announcer) wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnnouncerOutput {
    /// Ask a tracker, and hand the answer back.
    Job(Job),
    /// Nobody waits for this job's answer any more.
    Abort(u64),
    /// News.
    Event(AnnouncerEvent),
    /// Nothing to do before this moment.
    Wait(Time),
}

/// News from an [`Announcer`](super::Announcer).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AnnouncerEvent {
    /// A private torrent now uses another tracker: peers from the old one are to be dropped, before the peers that
    /// follow are taken (BEP 27).
    Switched {
        /// The tracker of the peers that we have.
        from: TrackerUrl,
        /// The tracker in use now.
        to: TrackerUrl,
    },
    /// A tracker answered.
    Announced {
        /// Which.
        tracker: TrackerUrl,
        /// What was announced.
        event: AnnounceEvent,
        /// The name of the torrent that it was announced under.
        info_hash: InfoHash,
        /// When it is asked again, from now.
        next: Duration,
        /// Peers that have everything.
        seeders: Option<u32>,
        /// Peers that have not.
        leechers: Option<u32>,
        /// The peers.
        peers: Vec<TrackerPeer>,
        /// Our address as the tracker sees it (BEP 24).
        external_ip: Option<IpAddr>,
        /// What the user should read.
        warning: Option<String>,
    },
    /// A tracker answered, but not with a time to wait: ours is taken. Told when it begins, not with each answer.
    BadTime {
        /// Which.
        tracker: TrackerUrl,
        /// What it said.
        bad: BadTime,
        /// When it is asked again, from now.
        next: Duration,
    },
    /// A tracker did not answer, or said no.
    Failed {
        /// Which.
        tracker: TrackerUrl,
        /// What was announced.
        event: AnnounceEvent,
        /// Why.
        failure: Failure,
        /// When it is asked again, from now; `None` for never.
        retry: Option<Duration>,
    },
    /// A tracker told its counts.
    Scraped {
        /// Which.
        tracker: TrackerUrl,
        /// The counts for each name of the torrent that it knows.
        swarms: Vec<(InfoHash, SwarmCounts)>,
    },
    /// A scrape failed; announces are not affected.
    ScrapeFailed {
        /// Which.
        tracker: TrackerUrl,
        /// Why.
        failure: Failure,
    },
    /// Every tracker that may have known us was told `stopped`, or could not be.
    Stopped,
}

/// What is known of a tracker, for showing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackerState {
    /// Which.
    pub url: TrackerUrl,
    /// Its tier, from 0.
    pub tier: usize,
    /// Whether it counts us as a member of the swarm.
    pub announced: bool,
    /// Failures in a row: of the best of our names and families.
    pub failures: u32,
    /// Why the last announce failed.
    pub last_failure: Option<Failure>,
    /// Peers that have everything, at the last answer.
    pub seeders: Option<u32>,
    /// Peers that have not, at the last answer.
    pub leechers: Option<u32>,
}
