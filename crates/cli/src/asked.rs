//! Who is asked about what: the same for announces and scrapes.

use std::future::Future;
use std::time::Duration;

use clap::Args;
use net::tracker::{Error, TrackerClient};
use serde::Serialize;
use tracker::url::Refusal;
use tracker::{Family, TrackerUrl};
use types::InfoHash;

use crate::exit::Failure;
use crate::source::{self, Source};
use crate::{identity, units};

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
    #[arg(long, value_name = "NAME", default_value = net::tracker::USER_AGENT, value_parser = identity::user_agent)]
    pub(crate) user_agent: String,
    /// Ask over IPv4 only
    #[arg(long, conflicts_with = "ipv6_only")]
    pub(crate) ipv4_only: bool,
    /// Ask over IPv6 only
    #[arg(long)]
    pub(crate) ipv6_only: bool,
    /// Ask trackers on this machine and its link whatever their path; without it the path must begin with /announce
    #[arg(long)]
    allow_local_trackers: bool,
    /// Print one JSON object for each info hash
    #[arg(long)]
    pub(crate) json: bool,
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
            .allow_local(self.allow_local_trackers)
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
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(error: &Error) -> Problem {
        let hint = match error {
            Error::Refusal(refusal) | Error::Redirect { refusal, .. }
                if matches!(refusal, Refusal::LocalPath(_) | Refusal::Address { .. }) =>
            {
                "; --allow-local-trackers allows it"
            }
            _ => "",
        };
        Problem { code: error.code(), message: format!("{error}{hint}") }
    }
}
