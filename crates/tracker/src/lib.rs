//! BitTorrent trackers: announce and scrape over HTTP and UDP, tiers, a schedule for many torrents, a small server.
//!
//! Everything here is a plain value. [`http`] and [`udp`] write and read the messages (BEP 3, 7, 15, 23, 24, 31, 41,
//! 48); [`udp::Client`] adds connection ids and retransmission; an [`Announcer`] decides for one torrent which tracker
//! to ask when (BEP 12, 27); a [`Schedule`] does so for all torrents of a client with few connections per host;
//! [`server::Server`] answers. [`url`](mod@url) says which URLs and addresses may be asked at all.
//!
//! It opens no socket and reads no clock: `riverrun-net` does, in `net::tracker` and `net::tracker_server`. It speaks
//! no WebSocket: such trackers are kept, shown and skipped.
//!
//! ```
//! use riverrun_tracker::{AnnounceRequest, TrackerUrl, http};
//! use types::{InfoHash, PeerId};
//!
//! let url = TrackerUrl::parse("http://tracker.example/announce?passkey=1")?;
//! let mut request = AnnounceRequest::new(InfoHash([b'x'; 20]), PeerId([b'-'; 20]), 6881);
//! request.num_want = Some(50);
//! assert!(http::announce_url(&url, &request).starts_with(
//!     "http://tracker.example/announce?passkey=1&info_hash=xxxxxxxxxxxxxxxxxxxx&peer_id=--------------------&port=6881"
//! ));
//!
//! let reply = http::parse_announce(b"d8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e")?;
//! assert_eq!(reply.peers[0].addr, "127.0.0.1:6881".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod announcer;
pub mod http;
mod message;
mod schedule;
pub mod server;
pub mod udp;
pub mod url;

pub use announcer::{
    Announcer, AnnouncerConfig, AnnouncerEvent, AnnouncerInput, AnnouncerOutput, Intervals, Job, JobKind,
    Status, TierMode, TrackerState,
};
pub use message::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, BadTime, Failure, FailureKind, Family, ReplyError, Retry,
    ScrapeReply, SwarmCounts, TrackerPeer, clean_text,
};
pub use schedule::{Schedule, ScheduleConfig, ScheduleInput, ScheduleOutput, Ticket, TorrentKey};
pub use url::{TrackerUrl, UrlError};
