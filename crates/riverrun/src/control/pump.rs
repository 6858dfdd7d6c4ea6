//! What shards tell, turned into state and events.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracker::AnnouncerInput;

use super::{assign, data, end, magnet, save};
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::FromShard;
use crate::{EventKind, Trouble};

/// Runs as long as the client.
pub(crate) async fn pump(inner: Arc<Inner>, mut told: mpsc::UnboundedReceiver<FromShard>) {
    while let Some(news) = told.recv().await {
        match news {
            FromShard::Barrier(to) => drop(to.send(())),
            FromShard::Event(id, event, place) => {
                drop(place);
                if let Some(entry) = inner.entry(id) {
                    happened(&inner, &entry, event);
                }
            }
            FromShard::Broke { shard, culprit, message } => assign::broke(&inner, shard, culprit, &message),
            FromShard::Ended(shard, message) => {
                tracing::error!(shard, message, "a shard ended");
                let lost = inner.all().into_iter().filter(|entry| entry.shard == shard);
                lost.for_each(|entry| assign::lose(&inner, &entry, &message));
            }
            FromShard::DataLost(id, offset, error) => {
                if let Some(entry) = inner.entry(id) {
                    data::lost(&inner, &entry, offset, &error);
                }
            }
        }
    }
}

fn happened(inner: &Arc<Inner>, entry: &Arc<Entry>, event: shard::Event) {
    match event {
        shard::Event::Engine(event) => engine_event(inner, entry, event),
        // The answer to a sync that had nothing to do.
        shard::Event::Durable(pieces) if pieces.is_empty() => {}
        shard::Event::Durable(pieces) => entry.change(|state| {
            // A recheck may have found meanwhile that one is gone.
            let here = pieces.iter().map(|piece| piece.index()).filter(|piece| state.pieces.has(piece.0));
            state.kept.synced(here);
        }),
        shard::Event::Blocks(blocks) => entry.change(|state| {
            for (piece, blocks) in blocks.into_iter().filter(|(piece, _)| !state.pieces.has(piece.0)) {
                state.unverified.stored(piece, blocks);
            }
        }),
        shard::Event::Removed => {
            entry.change(|state| (state.stage, state.place.on_shard) = (Stage::Removed, false));
        }
        _ => {}
    }
}

fn engine_event(inner: &Arc<Inner>, entry: &Arc<Entry>, event: engine::Event) {
    use engine::Event as E;
    match event {
        E::PieceCompleted(piece) => {
            let files = entry.completed(piece);
            entry.tell(EventKind::PieceCompleted { piece });
            files.into_iter().for_each(|file| entry.tell(EventKind::FileCompleted { file: file.0 }));
        }
        E::PieceDoubtful { piece, trouble } => {
            entry.doubt(piece);
            entry.tell(EventKind::PieceDoubtful { piece, trouble: trouble.into() });
        }
        E::Metadata(bytes) => inner.tasks.spawn(magnet::received(inner.clone(), entry.clone(), bytes)),
        E::PieceFailed(piece) => {
            entry.change(|state| state.unverified.failed(piece));
            entry.tell(EventKind::PieceFailed { piece });
        }
        E::Completed => {
            entry.tell(EventKind::Completed);
            inner.trackers.tell(entry.id, AnnouncerInput::Completed);
            inner.tasks.spawn(save::sync_and_save(inner.clone(), entry.clone()));
        }
        E::PeerConnected { addr } => entry.tell(EventKind::PeerConnected { addr }),
        E::PeerDisconnected { addr, why } => {
            entry.tell(EventKind::PeerDisconnected { addr, code: why.code(), reason: why.to_string() });
        }
        E::PeerUseless { addr, why } => {
            let (code, reason, retry) = (why.code(), why.to_string(), why.may_retry());
            entry.tell(EventKind::PeerUseless { addr, code, reason, retry });
        }
        E::Extensions { addr, names } => entry.tell(EventKind::PeerExtensions { addr, names }),
        E::Extension { addr, name, payload } => {
            entry.tell(EventKind::ExtensionMessage { addr, name, payload });
        }
        E::PeerBanned { addr } => entry.tell(EventKind::PeerBanned { addr }),
        E::DiskTrouble(trouble) => {
            let trouble = Trouble::from(trouble);
            entry.change(|state| state.obstacles.disk = Some(Box::new(trouble.clone())));
            entry.tell(EventKind::Stalled(trouble));
        }
        E::DiskRecovered => {
            let over = entry.change(|state| {
                state.obstacles.disk = None;
                state.obstacles.first().is_none()
            });
            if over {
                entry.tell(EventKind::Recovered);
            }
        }
        E::Contradictory(why) => {
            let sentence = format!("{}: {why}; get the torrent from another source", entry.info().name());
            let trouble = Trouble::new("bad_torrent", sentence);
            end::give_up(inner, entry, trouble);
        }
        _ => {}
    }
}
