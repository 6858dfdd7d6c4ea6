//! Everything there is to be seen of a client at one moment.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tracker::TrackerUrl;
use types::{PeerId, Time};

use crate::inner::Inner;
use crate::{
    Client, Peer, PieceRun, PortMapping, Snapshot, SourceCount, Stats, Torrent, TorrentState, TrackerStatus,
    Waste,
};

/// Most runs of pieces of one torrent: a download in random order has many, and a reader needs few.
const MAX_RUNS: usize = 1_000;

/// A client at one moment: what [`Client::report`] gives. [`Display`](fmt::Display) is a text for people,
/// whose form may change; programs read the fields.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// What it calls itself.
    pub client: String,
    /// Its peer id, with a dot for what can't be printed.
    pub peer_id: String,
    /// How long it has been there.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::status::json::seconds"))]
    pub uptime: Duration,
    /// The addresses that peers can connect to.
    pub listening: Vec<SocketAddr>,
    /// How its port stands on the gateway of the local network, in words.
    pub port_mapping: String,
    /// Figures over all torrents.
    pub stats: Stats,
    /// Every torrent, in the order they were added.
    pub torrents: Vec<TorrentReport>,
}

/// A torrent at one moment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TorrentReport {
    /// Its name.
    pub name: String,
    /// What names it in the network, in hexadecimal.
    pub infohash: String,
    /// Its figures.
    pub snapshot: Snapshot,
    /// Its pieces in runs of those that are alike, the first 1,000 of them.
    pub pieces: Vec<PieceRun>,
    /// Whether there are more runs.
    pub more_pieces: bool,
    /// Its trackers in the order in which they are asked, by scheme, host and port alone: many a tracker knows its
    /// users by a key in the path, and a report is shown around. [`Torrent::trackers`] has them whole.
    pub trackers: Vec<TrackerStatus>,
    /// Its connections.
    pub peers: Vec<Peer>,
}

impl Report {
    pub(crate) async fn of(client: &Client, inner: &Inner) -> Report {
        let mut torrents = Vec::new();
        for torrent in client.torrents() {
            torrents.extend(TorrentReport::of(&torrent).await);
        }
        let peer_id: PeerId = client.peer_id();
        Report {
            client: inner.settings.client_name.clone(),
            peer_id: peer_id.to_string(),
            uptime: inner.shared.clock.now().since(Time::ZERO),
            listening: client.listen_addrs(),
            port_mapping: words(&client.port_mapping()),
            stats: client.stats().await,
            torrents,
        }
    }
}

fn words(mapping: &PortMapping) -> String {
    match mapping {
        PortMapping::Off => "off".to_owned(),
        PortMapping::Searching => "looking for a gateway".to_owned(),
        PortMapping::Mapped { method, external } => format!("{external} by {method}"),
        PortMapping::Failed { reason } => format!("none, {reason}"),
    }
}

impl TorrentReport {
    /// None where the client ends.
    async fn of(torrent: &Torrent) -> Option<TorrentReport> {
        let snapshot = torrent.snapshot().await.ok()?;
        let mut pieces = if torrent.metainfo().is_some() { torrent.piece_runs() } else { Vec::new() };
        let more_pieces = pieces.len() > MAX_RUNS;
        pieces.truncate(MAX_RUNS);
        Some(TorrentReport {
            name: torrent.display_name(),
            infohash: torrent.info_hashes().to_string(),
            snapshot,
            pieces,
            more_pieces,
            trackers: torrent.trackers().await.ok()?.into_iter().map(without_key).collect(),
            peers: torrent.peers().await.ok()?,
        })
    }
}

/// A tracker whose address tells nobody whose client this is.
fn without_key(mut status: TrackerStatus) -> TrackerStatus {
    let key = status.url;
    status.url = TrackerUrl::parse(&key).map_or_else(|_| "invalid".to_owned(), |url| url.origin().to_owned());
    // A tracker may quote what it was asked, or a part of it.
    status.last_error = status.last_error.map(|error| {
        let whole = error.replace(&key, &status.url);
        secrets(&key).fold(whole, |error, secret| error.replace(secret, "[...]"))
    });
    status
}

