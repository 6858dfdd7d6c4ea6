//! Announce and scrape over UDP (BEP 15), with the options of BEP 41, in both directions.
//!
//! [`Request`] and [`Response`] are the datagrams; [`Client`] is the machine that gets connection ids, sends again and
//! matches answers. Which form the peers of an answer have follows from the family of the datagram that carries it.

mod client;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::{InfoHash, PeerId};

pub use client::{Call, Client, ClientConfig, Input, Output, RequestId, UdpError, UdpReply};

use crate::message::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, BadTime, PeerList, ReplyError, ScrapeReply, SwarmCounts,
    clean_text,
};

/// What a connect request begins with, in place of a connection id.
const PROTOCOL_ID: u64 = 0x417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Bytes of a connect request.
pub const CONNECT_LEN: usize = 16;
/// Bytes of an announce request without options.
pub const ANNOUNCE_LEN: usize = 98;
/// Most torrents in one scrape (BEP 15: "up to about 74").
pub const SCRAPE_HASHES: usize = 74;

/// A datagram from client to tracker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Asks for a connection id.
    Connect {
        /// Comes back in the answer.
        transaction: u32,
    },
    /// Announces.
    Announce {
        /// From the answer to a connect.
        connection: u64,
        /// Comes back in the answer.
        transaction: u32,
        /// The announce. Its `tracker_id` and `family` are not sent; its `ip` only where it is IPv4.
        announce: AnnounceRequest,
        /// Path and query of the tracker's URL (BEP 41); empty sends no option.
        url_data: String,
    },
    /// Asks for the counts of some swarms.
    Scrape {
        /// From the answer to a connect.
        connection: u64,
        /// Comes back in the answer.
        transaction: u32,
        /// The swarms.
        hashes: Vec<InfoHash>,
    },
}

/// Why a datagram is no request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Shorter than its kind needs.
    #[error("a request of {got} bytes where at least {expected} are needed")]
    Short {
        /// Bytes that came.
        got: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// An action no client asks for.
    #[error("an unknown action {0}")]
    Action(u32),
}

/// Reads big-endian numbers and runs of bytes from the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

impl Request {
    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ANNOUNCE_LEN + 64);
        let mut head = |connection: u64, action: u32, transaction: u32| {
            out.extend(connection.to_be_bytes());
            out.extend(action.to_be_bytes());
            out.extend(transaction.to_be_bytes());
        };
        match self {
            Request::Connect { transaction } => head(PROTOCOL_ID, CONNECT, *transaction),
            Request::Announce { connection, transaction, announce, url_data } => {
                head(*connection, ANNOUNCE, *transaction);
                encode_announce(announce, &mut out);
                encode_url_data(url_data.as_bytes(), &mut out);
            }
            Request::Scrape { connection, transaction, hashes } => {
                head(*connection, SCRAPE, *transaction);
                hashes.iter().take(SCRAPE_HASHES).for_each(|hash| out.extend(hash.as_bytes()));
            }
        }
        out
    }

    /// Reads a datagram. Whether its connection id is a good one is for the tracker to judge.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn decode(datagram: &[u8]) -> Result<Request, RequestError> {
        let short = |expected| RequestError::Short { got: datagram.len(), expected };
        let mut r = Reader(datagram);
        let (Some(connection), Some(action), Some(transaction)) = (r.u64(), r.u32(), r.u32()) else {
            return Err(short(CONNECT_LEN));
        };
        match action {
            CONNECT if connection == PROTOCOL_ID => Ok(Request::Connect { transaction }),
            ANNOUNCE => {
                let announce = decode_announce(&mut r).ok_or(short(ANNOUNCE_LEN))?;
                let url_data = decode_url_data(r.0);
                Ok(Request::Announce { connection, transaction, announce, url_data })
            }
            SCRAPE => {
                let hashes: Vec<_> =
                    std::iter::from_fn(|| r.take().map(InfoHash)).take(SCRAPE_HASHES).collect();
                if hashes.is_empty() {
                    Err(short(36))
                } else {
                    Ok(Request::Scrape { connection, transaction, hashes })
                }
            }
            other => Err(RequestError::Action(other)),
        }
    }
}

fn encode_announce(a: &AnnounceRequest, out: &mut Vec<u8>) {
    out.extend(a.info_hash.as_bytes());
    out.extend(a.peer_id.as_bytes());
    for n in [a.downloaded, a.left, a.uploaded] {
        out.extend(n.to_be_bytes());
    }
    let ip = match a.ip {
        Some(IpAddr::V4(v4)) => v4.octets(),
        _ => [0; 4],
    };
    out.extend(a.event.udp_code().to_be_bytes());
    out.extend(ip);
    out.extend(a.key.to_be_bytes());
    out.extend(a.num_want.unwrap_or(u32::MAX).to_be_bytes());
    out.extend(a.port.to_be_bytes());
}

fn decode_announce(r: &mut Reader<'_>) -> Option<AnnounceRequest> {
    let mut a = AnnounceRequest::new(InfoHash(r.take()?), PeerId(r.take()?), 0);
    (a.downloaded, a.left, a.uploaded) = (r.u64()?, r.u64()?, r.u64()?);
    a.event = AnnounceEvent::from_udp_code(r.u32()?);
    let ip: [u8; 4] = r.take()?;
    a.ip = (ip != [0; 4]).then(|| IpAddr::from(ip));
    a.key = r.u32()?;
    // Negative numbers mean "as you like".
    a.num_want = Some(r.u32()?).filter(|n| *n <= i32::MAX as u32);
    a.port = r.u16()?;
    Some(a)
}

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_URL_DATA: u8 = 2;

