//! Announce and scrape over HTTP: the URL to get, the body that comes back (BEP 3, 7, 23, 24, 31, 48).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bencode::{Kind, Node, Options};
use types::{InfoHash, PeerId, limits};

use crate::message::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, BadTime, PeerList, ReplyError, Retry, ScrapeReply,
    SwarmCounts, clean_text,
};
use crate::url::{TrackerUrl, percent_encode};

/// Most info hashes asked for in one scrape: as many as fit a UDP datagram (BEP 15), and a URL that servers take.
pub const SCRAPE_HASHES: usize = 70;

/// Longest `tracker id` kept, in bytes.
const TRACKER_ID_LEN: usize = 1024;

/// The URL of an announce. A query that the tracker's URL has is kept in front.
pub fn announce_url(url: &TrackerUrl, request: &AnnounceRequest) -> String {
    let mut out = String::with_capacity(url.as_str().len() + 320);
    out.push_str(url.as_str());
    out.push(if url.query().is_some() { '&' } else { '?' });
    out.push_str("info_hash=");
    percent_encode(request.info_hash.as_bytes(), &mut out);
    out.push_str("&peer_id=");
    percent_encode(request.peer_id.as_bytes(), &mut out);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "&port={}&uploaded={}&downloaded={}&left={}&compact=1&key={:08X}",
        request.port, request.uploaded, request.downloaded, request.left, request.key
    );
    if let Some(n) = request.num_want {
        let _ = write!(out, "&numwant={n}");
    }
    if let Some(event) = request.event.word() {
        let _ = write!(out, "&event={event}");
    }
    if let Some(ip) = request.ip {
        out.push_str("&ip=");
        percent_encode(ip.to_string().as_bytes(), &mut out);
    }
    if let Some(id) = &request.tracker_id {
        out.push_str("&trackerid=");
        percent_encode(id, &mut out);
    }
    out
}

/// The URL of a scrape of at most [`SCRAPE_HASHES`] torrents, the rest is left out. `None` where the tracker's path has
/// no part that begins with `announce`: it then has no scrape (BEP 48).
pub fn scrape_url(url: &TrackerUrl, hashes: &[InfoHash]) -> Option<String> {
    let path = url.path();
    let at = path.rfind("/announce")?;
    let tail = path.len() + url.query().map_or(0, |q| q.len() + 1);
    let origin = &url.as_str()[..url.as_str().len() - tail];
    let mut out = format!("{origin}{}/scrape{}", &path[..at], &path[at + "/announce".len()..]);
    out.push('?');
    if let Some(query) = url.query().filter(|q| !q.is_empty()) {
        out.push_str(query);
        out.push('&');
    }
    for (i, hash) in hashes.iter().take(SCRAPE_HASHES).enumerate() {
        out.push_str(if i == 0 { "info_hash=" } else { "&info_hash=" });
        percent_encode(hash.as_bytes(), &mut out);
    }
    Some(out)
}

/// The limits under which replies are decoded.
fn options() -> Options {
    // A peer of the long form is a dictionary of up to four keys.
    Options::lenient()
        .max_len(limits::TRACKER_REPLY_LEN)
        .max_depth(8)
        .max_tokens(limits::TRACKER_PEERS * 10)
        .trailing(true)
}

