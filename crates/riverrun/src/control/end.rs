//! Leaving: one torrent, or all.

use std::sync::Arc;
use std::time::Duration;

use engine::Command as Brain;
use shard::Command;
use tokio::time::timeout;

use super::hold::barrier;
use super::{data, rivals, save, similar, swarm};
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::Question;
use crate::{Error, EventKind, Trouble};

/// How long [`Client::close`](crate::Client::close) takes at most.
const CLOSE_PATIENCE: Duration = Duration::from_millis(4_800);

/// Ends everything politely. Returns whether all that is to be kept was written in time; that a tracker does not answer
/// leaves nothing undone here.
pub(crate) async fn close(inner: Arc<Inner>) -> bool {
    if !inner.ending.begin() {
        return false;
    }
    // Readers wait for nothing any more.
    inner.all().iter().for_each(|entry| entry.change(|_| ()));
    inner.dht.close();
    let patience = tokio::time::Instant::now() + CLOSE_PATIENCE;
    let trackers = timeout(CLOSE_PATIENCE, inner.trackers.shut_down());
    let shards = timeout(CLOSE_PATIENCE, close_torrents(&inner));
    // A gateway that does not answer forgets our port by itself: that leaves nothing undone.
    let unmapped = inner.local.close(CLOSE_PATIENCE);
    let (_, saved, ()) = tokio::join!(trackers, shards, unmapped);
    let left = patience.saturating_duration_since(tokio::time::Instant::now());
    let disk = inner.shared.disk.clone();
    let drained = inner.tasks.blocking(move || disk.close(left)).await.unwrap_or(false);
    saved.unwrap_or(false) && drained
}

async fn close_torrents(inner: &Arc<Inner>) -> bool {
    for entry in inner.all() {
        let transfers = entry.data.cancel_transfer();
        entry.data.cancel();
        if transfers {
            // What was moved goes back first.
            drop(entry.data.busy.lock().await);
        }
    }
    let running: Vec<Arc<Entry>> = inner.all().into_iter().filter(|e| e.state().place.on_shard).collect();
    inner.stop_accepting();
    for entry in &running {
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
    }
    quiet(inner).await;
    for entry in &running {
        inner.shard(entry).command(Command::Sync(entry.id));
    }
    quiet(inner).await;
    let all = save::save_all(inner, &running).await.is_ok();
    inner.all().iter().for_each(|entry| entry.data.release());
    all
}

/// Waits until no shard waits for a disk, and everything they told has been dealt with.
async fn quiet(inner: &Inner) {
    for shard in inner.shards.iter() {
        shard.ask(|to| Question::Quiet(None, to)).await;
    }
    barrier(inner).await;
}

/// A torrent that can't go on: it leaves its swarm and rests in its failure.
pub(super) fn give_up(inner: &Inner, entry: &Entry, why: Trouble) {
    swarm::leave(inner, entry, &entry.state());
    entry.fail(why);
}

/// Takes a torrent out.
pub(crate) async fn remove(inner: Arc<Inner>, entry: Arc<Entry>, delete_data: bool) -> Result<(), Error> {
    let removed = entry.change(|state| std::mem::replace(&mut state.stage, Stage::Removed) == Stage::Removed);
    if removed {
        return Err(Error::Removed);
    }
    // Those that it shared a limit with have its part from now on.
    entry.state().place.rates.share(None);
    entry.data.cancel();
    inner.trackers.remove(entry.id);
    inner.local.leave(&entry);
    inner.dht.leave(&entry);
    // From here on nobody brings it to its shard, and whoever is at it ends soon.
    if entry.state().place.on_shard {
        inner.shard(&entry).command(Command::Remove(entry.id));
        // A panic may take it from the shard first.
        entry.wait(|state| (!state.place.on_shard).then_some(())).await;
    }
    let _busy = entry.data.busy.lock().await;
    let _saving = entry.data.saving.lock().await;
    let result = delete(&inner, &entry, delete_data).await;
    // Its name is free only now, so that none of this hits a torrent that is added again.
    inner.forget(entry.id);
    entry.tell(EventKind::Removed);
    result
}

async fn delete(inner: &Arc<Inner>, entry: &Arc<Entry>, data: bool) -> Result<(), Error> {
    let (state_dir, of, to) = (inner.settings.state_dir.clone(), entry.clone(), inner.clone());
    let work = move || {
        let kept = if data { rivals::keep(&to, &of) } else { Ok(()) };
        rivals::part(&to, &of);
        (data::delete_saved(state_dir.as_deref(), &of), kept)
    };
    let done = inner.tasks.blocking(work).await;
    entry.data.release();
    let (state, kept) = done?;
    kept?;
    if data
        && !entry.settings.read_only
        && let Some(storage) = entry.data.storage()
    {
        let other = entry.home.whereabouts().other;
        let work = move |storage: &dyn storage::Storage| {
            // What a move left elsewhere is deleted too.
            let gathered = other.map_or(Ok(()), |other| storage.gather(&other));
            storage.delete().and(gathered)
        };
        inner.shared.disk.fence(storage.clone(), work).await?;
        similar::parted(inner, entry);
    }
    state
}