/// BEP 41: the text in runs of at most 255 bytes. Nothing for no text, as old trackers expect.
fn encode_url_data(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.chunks(255) {
        out.push(OPTION_URL_DATA);
        out.push(chunk.len() as u8);
        out.extend(chunk);
    }
}

/// The URL data of the options of an announce; broken options end it.
fn decode_url_data(mut options: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((&kind, rest)) = options.split_first() {
        match kind {
            OPTION_END => break,
            OPTION_NOP => options = rest,
            _ => {
                let Some((&len, rest)) = rest.split_first() else { break };
                let Some((data, rest)) = rest.split_at_checked(usize::from(len)) else { break };
                if kind == OPTION_URL_DATA {
                    text.extend(data);
                }
                options = rest;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A datagram from tracker to client. The peers of an announce are kept as bytes until the family is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response<'a> {
    /// A connection id.
    Connect {
        /// As in the request.
        transaction: u32,
        /// Good for a minute.
        connection: u64,
    },
    /// The answer to an announce.
    Announce {
        /// As in the request.
        transaction: u32,
        /// Seconds until the next announce; a sender that lies may make it negative.
        interval: u32,
        /// Peers that have not everything.
        leechers: u32,
        /// Peers that have everything.
        seeders: u32,
        /// 6 bytes per peer in an IPv4 datagram, 18 in an IPv6 one.
        peers: &'a [u8],
    },
    /// The answer to a scrape: 12 bytes per swarm, in the order they were asked for.
    Scrape {
        /// As in the request.
        transaction: u32,
        /// Seeders, downloads and leechers.
        counts: Vec<SwarmCounts>,
    },
    /// A refusal.
    Error {
        /// As in the request.
        transaction: u32,
        /// The tracker's words.
        message: &'a [u8],
    },
}

impl<'a> Response<'a> {
    /// The number that tells which request is answered.
    pub const fn transaction(&self) -> u32 {
        match self {
            Response::Connect { transaction, .. }
            | Response::Announce { transaction, .. }
            | Response::Scrape { transaction, .. }
            | Response::Error { transaction, .. } => *transaction,
        }
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut head = |action: u32, transaction: u32| {
            out.extend(action.to_be_bytes());
            out.extend(transaction.to_be_bytes());
        };
        match self {
            Response::Connect { transaction, connection } => {
                head(CONNECT, *transaction);
                out.extend(connection.to_be_bytes());
            }
            Response::Announce { transaction, interval, leechers, seeders, peers } => {
                head(ANNOUNCE, *transaction);
                for n in [interval, leechers, seeders] {
                    out.extend(n.to_be_bytes());
                }
                out.extend(*peers);
            }
            Response::Scrape { transaction, counts } => {
                head(SCRAPE, *transaction);
                for n in counts.iter().flat_map(|c| [c.seeders, c.downloads, c.leechers]) {
                    out.extend(n.to_be_bytes());
                }
            }
            Response::Error { transaction, message } => {
                head(ERROR, *transaction);
                out.extend(*message);
            }
        }
        out
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// [`ReplyError::Short`] or [`ReplyError::Action`].
    pub fn decode(datagram: &'a [u8]) -> Result<Response<'a>, ReplyError> {
        let short = |expected| ReplyError::Short { got: datagram.len(), expected };
        let mut r = Reader(datagram);
        let (Some(action), Some(transaction)) = (r.u32(), r.u32()) else { return Err(short(8)) };
        match action {
            CONNECT => {
                let connection = r.u64().ok_or(short(16))?;
                Ok(Response::Connect { transaction, connection })
            }
            ANNOUNCE => match (r.u32(), r.u32(), r.u32()) {
                (Some(interval), Some(leechers), Some(seeders)) => {
                    Ok(Response::Announce { transaction, interval, leechers, seeders, peers: r.0 })
                }
                _ => Err(short(20)),
            },
            SCRAPE => {
                let one = || Some(SwarmCounts { seeders: r.u32()?, downloads: r.u32()?, leechers: r.u32()? });
                let counts = std::iter::from_fn(one).take(SCRAPE_HASHES).collect();
                Ok(Response::Scrape { transaction, counts })
            }
            ERROR => Ok(Response::Error { transaction, message: r.0 }),
            other => Err(ReplyError::Action(other)),
        }
    }
}

/// The answer to an announce that came from `from`.
fn announce_reply(
    from: SocketAddr,
    interval: u32,
    leechers: u32,
    seeders: u32,
    peers: &[u8],
) -> AnnounceReply {
    let mut list = PeerList::default();
    if from.ip().to_canonical().is_ipv4() {
        list.push_compact4(peers);
    } else {
        list.push_compact6(peers);
    }
    let seconds = interval.cast_signed();
    let bad_times = (seconds <= 0).then(|| BadTime { key: "interval", said: seconds.to_string() });
    AnnounceReply {
        interval: (seconds > 0).then(|| Duration::from_secs(u64::from(interval))),
        bad_times: bad_times.into_iter().collect(),
        seeders: Some(seeders.min(i32::MAX as u32)),
        leechers: Some(leechers.min(i32::MAX as u32)),
        peers: list.peers,
        skipped_peers: list.skipped,
        ..AnnounceReply::default()
    }
}

fn scrape_reply(asked: &[InfoHash], counts: &[SwarmCounts]) -> ScrapeReply {
    ScrapeReply { swarms: asked.iter().copied().zip(counts.iter().copied()).collect() }
}

/// A refusal over UDP. It has no way to say when to come back.
fn refusal(message: &[u8]) -> ReplyError {
    let reason = match clean_text(message) {
        text if text.is_empty() => "(it gave no reason)".into(),
        text => text,
    };
    ReplyError::Refused { reason, retry: crate::message::Retry::Unspecified }
}

#[cfg(test)]
mod tests;
