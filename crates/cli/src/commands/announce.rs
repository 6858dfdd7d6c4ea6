//! `torrent announce`: ask a tracker for peers.

use std::time::Duration;

use clap::{Args, ValueEnum};
use net::tracker::Error;
use serde::Serialize;
use tracker::{AnnounceEvent, AnnounceReply, AnnounceRequest, TrackerUrl};
use types::InfoHash;

use crate::asked::{Asked, Problem};
use crate::exit::Failure;
use crate::identity::{peer_id, random};
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
        output::complain(format!("torrent: {hash}: {}", problem.message));
        return Ok(());
    }
    for bad in reply.iter().flat_map(|reply| &reply.bad_times) {
        output::say(format!("torrent: {hash}: the tracker's {bad}"));
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
