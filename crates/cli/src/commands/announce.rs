//! `torrent announce`: ask a tracker for peers.

use std::future::Future;
use std::time::Duration;

use clap::{Args, ValueEnum};
use net::tracker::{Error, TrackerClient};
use serde::Serialize;
use tracker::{AnnounceEvent, AnnounceReply, AnnounceRequest, Family, TrackerUrl};
use types::{InfoHash, PeerId};

use crate::commands::version::PEER_ID_PREFIX;
use crate::exit::{Code, Failure};
use crate::source::{self, Source};
use crate::{output, units, work};

/// Announce to a tracker and print the peers it names
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    asked: Asked,
    /// Why we announce
    #[arg(long, value_enum, default_value = "none")]
    event: Event,
    /// The port to be told to other peers
    #[arg(long, default_value = "6881")]
    port: u16,
    /// How many peers are wanted; without it the tracker decides
    #[arg(long, value_name = "N")]
    num_want: Option<u32>,
    /// Bytes still missing, with an optional suffix; without it we count as a peer that has nothing yet
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    left: Option<u64>,
}

/// Who is asked about what, and how: the same for announces and scrapes.
#[derive(Args, Debug)]
pub(crate) struct Asked {
    /// The tracker's announce URL: http, https or udp
    pub(crate) tracker: String,
    /// Info hashes, magnet links or .torrent files
    #[arg(required = true, value_name = "INFOHASH")]
    pub(crate) torrents: Vec<String>,
    /// How long to wait for each answer
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::parse_time)]
    pub(crate) timeout: Duration,
    /// What HTTP requests call themselves
    #[arg(long, value_name = "NAME", default_value = net::tracker::USER_AGENT)]
    pub(crate) user_agent: String,
    /// Ask over IPv4 only
    #[arg(long, conflicts_with = "ipv6_only")]
    pub(crate) ipv4_only: bool,
    /// Ask over IPv6 only
    #[arg(long)]
    pub(crate) ipv6_only: bool,
    /// Print one JSON object for each info hash
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    /// A regular announce
    None,
    /// The first one
    Started,
    /// The download is complete
    Completed,
    /// We leave
    Stopped,
}

impl From<Event> for AnnounceEvent {
    fn from(event: Event) -> AnnounceEvent {
        match event {
            Event::None => AnnounceEvent::None,
            Event::Started => AnnounceEvent::Started,
            Event::Completed => AnnounceEvent::Completed,
            Event::Stopped => AnnounceEvent::Stopped,
        }
    }
}

impl Asked {
    pub(crate) fn url(&self) -> Result<TrackerUrl, Failure> {
        TrackerUrl::parse(&self.tracker)
            .map_err(|error| Failure::usage(format!("the tracker's URL: {error}")))
    }

    /// Every name that the torrents have on the wire: two for a hybrid.
    pub(crate) fn hashes(&self) -> Result<Vec<InfoHash>, Failure> {
        let mut out = Vec::new();
        for text in &self.torrents {
            let hashes = match source::open(text)? {
                Source::Torrent(torrent) => torrent.info_hashes(),
                Source::Magnet(magnet) => magnet.hashes,
            };
            out.extend(hashes.wire_names());
        }
        Ok(out)
    }

    pub(crate) fn client(&self) -> Result<TrackerClient, Failure> {
        let family = match (self.ipv4_only, self.ipv6_only) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        TrackerClient::builder()
            .user_agent(&self.user_agent)
            .ip_family(family)
            .total_timeout(self.timeout)
            .build()
            .map_err(|error| Failure::net(&error))
    }

    /// The outcome of `asking`, or that it took too long.
    pub(crate) async fn in_time<T>(
        &self,
        url: &TrackerUrl,
        asking: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let after = self.timeout;
        let late = |_| Error::Timeout { origin: url.origin().to_owned(), after };
        tokio::time::timeout(after, asking).await.map_err(late)?
    }
}