/// Reads the body of an announce's answer, whatever its HTTP status was.
///
/// # Errors
/// [`ReplyError`]: a refusal in the tracker's words, or what is wrong with the bytes.
pub fn parse_announce(body: &[u8]) -> Result<AnnounceReply, ReplyError> {
    let document = parse_dict(body)?;
    let root = document.root();
    check_failure(root)?;
    let mut peers = PeerList::default();
    if let Some(node) = root.get(b"peers") {
        read_peers(node, &mut peers)?;
    }
    if let Some(node) = root.get(b"peers6") {
        read_peers6(node, &mut peers)?;
    }
    let warning = root.get(b"warning message").or_else(|| root.get(b"warning"));
    let count = |key: &[u8]| root.get(key).and_then(|n| n.as_int()).map(saturate);
    let mut bad_times = Vec::new();
    let interval = wait(root, "interval", 1, &mut bad_times);
    // That no pause is prescribed is nothing odd.
    let min_interval = wait(root, "min interval", 0, &mut bad_times);
    Ok(AnnounceReply {
        interval,
        min_interval: min_interval.filter(|wait| !wait.is_zero()),
        bad_times,
        seeders: count(b"complete"),
        leechers: count(b"incomplete"),
        downloads: count(b"downloaded"),
        peers: peers.peers,
        skipped_peers: peers.skipped,
        tracker_id: root
            .get(b"tracker id")
            .and_then(|n| n.as_bytes())
            .filter(|id| !id.is_empty() && id.len() <= TRACKER_ID_LEN)
            .map(<[u8]>::to_vec),
        warning: warning.and_then(|n| n.as_bytes()).map(clean_text).filter(|w| !w.is_empty()),
        external_ip: root.get(b"external ip").and_then(|n| n.as_bytes()).and_then(packed_ip),
    })
}

/// Reads the body of a scrape's answer: what it says of the torrents in `asked`, everything else is left out.
///
/// # Errors
/// As [`parse_announce`].
pub fn parse_scrape(body: &[u8], asked: &[InfoHash]) -> Result<ScrapeReply, ReplyError> {
    let document = parse_dict(body)?;
    let root = document.root();
    check_failure(root)?;
    let files = root.get(b"files").ok_or(ReplyError::Key {
        key: "files",
        offset: 0,
        problem: "is missing: this is no answer to a scrape",
    })?;
    if files.kind() != Kind::Dict {
        return Err(bad_key("files", files, "is no dictionary"));
    }
    let swarms = asked.iter().filter_map(|hash| {
        let file = files.get(hash.as_bytes())?;
        let count = |key: &[u8]| file.get(key).and_then(|n| n.as_int()).map(saturate).unwrap_or_default();
        let counts = SwarmCounts {
            seeders: count(b"complete"),
            downloads: count(b"downloaded"),
            leechers: count(b"incomplete"),
        };
        Some((*hash, counts))
    });
    Ok(ScrapeReply { swarms: swarms.collect() })
}

fn parse_dict(body: &[u8]) -> Result<bencode::Document<'_>, ReplyError> {
    if body.first() != Some(&b'd') {
        return Err(ReplyError::NotBencode { what: describe(body) });
    }
    Ok(bencode::parse(body, &options())?)
}

/// Says what came instead of a dictionary.
fn describe(body: &[u8]) -> String {
    let head: Vec<u8> = body.iter().take(512).map(u8::to_ascii_lowercase).collect();
    let has = |needle: &[u8]| head.windows(needle.len()).any(|w| w == needle);
    if body.is_empty() {
        return "the body is empty".into();
    }
    if has(b"<html") || has(b"<!doctype") || has(b"<head") || has(b"<body") {
        return match title(body) {
            Some(title) => format!("an HTML page titled \"{title}\""),
            None => format!("an HTML page that begins \"{}\"", excerpt(body)),
        };
    }
    let printable = body.iter().take(64).filter(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()).count();
    if printable == body.len().min(64) {
        let kind = if has(b"<?xml") { "XML" } else { "text" };
        return format!("{kind} that begins \"{}\"", excerpt(body));
    }
    format!("{} bytes that begin {}", body.len(), body[..body.len().min(8)].escape_ascii())
}

fn excerpt(body: &[u8]) -> String {
    clean_text(&body[..body.len().min(80)])
}

fn title(body: &[u8]) -> Option<String> {
    let head = &body[..body.len().min(4096)];
    let find = |from: usize, needle: &[u8]| {
        let at = head[from..].windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle))?;
        Some(from + at)
    };
    let begin = find(0, b"<title>")? + b"<title>".len();
    let end = find(begin, b"</title")?;
    Some(clean_text(&head[begin..end])).filter(|t| !t.is_empty())
}

