//! `torrent scrape`: ask a tracker how large swarms are.

use clap::Args;
use net::tracker::Error;
use serde::Serialize;
use tracker::{SwarmCounts, TrackerUrl};
use types::InfoHash;

use crate::asked::{Asked, Problem};
use crate::exit::Failure;
use crate::{output, work};

/// Ask a tracker how many seeders and leechers torrents have
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    asked: Asked,
}

/// Info hashes in one request: what HTTP and UDP trackers both take.
const AT_ONCE: usize = 70;

#[derive(Serialize)]
struct Counts {
    tracker: String,
    infohash: String,
    error: Option<Problem>,
    /// Whether the tracker knows this torrent.
    known: bool,
    seeders: Option<u32>,
    leechers: Option<u32>,
    downloads: Option<u32>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let (asked, url) = (&options.asked, options.asked.url()?);
    let hashes = asked.hashes()?;
    let client = asked.client()?;
    let failures = work::block_on(async {
        let mut failures = Vec::new();
        for hashes in hashes.chunks(AT_ONCE) {
            match asked.in_time(&url, client.scrape(&url, hashes)).await {
                Ok(reply) => {
                    for hash in hashes {
                        let counts =
                            reply.swarms.iter().find(|(name, _)| name == hash).map(|(_, counts)| *counts);
                        print(&url, *hash, counts, asked.json)?;
                    }
                }
                Err(error) => {
                    failed(&url, hashes, &error, asked.json)?;
                    failures.push(error);
                }
            }
        }
        Ok(failures)
    })?;
    // The sentences have been said above.
    failures.first().map_or(Ok(()), |error| Err(Failure::new(Failure::net(error).code(), "")))
}

fn print(url: &TrackerUrl, hash: InfoHash, counts: Option<SwarmCounts>, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&Counts {
            tracker: url.origin().to_owned(),
            infohash: hash.to_string(),
            error: None,
            known: counts.is_some(),
            seeders: counts.map(|counts| counts.seeders),
            leechers: counts.map(|counts| counts.leechers),
            downloads: counts.map(|counts| counts.downloads),
        });
    }
    match counts {
        None => output::line(format!("{hash}  not known")),
        Some(SwarmCounts { seeders, leechers, downloads }) => {
            output::line(format!("{hash}  seeders {seeders}  leechers {leechers}  downloads {downloads}"))
        }
    }
}

fn failed(url: &TrackerUrl, hashes: &[InfoHash], error: &Error, json: bool) -> Result<(), Failure> {
    if !json {
        output::complain(format!("torrent: {}", Problem::new(error).message));
        return Ok(());
    }
    hashes.iter().try_for_each(|hash| {
        output::json(&Counts {
            tracker: url.origin().to_owned(),
            infohash: hash.to_string(),
            error: Some(Problem::new(error)),
            known: false,
            seeders: None,
            leechers: None,
            downloads: None,
        })
    })
}