/// The parts of a tracker's address that may stand for a user: those long enough to be a key.
fn secrets(url: &str) -> impl Iterator<Item = &str> {
    let behind_host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = behind_host.split_once(['/', '?']).unwrap_or((behind_host, ""));
    let user = host.rsplit_once('@').map_or("", |(user, _)| user);
    let parts = user.split(':').chain(path.split(['/', '?', '&', '=', ';']));
    parts.filter(|part| part.len() >= 6 && !["announce", "announce.php", "passkey"].contains(part))
}

/// Bytes for people, in powers of 1024.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            (value, unit) = (value / 1024.0, unit + 1);
        }
        f.pad(&format!("{value:.1} {}", UNITS[unit]))
    }
}

/// A stranger's words, fit for a terminal.
struct Clean<'a>(&'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean: String = self.0.chars().map(|c| if c.is_control() { '.' } else { c }).collect();
        f.pad(&clean)
    }
}

struct Vain(Waste);

impl fmt::Display for Vain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waste { duplicate, hash_failed, unasked } = self.0;
        write!(f, "{} in vain", Bytes(self.0.total()))?;
        if self.0.total() > 0 {
            let (twice, bad, unasked) = (Bytes(duplicate), Bytes(hash_failed), Bytes(unasked));
            write!(f, " ({twice} duplicate, {bad} hash-failed, {unasked} unasked)")?;
        }
        Ok(())
    }
}

struct Sources<'a>(&'a [SourceCount]);

impl fmt::Display for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (n, SourceCount { source, known, connected }) in self.0.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{source} {connected}/{known}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.stats;
        writeln!(f, "{}, peer id {}, up {} s", Clean(&self.client), self.peer_id, self.uptime.as_secs())?;
        let listening: Vec<String> = self.listening.iter().map(ToString::to_string).collect();
        let listening = if listening.is_empty() { "nowhere".to_owned() } else { listening.join(", ") };
        writeln!(f, "listening: {listening}; port forwarding: {}", Clean(&self.port_mapping))?;
        let (down, up) = (Bytes(stats.download_rate), Bytes(stats.upload_rate));
        writeln!(
            f,
            "{} torrents, {} connections, down {down}/s, up {up}/s",
            stats.torrents, stats.connections
        )?;
        let (got, sent) = (Bytes(stats.downloaded), Bytes(stats.uploaded));
        writeln!(f, "received {got}, {}; sent {sent}", Vain(stats.wasted))?;
        writeln!(f, "peers by source, connected/known: {}", Sources(&stats.sources))?;
        writeln!(f, "nodes of the DHT: {}", stats.dht_nodes)?;
        self.torrents.iter().try_for_each(|torrent| write!(f, "\n{torrent}"))
    }
}

impl fmt::Display for TorrentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.snapshot;
        writeln!(f, "{}\n  infohash: {}", Clean(&self.name), self.infohash)?;
        write!(f, "  state: {}", s.state.name())?;
        match &s.state {
            TorrentState::Checking { checked, total } => {
                write!(f, ", {} of {}", Bytes(*checked), Bytes(*total))?;
            }
            TorrentState::FetchingMetadata { bytes, total, peers } => {
                write!(f, ", {bytes} of {total} B from {peers} peers")?;
            }
            TorrentState::Stalled(trouble) | TorrentState::Failed(trouble) => {
                write!(f, ", {}", Clean(&trouble.message))?;
            }
            _ => {}
        }
        writeln!(f)?;
        let done = s.bytes_wanted.saturating_sub(s.bytes_left);
        write!(f, "  wanted: {} of {}", Bytes(done), Bytes(s.bytes_wanted))?;
        if let Some(eta) = s.eta {
            write!(f, ", the rest in {} s", eta.as_secs())?;
        }
        let (down, up) = (Bytes(s.download_rate), Bytes(s.upload_rate));
        writeln!(f, "\n  rates: down {down}/s, up {up}/s")?;
        let (got, sent) = (Bytes(s.session_downloaded), Bytes(s.session_uploaded));
        writeln!(f, "  this run: received {got}, {}; sent {sent}", Vain(s.wasted))?;
        let (got, sent, ratio) = (Bytes(s.downloaded), Bytes(s.uploaded), s.ratio());
        writeln!(f, "  over all: received {got}, sent {sent}, ratio {ratio:.2}")?;
        self.write_pieces(f)?;
        self.write_trackers(f)?;
        self.write_peers(f)
    }
}

