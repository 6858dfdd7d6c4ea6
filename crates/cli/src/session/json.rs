//! Events and progress as NDJSON, documented in docs/json.md.

use riverrun::{Event, EventKind, Snapshot, Torrent, TorrentState};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::output;

/// Prints one event.
pub(crate) fn event(event: &Event) -> Result<(), Failure> {
    let Some((name, mut fields)) = describe(&event.kind) else { return Ok(()) };
    fields["event"] = name.into();
    if let Some(hashes) = &event.torrent {
        fields["infohash"] = hashes.to_string().into();
    }
    output::json(&fields)
}

/// Prints the progress of one torrent.
pub(crate) fn progress(torrent: &Torrent, s: &Snapshot) -> Result<(), Failure> {
    let mut line = json!({
        "event": "progress",
        "infohash": torrent.info_hashes().to_string(),
        "name": torrent.name(),
        "state": s.state.name(),
        "bytes": s.bytes_wanted,
        "bytes_left": s.bytes_left,
        "pieces": s.pieces_wanted,
        "pieces_missing": s.pieces_missing,
        "pieces_partial": s.pieces_partial,
        "downloaded": s.session_downloaded,
        "uploaded": s.session_uploaded,
        "wasted": s.wasted.total(),
        "download_rate": s.download_rate,
        "upload_rate": s.upload_rate,
        "peers": s.peers,
        "seeds": s.seeds,
        "known_peers": s.known_peers,
        "eta": s.eta.map(|eta| eta.as_secs()),
        "ratio": s.ratio(),
    });
    if let TorrentState::FetchingMetadata { bytes, total, peers } = s.state {
        line["metadata_bytes"] = bytes.into();
        line["metadata_total"] = total.into();
        line["metadata_peers"] = peers.into();
    }
    output::json(&line)
}

/// Prints where the status is served.
pub(crate) fn status(url: &str) -> Result<(), Failure> {
    output::json(&json!({ "event": "status", "url": url }))
}

/// Prints how the program ended.
pub(crate) fn end(code: u8, message: &str) -> Result<(), Failure> {
    output::json(&json!({ "event": "end", "exit_code": code, "message": message }))
}

fn describe(kind: &EventKind) -> Option<(&'static str, Value)> {
    Some(match kind {
        EventKind::Added => ("added", json!({})),
        EventKind::MetadataReceived => ("metadata_received", json!({})),
        EventKind::State(state) => ("state", state_json(state)),
        EventKind::PieceCompleted { piece } => ("piece_completed", json!({ "piece": piece.0 })),
        EventKind::PieceFailed { piece } => ("piece_failed", json!({ "piece": piece.0 })),
        EventKind::PieceDoubtful { piece, trouble } => (
            "piece_doubtful",
            json!({ "piece": piece.0, "code": trouble.code, "message": &*trouble.message }),
        ),
        EventKind::FileCompleted { file } => ("file_completed", json!({ "file": file })),
        EventKind::Completed => ("completed", json!({})),
        EventKind::PeerConnected { addr } => ("peer_connected", json!({ "addr": addr })),
        EventKind::PeerDisconnected { addr, code, reason } => {
            ("peer_disconnected", json!({ "addr": addr, "code": code, "reason": reason }))
        }
        EventKind::PeerBanned { addr } => ("peer_banned", json!({ "addr": addr })),
        EventKind::PeerUseless { addr, code, reason, retry } => {
            ("peer_useless", json!({ "addr": addr, "code": code, "reason": reason, "retry": retry }))
        }
        EventKind::PeerNotFound { peer, message } => {
            ("peer_not_found", json!({ "peer": peer, "message": message }))
        }
        EventKind::TrackerAnnounced { url, peers, seeders, leechers, warning } => (
            "tracker_announced",
            json!({ "url": url, "peers": peers, "seeders": seeders, "leechers": leechers, "warning": warning }),
        ),
        EventKind::TrackerFailed { url, message, retry } => (
            "tracker_failed",
            json!({ "url": url, "message": message, "retry": retry.map(|retry| retry.as_secs()) }),
        ),
        EventKind::TrackerWarning { url, message } => {
            ("tracker_warning", json!({ "url": url, "message": message }))
        }
        EventKind::Stalled(trouble) => {
            ("stalled", json!({ "code": trouble.code, "message": &*trouble.message }))
        }
        EventKind::Failed(trouble) => {
            ("failed", json!({ "code": trouble.code, "message": &*trouble.message }))
        }
        EventKind::Recovered => ("recovered", json!({})),
        EventKind::GoalReached => ("goal_reached", json!({})),
        EventKind::Removed => ("removed", json!({})),
        EventKind::Lagged { missed } => ("lagged", json!({ "missed": missed })),
        _ => return None,
    })
}

fn state_json(state: &TorrentState) -> Value {
    match state {
        TorrentState::FetchingMetadata { bytes, total, peers } => {
            json!({ "state": state.name(), "metadata_bytes": bytes, "metadata_total": total, "metadata_peers": peers })
        }
        TorrentState::Checking { checked, total } => {
            json!({ "state": state.name(), "checked": checked, "total": total })
        }
        _ => json!({ "state": state.name() }),
    }
}
