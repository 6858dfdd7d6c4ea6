//! The metainfo of a magnet link, from its swarm.

use std::time::Duration;

use metainfo::Metainfo;
use riverrun::{Torrent, TorrentState};

use super::{Stop, failure};
use crate::exit::{Code, Failure};
use crate::{output, units};

/// How often a person is told how it goes.
const SHOW: Duration = Duration::from_secs(3);

/// Waits for the metainfo of a torrent that was added by a link, and tells how it goes. It names the trackers of the link,
/// as what comes from peers names none.
pub(crate) async fn metadata(
    torrent: &Torrent,
    timeout: Option<Duration>,
    quiet: bool,
    stop: &Stop,
) -> Result<Metainfo, Failure> {
    let patience = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        known = torrent.wait_metadata() => known.map(drop).map_err(|error| failure(&error))?,
        () = show(torrent, quiet) => return Err(failure(&riverrun::Error::Closed)),
        () = patience => return Err(Failure::new(Code::NoPeers, "no peer had the metadata in time")),
        () = stop.attend(quiet) => return Err(Failure::interrupted()),
    }
    torrent.metainfo_now().ok_or_else(|| failure(&riverrun::Error::Removed))
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
