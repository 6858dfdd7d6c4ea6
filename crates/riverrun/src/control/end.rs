//! Leaving: one torrent, or all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::Command as Brain;
use shard::Command;
use storage::Op;
use tokio::time::timeout;

use super::data;
use crate::client::{CLOSE_PATIENCE, Inner};
use crate::entry::{Entry, Stage};
use crate::runtime::{FromShard, Question, ToShard};
use crate::{Error, EventKind};

/// Ends everything politely. Returns whether all was done in time.
pub(crate) async fn close(inner: Arc<Inner>) -> bool {
    if inner.closing.swap(true, Ordering::AcqRel) {
        return false;
    }
    let patience = tokio::time::Instant::now() + CLOSE_PATIENCE;
    let trackers = timeout(CLOSE_PATIENCE, inner.trackers.shut_down());
    let shards = timeout(CLOSE_PATIENCE, close_torrents(&inner));
    let (trackers, saved) = tokio::join!(trackers, shards);
    let left = patience.saturating_duration_since(tokio::time::Instant::now());
    let disk = inner.shared.disk.clone();
    let drained = inner.blocking(move || disk.close(left)).await.unwrap_or(false);
    trackers.is_ok() && saved.unwrap_or(false) && drained
}

async fn close_torrents(inner: &Arc<Inner>) -> bool {
    inner.all().iter().for_each(|entry| entry.cancel_check());
    let running: Vec<Arc<Entry>> = inner.all().into_iter().filter(|e| e.state().on_shard).collect();
    inner.shards.iter().for_each(|shard| {
        shard.tell(ToShard::StopListening);
    });
    for entry in &running {
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
    }
    quiet(inner).await;
    for entry in &running {
        inner.shard(entry).command(Command::Sync(entry.id));
    }
    quiet(inner).await;
    let mut all = true;
    for entry in &running {
        all &= data::save(inner, entry).await.is_ok();
    }
    all
}

/// Waits until no shard waits for a disk, and everything they told has been dealt with.
async fn quiet(inner: &Inner) {
    for shard in &inner.shards {
        shard.ask(Question::Quiet).await;
    }
    let (to, dealt_with) = tokio::sync::oneshot::channel();
    // The pump ends only with the client.
    if inner.from_shards.send(FromShard::Barrier(to)).is_ok() {
        let _ = dealt_with.await;
    }
}

/// Takes a torrent out.
pub(crate) async fn remove(inner: Arc<Inner>, entry: Arc<Entry>, delete_data: bool) -> Result<(), Error> {
    let before = entry.change(|state| {
        let running = state.on_shard;
        let removed = matches!(state.stage, Stage::Removed);
        if !running {
            state.stage = Stage::Removed;
        }
        if removed { None } else { Some(running) }
    });
    let Some(running) = before else { return Err(Error::Removed) };
    entry.cancel_check();
    inner.trackers.remove(entry.id);
    if running {
        inner.shard(&entry).command(Command::Remove(entry.id));
        // A panic may take it from the shard first.
        entry.wait(|state| (!state.on_shard).then_some(())).await;
        entry.change(|state| state.stage = Stage::Removed);
    }
    inner.forget(entry.id);
    entry.tell(EventKind::Removed);
    let state_dir = inner.settings.state_dir.clone();
    let work = move || {
        let state = data::delete_saved(state_dir.as_deref(), &entry);
        if delete_data && !entry.read_only {
            delete_files(&entry)?;
        }
        state
    };
    inner.blocking(work).await?
}

/// Deletes a torrent's files and the directories that are empty then. What is no regular file, or lies behind a symbolic
/// link, is not the torrent's and stays.
fn delete_files(entry: &Entry) -> Result<(), Error> {
    let mut first_error = Ok(());
    for (_, file) in entry.plan.iter() {
        if !file.is_stored() {
            continue;
        }
        let relative = file.relative();
        if !is_plain(&entry.output, &relative) {
            continue;
        }
        let path = entry.output.join(&relative);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound && first_error.is_ok() => {
                first_error = Err(Error::io(&path, Op::Rename, e));
            }
            _ => {}
        }
        for parent in relative.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
            // Fails where it is not empty, and then neither are those above.
            if std::fs::remove_dir(entry.output.join(parent)).is_err() {
                break;
            }
        }
    }
    first_error
}

/// Whether `relative` is a regular file, and everything above it a directory.
fn is_plain(root: &Path, relative: &Path) -> bool {
    let kind = |path: &Path| std::fs::symlink_metadata(root.join(path)).map(|m| m.file_type());
    let parents = relative.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty());
    kind(relative).is_ok_and(|kind| kind.is_file())
        && parents.into_iter().all(|p| kind(p).is_ok_and(|kind| kind.is_dir()))
}