fn check_failure(root: Node<'_, '_>) -> Result<(), ReplyError> {
    let Some(node) = root.get(b"failure reason") else { return Ok(()) };
    let reason = match node.as_bytes().map(clean_text) {
        Some(text) if !text.is_empty() => text,
        _ => "(it gave no reason)".into(),
    };
    // BEP 31 counts in minutes. Some trackers send the number as a string.
    let minutes = |n: u64| Retry::After(Duration::from_secs(n.saturating_mul(60).min(u32::MAX.into())));
    let retry = match root.get(b"retry in") {
        Some(n) if n.as_bytes().is_some_and(|b| b.eq_ignore_ascii_case(b"never")) => Retry::Never,
        Some(n) => n
            .as_u64()
            .or_else(|| n.as_str()?.trim().parse().ok())
            .filter(|n| *n > 0)
            .map_or(Retry::Unspecified, minutes),
        None => Retry::Unspecified,
    };
    Err(ReplyError::Refused { reason, retry })
}

fn bad_key(key: &'static str, node: Node<'_, '_>, problem: &'static str) -> ReplyError {
    ReplyError::Key { key, offset: node.offset(), problem }
}

fn read_peers(node: Node<'_, '_>, out: &mut PeerList) -> Result<(), ReplyError> {
    if let Some(bytes) = node.as_bytes() {
        if !bytes.len().is_multiple_of(6) {
            return Err(bad_key("peers", node, "is no whole number of 6-byte peers"));
        }
        out.push_compact4(bytes);
        return Ok(());
    }
    let list = node.as_list().ok_or_else(|| bad_key("peers", node, "is neither a string nor a list"))?;
    for peer in list {
        match read_dict_peer(peer) {
            Some((addr, id)) => out.push(addr, id),
            None => out.skipped += 1,
        }
    }
    Ok(())
}

fn read_peers6(node: Node<'_, '_>, out: &mut PeerList) -> Result<(), ReplyError> {
    match node.as_bytes() {
        Some(bytes) if bytes.len().is_multiple_of(18) => out.push_compact6(bytes),
        Some(_) => return Err(bad_key("peers6", node, "is no whole number of 18-byte peers")),
        // Some trackers send an empty list, or the long form here too.
        None if node.kind() == Kind::List => read_peers(node, out)?,
        None => return Err(bad_key("peers6", node, "is no string")),
    }
    Ok(())
}

/// A peer of the long form. Host names are left out: looking them up would let a tracker choose whom we ask.
fn read_dict_peer(peer: Node<'_, '_>) -> Option<(SocketAddr, Option<PeerId>)> {
    let ip: IpAddr = peer.get(b"ip")?.as_str()?.trim_matches(['[', ']']).parse().ok()?;
    let port = u16::try_from(peer.get(b"port")?.as_int()?).ok()?;
    let id = peer.get(b"peer id").and_then(|n| n.as_bytes()).and_then(|b| b.try_into().ok()).map(PeerId);
    Some((SocketAddr::new(ip, port), id))
}

fn saturate(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

/// A time to wait of at least `least` seconds, where it is one.
fn wait(root: Node<'_, '_>, key: &'static str, least: i64, bad: &mut Vec<BadTime>) -> Option<Duration> {
    let node = root.get(key.as_bytes())?;
    let number = node.as_int().or_else(|| node.as_str()?.trim().parse().ok());
    if let Some(n) = number.filter(|n| *n >= least) {
        return Some(Duration::from_secs(u64::from(saturate(n))));
    }
    let text =
        node.as_bytes().or_else(|| node.int_text()).map(|text| clean_text(&text[..text.len().min(80)]));
    let said = number.map(|n| n.to_string()).or(text).unwrap_or_else(|| "no number".to_owned());
    bad.push(BadTime { key, said });
    None
}

fn packed_ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        return Some(Ipv6Addr::from(v6).to_canonical());
    }
    // Not what BEP 24 says, but met: the address as text.
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// The word of an `event` parameter; what is unknown counts as a regular announce.
pub(crate) fn parse_event(word: &[u8]) -> AnnounceEvent {
    match word {
        b"started" => AnnounceEvent::Started,
        b"completed" => AnnounceEvent::Completed,
        b"stopped" => AnnounceEvent::Stopped,
        _ => AnnounceEvent::None,
    }
}

#[cfg(test)]
mod tests;
