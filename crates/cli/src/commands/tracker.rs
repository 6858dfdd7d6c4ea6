//! `torrent tracker`: a small tracker.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use net::tracker_server::TrackerServer;
use serde::Serialize;
use tracker::server::ServerConfig;
use types::InfoHash;

use crate::exit::{Code, Failure};
use crate::{output, units, work};

/// Run a tracker until Ctrl-C
///
/// It keeps its swarms in memory, and serves announces and scrapes over HTTP and UDP to a home network, a test or a
/// demonstration. Its URLs are printed on stdout.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where to serve HTTP; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6969")]
    http: SocketAddr,
    /// Where to serve UDP
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6969")]
    udp: SocketAddr,
    /// Do not serve HTTP
    #[arg(long, conflicts_with = "no_udp")]
    no_http: bool,
    /// Do not serve UDP
    #[arg(long)]
    no_udp: bool,
    /// How often clients are asked to announce
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = units::parse_time)]
    interval: Duration,
    /// Most torrents
    #[arg(long, value_name = "N", default_value = "10000")]
    max_torrents: usize,
    /// Most peers of one torrent
    #[arg(long, value_name = "N", default_value = "5000")]
    max_peers: usize,
    /// Track only these torrents; repeat for more
    #[arg(long, value_name = "INFOHASH")]
    allow: Vec<types::InfoHashes>,
    /// Print events as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// How often the counts are looked at; they are printed when they have changed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::parse_time)]
    stats_interval: Duration,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Listening { urls: Vec<String> },
    Stats { torrents: usize, peers: usize },
    Stopped,
}

impl Options {
    fn config(&self) -> ServerConfig {
        let usual = ServerConfig::default();
        let allowed: Vec<InfoHash> = self.allow.iter().flat_map(types::InfoHashes::wire_names).collect();
        ServerConfig {
            interval: self.interval,
            min_interval: usual.min_interval.min(self.interval),
            // Who misses two announces has gone.
            expiry: self.interval.saturating_mul(2).saturating_add(Duration::from_secs(400)),
            max_torrents: self.max_torrents,
            max_peers: self.max_peers,
            allow: (!allowed.is_empty()).then(|| allowed.into_iter().collect()),
            ..usual
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    // Ctrl-C is how a server is meant to end.
    match work::block_on(serve(options)) {
        Err(failure) if failure.code() == Code::Interrupted => {
            if options.json {
                output::json(&Event::Stopped)
            } else {
                Ok(())
            }
        }
        done => done,
    }
}

async fn serve(options: &Options) -> Result<(), Failure> {
    let http = (!options.no_http).then_some(options.http);
    let udp = (!options.no_udp).then_some(options.udp);
    let server = TrackerServer::bind(http, udp, options.config()).await.map_err(|error| {
        Failure::new(Code::Network, format!("cannot serve at {}: {error}", places(http, udp)))
    })?;
    let urls = server.announce_urls();
    if options.json {
        output::json(&Event::Listening { urls })?;
    } else {
        urls.iter().try_for_each(output::line)?;
    }
    let mut before = (0, 0);
    let mut ticks = tokio::time::interval(options.stats_interval.max(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        let now = server.totals();
        if now == before {
            continue;
        }
        before = now;
        let (torrents, peers) = now;
        if options.json {
            output::json(&Event::Stats { torrents, peers })?;
            output::heed_reader()?;
        } else {
            tracing::info!("{torrents} torrents, {peers} peers");
        }
    }
}

fn places(http: Option<SocketAddr>, udp: Option<SocketAddr>) -> String {
    let named = [http.map(|addr| format!("http {addr}")), udp.map(|addr| format!("udp {addr}"))];
    named.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
