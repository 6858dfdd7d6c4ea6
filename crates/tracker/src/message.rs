//! What a client and a tracker tell each other, whatever carries it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::{InfoHash, PeerId};

/// Why a client announces (BEP 3, "event").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum AnnounceEvent {
    /// A regular announce.
    #[default]
    None,
    /// The download is complete. Only sent when it became complete while this tracker knew us.
    Completed,
    /// The first announce to this tracker.
    Started,
    /// The client leaves the swarm.
    Stopped,
}

impl AnnounceEvent {
    /// The number of BEP 15.
    pub const fn udp_code(self) -> u32 {
        match self {
            AnnounceEvent::None => 0,
            AnnounceEvent::Completed => 1,
            AnnounceEvent::Started => 2,
            AnnounceEvent::Stopped => 3,
        }
    }

    /// The event of a BEP 15 number; what is unknown counts as a regular announce.
    pub const fn from_udp_code(code: u32) -> AnnounceEvent {
        match code {
            1 => AnnounceEvent::Completed,
            2 => AnnounceEvent::Started,
            3 => AnnounceEvent::Stopped,
            _ => AnnounceEvent::None,
        }
    }

    /// The word of BEP 3; a regular announce has none.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            AnnounceEvent::None => None,
            AnnounceEvent::Completed => Some("completed"),
            AnnounceEvent::Started => Some("started"),
            AnnounceEvent::Stopped => Some("stopped"),
        }
    }
}

/// Which kind of address a tracker is asked over (BEP 7, BEP 15 "IPv6": a client tells the tracker both of its
/// addresses by asking it twice).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Family {
    /// Whichever works first.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether `addr` may be used.
    pub const fn allows(self, addr: IpAddr) -> bool {
        matches!((self, addr), (Family::Any, _) | (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)))
    }
}

/// An announce (BEP 3, "tracker requests"; BEP 15, "announce").
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnounceRequest {
    /// The swarm: for a v2 torrent the truncated hash (BEP 52).
    pub info_hash: InfoHash,
    /// Who we are.
    pub peer_id: PeerId,
    /// The TCP port we listen on.
    pub port: u16,
    /// Payload bytes uploaded since the `started` event.
    pub uploaded: u64,
    /// Payload bytes downloaded since the `started` event.
    pub downloaded: u64,
    /// Payload bytes still missing; [`AnnounceRequest::LEFT_UNKNOWN`] before the metadata is known.
    pub left: u64,
    /// Why we announce.
    pub event: AnnounceEvent,
    /// How many peers are wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// Tells the tracker that two addresses are one client (BEP 7). Constant per torrent and session, never shown to
    /// peers.
    pub key: u32,
    /// What the tracker's last answer carried as `tracker id`. HTTP only.
    pub tracker_id: Option<Vec<u8>>,
    /// The address to be published, where the one the tracker sees is not it. Most trackers ignore it.
    pub ip: Option<IpAddr>,
    /// Over which kind of address to ask.
    pub family: Family,
}

impl AnnounceRequest {
    /// What is announced as `left` while the metadata is not known: not 0, so that nobody takes us for a seed.
    pub const LEFT_UNKNOWN: u64 = i64::MAX as u64;

    /// A regular announce of somebody who has nothing yet.
    pub fn new(info_hash: InfoHash, peer_id: PeerId, port: u16) -> AnnounceRequest {
        AnnounceRequest {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: AnnounceRequest::LEFT_UNKNOWN,
            event: AnnounceEvent::None,
            num_want: None,
            key: 0,
            tracker_id: None,
            ip: None,
            family: Family::Any,
        }
    }
}

/// A peer named by a tracker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackerPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its id, where the tracker still uses the long form of BEP 3.
    pub id: Option<PeerId>,
}

/// A tracker's answer to an announce. Times are as the tracker said, only freed of nonsense: the
/// [`Announcer`](crate::Announcer) clamps them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AnnounceReply {
    /// When to announce again; `None` where it was missing, zero or negative.
    pub interval: Option<Duration>,
    /// Never announce sooner than this without an event.
    pub min_interval: Option<Duration>,
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that have not.
    pub leechers: Option<u32>,
    /// How often the torrent was completed, in all.
    pub downloads: Option<u32>,
    /// The peers, in the tracker's order, at most [`types::limits::TRACKER_PEERS`].
    pub peers: Vec<TrackerPeer>,
    /// Peers left out: host names, port 0, addresses that can't be a peer's, or over the limit.
    pub skipped_peers: usize,
    /// To be sent back with the next announce.
    pub tracker_id: Option<Vec<u8>>,
    /// Something the user should read. The announce itself worked.
    pub warning: Option<String>,
    /// Our own address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Times in it that can't be meant; they were left out.
    pub bad_times: Vec<BadTime>,
}

/// A time to wait that a tracker can't mean: negative, zero where that would be no pause at all, or no number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadTime {
    /// Its key in the answer: `interval` or `min interval`.
    pub key: &'static str,
    /// What stands there, in seconds where it is a number; other words are freed of control characters and cut.
    pub said: String,
}

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, which is no time to wait", self.key, self.said)
    }
}

/// What a tracker knows of one swarm (BEP 48, BEP 15 "scrape").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwarmCounts {
    /// Peers that have everything.
    pub seeders: u32,
    /// How often the torrent was completed, in all.
    pub downloads: u32,
    /// Peers that have not everything.
    pub leechers: u32,
}

/// A tracker's answer to a scrape: the swarms it knows, of those asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrapeReply {
    /// Each swarm asked for that the tracker knows, in the order they were asked for.
    pub swarms: Vec<(InfoHash, SwarmCounts)>,
}