/// What JSON says of an exchange that failed.
#[derive(Serialize)]
pub(crate) struct Problem {
    code: &'static str,
    message: String,
}

impl Problem {
    pub(crate) fn new(error: &Error) -> Problem {
        Problem { code: error.code(), message: error.to_string() }
    }
}

#[derive(Serialize, Default)]
struct Answer {
    tracker: String,
    infohash: String,
    error: Option<Problem>,
    interval: Option<u64>,
    min_interval: Option<u64>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    downloads: Option<u32>,
    warning: Option<String>,
    external_ip: Option<String>,
    skipped_peers: usize,
    peers: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let (asked, url) = (&options.asked, options.asked.url()?);
    let hashes = asked.hashes()?;
    let peer_id = peer_id()?;
    let client = asked.client()?;
    let failures = work::block_on(async {
        let mut failures = Vec::new();
        for hash in hashes {
            let mut request = AnnounceRequest::new(hash, peer_id, options.port);
            request.event = options.event.into();
            request.num_want = options.num_want;
            request.left = options.left.unwrap_or(AnnounceRequest::LEFT_UNKNOWN);
            request.key = u32::from_be_bytes(random()?);
            let reply = asked.in_time(&url, client.announce(&url, &request)).await;
            print(&url, hash, &reply, asked.json)?;
            failures.extend(reply.err());
        }
        Ok(failures)
    })?;
    // The sentences have been said above, one for each info hash.
    failures.first().map_or(Ok(()), |error| Err(Failure::new(Failure::net(error).code(), "")))
}

/// A peer id of ours, different each time.
fn peer_id() -> Result<PeerId, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let tail: [u8; 12] = random()?;
    let mut id = [0; 20];
    id[..8].copy_from_slice(PEER_ID_PREFIX.as_bytes());
    id.iter_mut().skip(8).zip(tail).for_each(|(to, byte)| *to = LETTERS[usize::from(byte % 32)]);
    Ok(PeerId(id))
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Code::Other, format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

fn print(
    url: &TrackerUrl,
    hash: InfoHash,
    reply: &Result<AnnounceReply, Error>,
    json: bool,
) -> Result<(), Failure> {
    let answer = answer(url, hash, reply);
    if json {
        return output::json(&answer);
    }
    if let Some(problem) = &answer.error {
        output::say(format!("torrent: {hash}: {}", problem.message));
        return Ok(());
    }
    if let Some(warning) = &answer.warning {
        output::say(format!("torrent: {hash}: the tracker warns: {warning}"));
    }
    let count = |n: Option<u32>| n.map_or("?".to_owned(), |n| n.to_string());
    let again = answer
        .interval
        .map_or(String::new(), |s| format!("; again in {}", units::time(Duration::from_secs(s))));
    output::line(format!(
        "{hash}  seeders {}  leechers {}  downloads {}  peers {}{again}",
        count(answer.seeders),
        count(answer.leechers),
        count(answer.downloads),
        answer.peers.len()
    ))?;
    answer.peers.iter().try_for_each(|peer| output::line(format!("  {peer}")))
}

fn answer(url: &TrackerUrl, hash: InfoHash, reply: &Result<AnnounceReply, Error>) -> Answer {
    let named = Answer { tracker: url.origin().to_owned(), infohash: hash.to_string(), ..Answer::default() };
    match reply {
        Err(error) => Answer { error: Some(Problem::new(error)), ..named },
        Ok(reply) => Answer {
            interval: reply.interval.map(|time| time.as_secs()),
            min_interval: reply.min_interval.map(|time| time.as_secs()),
            seeders: reply.seeders,
            leechers: reply.leechers,
            downloads: reply.downloads,
            warning: reply.warning.clone(),
            external_ip: reply.external_ip.map(|ip| ip.to_string()),
            skipped_peers: reply.skipped_peers,
            peers: reply.peers.iter().map(|peer| peer.addr.to_string()).collect(),
            ..named
        },
    }
}
