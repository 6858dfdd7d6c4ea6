//! Saving what is known of torrents: one, or many in one go.

use std::path::Path;
use std::sync::Arc;

use shard::Command;
use storage::resume::PartialPiece;
use storage::{ResumeData, ResumeLock, ResumeStore, Storage, StorageError};

use super::data::RETRY;
use crate::Error;
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::{Question, ToKeep};

/// So many torrents are saved in one go: what is known of all of them is in memory meanwhile.
const BATCH: usize = 256;

/// Puts what is stored on the disk for good and saves the state.
pub(crate) async fn sync_and_save(inner: Arc<Inner>, entry: Arc<Entry>) {
    sync_and_save_all(inner, vec![entry]).await;
}

/// The same of many.
pub(crate) async fn sync_and_save_all(inner: Arc<Inner>, entries: Vec<Arc<Entry>>) {
    for entry in &entries {
        entry.state().kept.sync_begins();
        inner.shard(entry).command(Command::Sync(entry.id));
    }
    let synced = async {
        for entry in &entries {
            entry.wait(|state| (state.pieces.have() == state.kept.durable()).then_some(())).await;
        }
    };
    // A sync ends when it ends; what it covers is saved with the next round at the latest.
    tokio::select! {
        () = synced => {}
        () = tokio::time::sleep(RETRY) => {}
    }
    let news: Vec<Arc<Entry>> = entries.into_iter().filter(|entry| entry.state().kept.is_news()).collect();
    if let Err(error) = save_all(&inner, &news).await {
        let torrent = news.first().filter(|_| news.len() == 1).map(|entry| entry.hashes.to_string());
        tracing::warn!(torrent, torrents = news.len(), %error, "can't save the state");
    }
}

/// Saves the state of one torrent, if the client keeps any.
pub(crate) async fn save(inner: &Arc<Inner>, entry: &Arc<Entry>) -> Result<(), Error> {
    save_batch(inner, vec![entry.clone()]).await
}

/// Saves the state of many torrents, if the client keeps any. What can't be saved is tried again later.
pub(crate) async fn save_all(inner: &Arc<Inner>, entries: &[Arc<Entry>]) -> Result<(), Error> {
    let mut result = Ok(());
    for batch in entries.chunks(BATCH) {
        result = result.and(save_batch(inner, batch.to_vec()).await);
    }
    result
}

/// What is known of one torrent, and how its files are to be looked up.
struct Saved {
    entry: Arc<Entry>,
    storage: Arc<dyn Storage>,
    data: ResumeData,
}

async fn save_batch(inner: &Arc<Inner>, mut entries: Vec<Arc<Entry>>) -> Result<(), Error> {
    let Some(dir) = inner.settings.state_dir.clone() else { return Ok(()) };
    // In one order, so that two that save the same ones do not wait for each other.
    entries.sort_by_key(|entry| entry.id);
    let mut held = Vec::with_capacity(entries.len());
    for entry in &entries {
        held.push(entry.data.saving.lock().await);
    }
    // Of one that is removed the saved state is being deleted, or was.
    let lives = |entry: &Arc<Entry>| entry.state().stage != Stage::Removed;
    let mut all = Vec::with_capacity(entries.len());
    for (number, shard) in inner.shards.iter().enumerate() {
        let here = entries.iter().filter(|entry| entry.shard == number && lives(entry));
        let here: Vec<_> = here.filter_map(|entry| Some((entry, entry.data.storage()?.clone()))).collect();
        if here.is_empty() {
            continue;
        }
        let ids = here.iter().map(|(entry, _)| entry.id).collect();
        let mut told = shard.ask(|to| Question::ToKeep(ids, to)).await.unwrap_or_default();
        for (entry, storage) in here {
            let data = collect(entry, told.remove(&entry.id).unwrap_or_default());
            all.push(Saved { entry: entry.clone(), storage, data });
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    let of: Vec<Arc<Entry>> = all.iter().map(|saved| saved.entry.clone()).collect();
    let result = inner.tasks.blocking(move || write(dir, all)).await.and_then(|result| Ok(result?));
    if result.is_err() {
        of.iter().for_each(|entry| entry.change(|state| state.kept.change()));
    }
    result
}

/// What is to be written of a torrent, of which its shard told this.
fn collect(entry: &Entry, told: ToKeep) -> ResumeData {
    let mut data = ResumeData::new(entry.hashes, entry.info().geometry().pieces());
    if !entry.info().is_private() {
        // Those of a private torrent come from its tracker alone (BEP 27).
        data.peers = told.addresses;
    }
    data.partial = told.unhashed.into_iter().map(|(piece, blocks)| PartialPiece { piece, blocks }).collect();
    data.selection = entry.selection();
    data.whereabouts = entry.home.whereabouts();
    let mut state = entry.state();
    state.kept.save_begins();
    data.have = state.kept.durable().clone();
    data.priorities = state.wants.grades();
    data.completed = state.pieces.missing() == 0;
    if entry.metainfo().is_none_or(|metainfo| state.tiers != metainfo.tiers()) {
        data.trackers = state.tiers.clone();
    }
    // One that reached its goal is not the user's doing: the goal is looked at again.
    data.paused = state.paused && !state.seeding.is_reached();
    (data.downloaded, data.uploaded) = state.totals.over_all(told.moved);
    data
}

/// Looks at the files and writes. The first error is answered; what can be written is all the same.
fn write(dir: Arc<Path>, all: Vec<Saved>) -> Result<(), StorageError> {
    let (mut ready, mut locks, mut result) = (Vec::with_capacity(all.len()), Vec::new(), Ok(()));
    for Saved { entry, storage, mut data } in all {
        let Some(lock) = lock_to_save(&dir, &entry) else { continue };
        locks.extend(lock);
        match storage.probe() {
            Ok(files) => {
                data.files = files;
                ready.push(data);
            }
            Err(error) => result = result.and(Err(error)),
        }
    }
    result.and(ResumeStore::new(dir).save_all(&ready))
}

/// Whether the state may be saved now: always by who holds the lock; by who only reads, where nobody does.
fn lock_to_save(dir: &Path, entry: &Entry) -> Option<Option<ResumeLock>> {
    if !entry.settings.read_only {
        return Some(None);
    }
    match ResumeStore::new(dir).lock(entry.hashes.primary()) {
        Ok(None) => None,
        held => Some(held.ok().flatten()),
    }
}