/// When a tracker that said no may be asked again (BEP 31).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Retry {
    /// It did not say.
    #[default]
    Unspecified,
    /// Not before this has passed.
    After(Duration),
    /// Never.
    Never,
}

/// Bytes that are no answer of a tracker, or an answer that says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The tracker refused, in its own words.
    #[error("the tracker refused: {reason}")]
    Refused {
        /// Its words, freed of control characters and cut.
        reason: String,
        /// When to come back (BEP 31).
        retry: Retry,
    },
    /// Something else than bencode came.
    #[error("not a tracker's answer: {what}")]
    NotBencode {
        /// What it seems to be, with its beginning.
        what: String,
    },
    /// It begins like bencode and then goes wrong.
    #[error("damaged answer: {0}")]
    Bencode(#[from] bencode::Error),
    /// A key has the wrong kind or length.
    #[error("damaged answer: key `{key}` at byte {offset} {problem}")]
    Key {
        /// The key.
        key: &'static str,
        /// Where its value begins in the body.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A datagram that is too short for what it says it is (BEP 15).
    #[error("a reply of {got} bytes where at least {expected} are needed")]
    Short {
        /// Bytes that came.
        got: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A datagram with another action than was asked for.
    #[error("a reply with action {0}, which was not asked for")]
    Action(u32),
}

/// Why an announce or scrape led to nothing: what the [`Announcer`](crate::Announcer) needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What to do about it.
    pub kind: FailureKind,
    /// A sentence for people.
    pub message: String,
}

/// What a failure means for the next try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailureKind {
    /// The tracker could not be reached, or its answer not be read: try again later.
    Unreachable,
    /// The tracker has no address of the wanted [`Family`]: try again much later.
    NoAddress,
    /// The tracker answered, and said no.
    Refused(Retry),
    /// The URL breaks a rule or needs a protocol we don't speak: never try again.
    Unusable,
}

impl Failure {
    /// A failure of `kind`, told as `message`.
    pub fn new(kind: FailureKind, message: impl fmt::Display) -> Failure {
        Failure { kind, message: message.to_string() }
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Failure {
        let kind = match error {
            ReplyError::Refused { retry, .. } => FailureKind::Refused(retry),
            _ => FailureKind::Unreachable,
        };
        Failure::new(kind, error)
    }
}

/// Longest text taken over from a tracker, in characters.
const TEXT_LEN: usize = 300;

/// A stranger's text made safe to print: valid UTF-8, no control or direction-changing characters, cut at 300.
pub fn clean_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * TEXT_LEN)]);
    let mut out: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_format_char(*c))
        .take(TEXT_LEN)
        .collect();
    out.truncate(out.trim_end().len());
    out.trim_start().to_owned()
}

/// Characters that show nothing but change how their neighbours are shown.
fn is_format_char(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether a peer can be at `addr` at all: a port, and a unicast address.
pub(crate) fn is_peer_addr(addr: &SocketAddr) -> bool {
    let ip = addr.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Collects peers up to the limit, counting what is left out.
#[derive(Default)]
pub(crate) struct PeerList {
    pub(crate) peers: Vec<TrackerPeer>,
    pub(crate) skipped: usize,
}

impl PeerList {
    pub(crate) fn push(&mut self, addr: SocketAddr, id: Option<PeerId>) {
        if is_peer_addr(&addr) && self.peers.len() < types::limits::TRACKER_PEERS {
            self.peers.push(TrackerPeer { addr, id });
        } else {
            self.skipped += 1;
        }
    }

    /// 6 bytes per peer (BEP 23). Bytes left over at the end are for the caller to judge.
    pub(crate) fn push_compact4(&mut self, bytes: &[u8]) {
        for [a, b, c, d, hi, lo] in bytes.as_chunks::<6>().0 {
            self.push(SocketAddr::from(([*a, *b, *c, *d], u16::from_be_bytes([*hi, *lo]))), None);
        }
    }

    /// 18 bytes per peer (BEP 7).
    pub(crate) fn push_compact6(&mut self, bytes: &[u8]) {
        for chunk in bytes.as_chunks::<18>().0 {
            let mut ip = [0; 16];
            ip.copy_from_slice(&chunk[..16]);
            self.push(SocketAddr::from((ip, u16::from_be_bytes([chunk[16], chunk[17]]))), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_strangers_prints_safely() {
        assert_eq!(clean_text(b"  no\r\n\x1b[31m such\xff torrent\x00 "), "no  [31m such\u{fffd} torrent");
        assert_eq!(clean_text("a\u{202e}b".as_bytes()), "ab");
        assert_eq!(clean_text(&[b'x'; 10_000]).len(), 300);
    }

    #[test]
    fn events_keep_their_numbers() {
        for event in
            [AnnounceEvent::None, AnnounceEvent::Completed, AnnounceEvent::Started, AnnounceEvent::Stopped]
        {
            assert_eq!(AnnounceEvent::from_udp_code(event.udp_code()), event);
        }
        assert_eq!(AnnounceEvent::from_udp_code(77), AnnounceEvent::None);
    }

    #[test]
    fn addresses_that_no_peer_has_are_left_out() {
        let mut list = PeerList::default();
        list.push_compact4(&[0, 0, 0, 0, 0, 1, 224, 0, 0, 1, 0, 1, 1, 2, 3, 4, 0, 0, 1, 2, 3, 4, 0, 80, 9]);
        assert_eq!((list.peers.len(), list.skipped), (1, 3));
        assert_eq!(list.peers[0].addr, "1.2.3.4:80".parse().unwrap());
    }
}