impl TorrentReport {
    fn write_pieces(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.snapshot;
        writeln!(f, "  pieces: {} of {} here, {} partial", s.pieces_have, s.pieces, s.pieces_partial)?;
        const SHOWN: usize = 32;
        for PieceRun { pieces, state } in self.pieces.iter().take(SHOWN) {
            let what = match (state.complete, state.priority.get()) {
                (true, _) => "here".to_owned(),
                (false, 0) => "not wanted".to_owned(),
                (false, n) => format!("missing, priority {n}"),
            };
            let read = if state.demanded { ", a reader waits" } else { "" };
            writeln!(f, "    {}-{} {what}{read}", pieces.start, pieces.end.saturating_sub(1))?;
        }
        if self.pieces.len() > SHOWN || self.more_pieces {
            writeln!(f, "    and more")?;
        }
        Ok(())
    }

    fn write_trackers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  trackers: {}", self.trackers.len())?;
        for tracker in &self.trackers {
            write!(f, "    tier {} {}", tracker.tier, Clean(&tracker.url))?;
            if let Some(next) = tracker.next_announce {
                write!(f, ", next announce in {} s", next.as_secs())?;
            }
            if let (Some(seeders), Some(leechers)) = (tracker.seeders, tracker.leechers) {
                write!(f, ", {seeders} seeders and {leechers} leechers")?;
            }
            if let Some(error) = &tracker.last_error {
                write!(f, ", failed {} times: {}", tracker.failures, Clean(error))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_peers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.snapshot;
        let (peers, seeds, dials, known) = (s.peers, s.seeds, s.half_open, s.known_peers);
        writeln!(f, "  peers: {peers} connected, {seeds} of them seeds; {dials} dials, {known} known")?;
        writeln!(f, "  peers by source, connected/known: {}", Sources(&s.sources))?;
        if self.peers.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "    {:<24} {:<8} {:<6} {:>7} {:>12} {:>12} {:>10} {:>10} client",
            "address", "source", "flags", "pieces", "down/s", "up/s", "received", "sent"
        )?;
        for peer in &self.peers {
            let (addr, source) = (peer.addr.to_string(), peer.source.name());
            let (down, up) = (Bytes(peer.download_rate), Bytes(peer.upload_rate));
            let (got, sent) = (Bytes(peer.downloaded), Bytes(peer.uploaded));
            let (flags, pieces, client) = (peer.flags(), peer.pieces, Clean(&peer.client));
            writeln!(
                f,
                "    {addr:<24} {source:<8} {flags:<6} {pieces:>7} {down:>12} {up:>12} {got:>10} {sent:>10} {client}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_no_passkeys() {
        for url in ["http://t.example:80/s3cret/announce", "https://u:s3cret@t.example/a?passkey=s3cret"] {
            let error = Some(format!("`{url}` is not known here, nor is s3cret"));
            let status = TrackerStatus { url: url.to_owned(), last_error: error, ..TrackerStatus::default() };
            let shown = format!("{:?}", without_key(status));
            assert!(shown.contains("t.example") && !shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn sizes_and_strangers_words_are_fit_to_read() {
        let size = |n| Bytes(n).to_string();
        assert_eq!(
            [size(0), size(1_023), size(1_536), size(5 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
        );
        assert_eq!(format!("[{:>6}]", Clean("a\x1b[2J")), "[ a.[2J]");
        let mut waste = Waste { duplicate: 1, ..Waste::default() };
        waste.add(Waste { unasked: 2, ..Waste::default() });
        assert_eq!(Vain(waste).to_string(), "3 B in vain (1 B duplicate, 0 B hash-failed, 2 B unasked)");
    }
}
