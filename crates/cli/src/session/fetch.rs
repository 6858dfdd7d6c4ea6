//! The metainfo of a magnet link, from its swarm.

use std::time::Duration;

use metainfo::{Magnet, Metainfo};
use riverrun::{AddTorrent, Source, Torrent, TorrentState};

use super::{ClientOptions, failure, signals};
use crate::exit::{Code, Failure};
use crate::{output, units};

/// How often a person is told how it goes.
const SHOW: Duration = Duration::from_secs(3);

/// Fetches the metainfo that a link names, and nothing else, with a client of its own.
pub(crate) async fn fetch(
    options: &ClientOptions,
    link: &Magnet,
    timeout: Option<Duration>,
    quiet: bool,
) -> Result<Metainfo, Failure> {
    let (client, dress) = options.ready()?.start()?;
    let add = AddTorrent::new(Source::Magnet(Box::new(link.clone()))).metadata_only();
    let torrent = client.add(dress.on(add)).await.map_err(|error| failure(&error))?;
    let patience = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        known = torrent.wait_metadata() => known.cloned().map_err(|error| failure(&error)),
        () = show(&torrent, quiet) => Err(failure(&riverrun::Error::Closed)),
        () = patience => Err(Failure::new(Code::NoPeers, "no peer had the metadata in time")),
        () = signals::interrupted(quiet) => Err(Failure::new(Code::Interrupted, "interrupted")),
    };
    drop(torrent);
    client.close().await;
    let mut metainfo = outcome?;
    add_trackers(&mut metainfo, link);
    Ok(metainfo)
}

/// Tells how it goes, until the client ends.
async fn show(torrent: &Torrent, quiet: bool) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(SHOW).await;
        let Ok(snapshot) = torrent.snapshot().await else { return };
        let text = words(&snapshot.state).unwrap_or_default();
        if !quiet && !text.is_empty() && text != last {
            output::say(format!("{}: {text}", output::printable(torrent.name())));
            last = text;
        }
    }
}

/// How far the fetching is, in words; none where nothing is fetched.
pub(super) fn words(state: &TorrentState) -> Option<String> {
    let TorrentState::FetchingMetadata { bytes, total, peers } = state else { return None };
    let of = if *total == 0 {
        String::new()
    } else {
        format!(" {} of {}", units::size(u64::from(*bytes)), units::size(u64::from(*total)))
    };
    Some(format!("metadata{of}, {peers} peers"))
}

/// What comes from peers names no tracker: the link's own are worth keeping.
fn add_trackers(metainfo: &mut Metainfo, link: &Magnet) {
    if metainfo.tiers().is_empty() && !link.trackers.is_empty() {
        let tiers: Vec<Vec<String>> = link.trackers.iter().map(|url| vec![url.clone()]).collect();
        metainfo.set_tiers(&tiers);
    }
}
