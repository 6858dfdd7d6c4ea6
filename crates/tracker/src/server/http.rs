//! The HTTP side of the server.

use std::net::{IpAddr, SocketAddr};

use bencode::Value;
use types::{InfoHash, PeerId, Time};

use super::{Answer, Refused, Server};
use crate::http::parse_event;
use crate::message::{AnnounceRequest, SwarmCounts};
use crate::udp::SCRAPE_HASHES;
use crate::url::percent_decode;

/// Longest request target read, in bytes: a scrape of 74 torrents.
const TARGET_LEN: usize = 8192;

/// An answer, for an HTTP server to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpReply {
    fn text(status: u16, text: &str) -> HttpReply {
        HttpReply { status, content_type: "text/plain; charset=utf-8", body: text.as_bytes().to_vec() }
    }

    /// Refusals have status 200 too: clients read the body of nothing else.
    fn bencoded(value: &Value) -> HttpReply {
        HttpReply { status: 200, content_type: "text/plain", body: value.encode() }
    }

    fn refused(reason: &Refused) -> HttpReply {
        let mut dict = Value::dict();
        dict.insert("failure reason", reason.to_string());
        HttpReply::bencoded(&dict)
    }
}

pub(super) fn answer(server: &mut Server, now: Time, from: IpAddr, method: &str, target: &[u8]) -> HttpReply {
    if method != "GET" {
        return HttpReply::text(405, "only GET is served\n");
    }
    if target.len() > TARGET_LEN {
        return HttpReply::text(414, "the request target is too long\n");
    }
    let at = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
    let (path, query) = (&target[..at], target.get(at + 1..).unwrap_or_default());
    let result = match path {
        b"/announce" => announce(server, now, from, query),
        b"/scrape" => scrape(server, query),
        b"/" => return HttpReply::text(200, "This is a BitTorrent tracker: /announce and /scrape.\n"),
        _ => return HttpReply::text(404, "not found; this is a BitTorrent tracker\n"),
    };
    match result {
        Ok(value) => HttpReply::bencoded(&value),
        Err(reason) => HttpReply::refused(&reason),
    }
}

/// The parameters of a query, unescaped. `+` stays a plus: info hashes are bytes and no form.
fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
    query.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (&pair[..at], percent_decode(pair.get(at + 1..).unwrap_or_default()))
    })
}

fn announce(server: &mut Server, now: Time, from: IpAddr, query: &[u8]) -> Result<Value, Refused> {
    let (request, form) = parse_announce(query)?;
    let answer = server.announce(now, from, &request, usize::MAX, false)?;
    Ok(encode(server, from, &answer, form))
}

/// How the asker wants its peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Compact,
    Long,
    LongWithoutIds,
}

fn parse_announce(query: &[u8]) -> Result<(AnnounceRequest, Form), Refused> {
    let (mut info_hash, mut peer_id, mut port) = (None, None, None);
    let mut request = AnnounceRequest::new(InfoHash([0; 20]), PeerId([0; 20]), 0);
    let (mut compact, mut no_peer_id) = (true, false);
    for (name, value) in parameters(query) {
        match name {
            b"info_hash" => info_hash = Some(hash(&value)?),
            b"peer_id" => {
                let id =
                    value.try_into().map_err(|_| Refused::Invalid("peer_id", "it is not 20 bytes long"))?;
                peer_id = Some(PeerId(id));
            }
            b"port" => port = Some(number(&value, "port", u64::from(u16::MAX))?),
            b"uploaded" => request.uploaded = number(&value, "uploaded", u64::MAX)?,
            b"downloaded" => request.downloaded = number(&value, "downloaded", u64::MAX)?,
            b"left" => request.left = number(&value, "left", u64::MAX)?,
            // Minus one and other nonsense leave it to us.
            b"numwant" => {
                request.num_want = number(&value, "numwant", u64::from(u32::MAX)).ok().map(|n| n as u32)
            }
            b"event" => request.event = parse_event(&value),
            b"compact" => compact = value != b"0",
            b"no_peer_id" => no_peer_id = value == b"1",
            b"ip" => request.ip = std::str::from_utf8(&value).ok().and_then(|ip| ip.parse().ok()),
            b"key" => request.key = key(&value),
            _ => {}
        }
    }
    request.info_hash = info_hash.ok_or(Refused::Missing("info_hash"))?;
    request.peer_id = peer_id.ok_or(Refused::Missing("peer_id"))?;
    request.port = port.ok_or(Refused::Missing("port"))? as u16;
    let form = match (compact, no_peer_id) {
        (true, _) => Form::Compact,
        (false, true) => Form::LongWithoutIds,
        (false, false) => Form::Long,
    };
    Ok((request, form))
}

