//! What shards tell, turned into state and events.

use std::sync::Arc;

use engine::{Command as Brain, TorrentId};
use shard::Command;
use tokio::sync::mpsc;
use tracker::AnnouncerInput;

use super::{data, magnet};
use crate::client::Inner;
use crate::entry::{Entry, Stage};
use crate::runtime::FromShard;
use crate::{EventKind, Trouble};

/// Runs as long as the client.
pub(crate) async fn pump(inner: Arc<Inner>, mut told: mpsc::UnboundedReceiver<FromShard>) {
    while let Some(news) = told.recv().await {
        match news {
            FromShard::Barrier(to) => drop(to.send(())),
            FromShard::Event(id, event) => {
                if let Some(entry) = inner.entry(id) {
                    happened(&inner, &entry, event);
                }
            }
            FromShard::Panicked(id, message) => failed(&inner, id, &message),
            FromShard::Ended(shard, message) => {
                tracing::error!(shard, message, "a shard ended");
                let lost = inner.all().into_iter().filter(|entry| entry.shard == shard);
                lost.for_each(|entry| failed(&inner, entry.id, &message));
            }
            FromShard::DataLost(id, offset, error) => {
                if let Some(entry) = inner.entry(id) {
                    inner.spawn(data::lost(inner.clone(), entry, offset, error));
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
            for piece in pieces {
                // A recheck may have found meanwhile that it is gone.
                if state.have.get(piece.index().0) {
                    state.durable.insert(piece.index().0);
                }
            }
            state.unsaved = true;
        }),
        shard::Event::Removed => {
            entry.change(|state| (state.stage, state.on_shard) = (Stage::Removed, false));
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
        E::Metadata(bytes) => inner.spawn(magnet::received(inner.clone(), entry.clone(), bytes)),
        E::PieceFailed(piece) => entry.tell(EventKind::PieceFailed { piece }),
        E::Completed => {
            entry.tell(EventKind::Completed);
            inner.trackers.tell(entry.id, AnnouncerInput::Completed);
            inner.spawn(data::sync_and_save(inner.clone(), entry.clone()));
        }
        E::PeerConnected { addr } => entry.tell(EventKind::PeerConnected { addr }),
        E::PeerDisconnected { addr, why } => {
            entry.tell(EventKind::PeerDisconnected { addr, code: why.code(), reason: why.to_string() });
        }
        E::PeerBanned { addr } => entry.tell(EventKind::PeerBanned { addr }),
        E::DiskTrouble(trouble) => {
            let trouble = Trouble::from(trouble);
            entry.change(|state| state.disk_trouble = Some(trouble.clone()));
            entry.tell(EventKind::Stalled(trouble));
        }
        E::DiskRecovered => {
            let over = entry.change(|state| {
                state.disk_trouble = None;
                state.stalled().is_none()
            });
            if over {
                entry.tell(EventKind::Recovered);
            }
        }
        E::Contradictory(why) => {
            let sentence = format!("{}: {why}; get the torrent from another source", entry.info().name());
            let trouble = Trouble::new("bad_torrent", sentence);
            entry.change(|state| state.stage = Stage::Failed(trouble.clone()));
            entry.tell(EventKind::Failed(trouble));
            inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
            inner.trackers.tell(entry.id, AnnouncerInput::Stop);
        }
        _ => {}
    }
}

/// A panic ended a torrent.
fn failed(inner: &Inner, id: TorrentId, message: &str) {
    let Some(entry) = inner.entry(id) else { return };
    let sentence = format!("{}: the engine failed: {message}; please report this", entry.info().name());
    let trouble = Trouble::new("internal", sentence);
    let removed = entry.change(|state| {
        let live = std::mem::take(&mut state.live);
        state.downloaded_before += live.downloaded;
        state.uploaded_before += live.uploaded;
        state.on_shard = false;
        // Whoever removes it waited for this.
        let removed = state.stage == Stage::Removed;
        if !removed {
            state.stage = Stage::Failed(trouble.clone());
        }
        removed
    });
    if removed {
        return;
    }
    entry.tell(EventKind::Failed(trouble));
    inner.trackers.tell(id, AnnouncerInput::Stop);
    inner.local.leave(&entry);
}