fn hash(value: &[u8]) -> Result<InfoHash, Refused> {
    value.try_into().map(InfoHash).map_err(|_| Refused::Invalid("info_hash", "it is not 20 bytes long"))
}

fn number(value: &[u8], name: &'static str, max: u64) -> Result<u64, Refused> {
    let n = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    n.filter(|n| *n <= max).ok_or(Refused::Invalid(name, "it is no number, or too large"))
}

/// Keys are hexadecimal by custom; any other text has none.
fn key(value: &[u8]) -> u32 {
    std::str::from_utf8(value).ok().and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or_default()
}

fn encode(server: &Server, from: IpAddr, answer: &Answer, form: Form) -> Value {
    let SwarmCounts { seeders, downloads, leechers } = answer.counts.public();
    let seconds = |d: std::time::Duration| Value::Int(i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    let mut dict = Value::dict();
    dict.insert("complete", seeders);
    dict.insert("downloaded", downloads);
    dict.insert("incomplete", leechers);
    dict.insert("interval", seconds(server.config.interval));
    dict.insert("min interval", seconds(server.config.min_interval));
    let own = match from {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    dict.insert("external ip", own);
    if form == Form::Compact {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for peer in &answer.peers {
            push_compact(peer.addr, if peer.addr.is_ipv4() { &mut v4 } else { &mut v6 });
        }
        dict.insert("peers", v4);
        if !v6.is_empty() {
            dict.insert("peers6", v6);
        }
    } else {
        let peers = answer.peers.iter().map(|peer| {
            let mut entry = Value::dict();
            entry.insert("ip", peer.addr.ip().to_string());
            entry.insert("port", u32::from(peer.addr.port()));
            if form == Form::Long {
                entry.insert("peer id", peer.id.as_bytes());
            }
            entry
        });
        dict.insert("peers", peers.collect::<Vec<_>>());
    }
    dict
}

/// Address and port, 6 bytes or 18.
pub(super) fn push_compact(addr: SocketAddr, out: &mut Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(v4) => out.extend(v4.octets()),
        IpAddr::V6(v6) => out.extend(v6.octets()),
    }
    out.extend(addr.port().to_be_bytes());
}

fn scrape(server: &Server, query: &[u8]) -> Result<Value, Refused> {
    let hashes = parameters(query)
        .filter(|(name, _)| *name == b"info_hash")
        .map(|(_, value)| hash(&value))
        .collect::<Result<Vec<_>, _>>()?;
    if hashes.is_empty() || hashes.len() > SCRAPE_HASHES {
        return Err(Refused::ScrapeCount);
    }
    let mut files = Value::dict();
    for hash in hashes.into_iter().filter(|hash| server.is_allowed(*hash)) {
        let counts = server.counts(hash).unwrap_or_default();
        let mut entry = Value::dict();
        entry.insert("complete", counts.seeders);
        entry.insert("downloaded", counts.downloads);
        entry.insert("incomplete", counts.leechers);
        files.insert(hash.as_bytes().as_slice(), entry);
    }
    let mut dict = Value::dict();
    dict.insert("files", files);
    Ok(dict)
}
