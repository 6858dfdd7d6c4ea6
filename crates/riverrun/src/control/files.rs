//! Files that get other names or another place while their torrent lives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metainfo::FileIndex;
use storage::{Progress, Storage, StorageError};

use super::hold::{hold, let_go};
use super::{rivals, save};
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::{Error, EventKind, Trouble};

/// How often the progress of a move is told.
const SHOW: Duration = Duration::from_millis(200);

/// The storage of a torrent whose files may be touched by their user. What is to come up yet is waited for.
async fn storage(inner: &Inner, entry: &Entry) -> Result<Arc<dyn Storage>, Error> {
    if entry.data.storage().is_none() {
        drop(entry.data.busy.lock().await);
    }
    if inner.is_closing() {
        return Err(Error::Closed);
    }
    entry.obstacle().map_or(Ok(()), Err)?;
    if entry.settings.read_only {
        let sentence = format!("{}: its files are only read, as it was added", entry.info().name());
        return Err(Error::Disk(Trouble::new("read_only", sentence)));
    }
    entry.data.storage().cloned().ok_or(Error::NotReady)
}

/// Calls a file by another path below the torrent's directory.
pub(crate) async fn rename(
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    file: FileIndex,
    path: Box<str>,
) -> Result<(), Error> {
    let storage = storage(&inner, &entry).await?;
    let _alone = entry.data.files.lock().await;
    let old = entry.home.path_of(entry.plan(), file);
    if old == path.split('/').collect::<PathBuf>() {
        return Ok(());
    }
    storage::check_name(entry.plan(), &entry.home.whereabouts().names, file, &path)?;
    // Written down before it is done: a kill in between leaves a file that is found by either name.
    entry.home.set_renaming(Some((file, path.clone())));
    let noted = save::save(&inner, &entry).await;
    let new = path.clone();
    let renamed = match noted {
        Ok(()) => {
            let work = move |storage: &dyn Storage| storage.rename_file(file, &new);
            inner.shared.disk.fence(storage, work).await.map_err(Error::from)
        }
        Err(error) => Err(error),
    };
    match &renamed {
        Ok(()) => {
            entry.home.renamed(entry.plan(), file, path.clone());
            settle(&inner, &entry).await;
            entry.tell(EventKind::FileRenamed { file: file.0, path: path.split('/').collect() });
        }
        Err(_) => entry.home.set_renaming(None),
    }
    write_down(&inner, &entry).await;
    renamed
}

/// Others hear where its files are now.
async fn settle(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    let (to, of) = (inner.clone(), entry.clone());
    // Only a client that ends has no thread for it.
    let _ = inner.tasks.blocking(move || rivals::claim(&to, &of)).await;
}

/// Saves what holds now. Where that fails it is tried again with the next saving.
async fn write_down(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    entry.change(|state| state.kept.change());
    if let Err(error) = save::save(inner, entry).await {
        tracing::warn!(torrent = %entry.hashes, %error, "can't save the state");
    }
}

/// Moves all data below another directory.
pub(crate) async fn move_data(inner: Arc<Inner>, entry: Arc<Entry>, to: PathBuf) -> Result<(), Error> {
    let to = std::path::absolute(&to).map_err(|e| Error::io(&to, storage::Op::Stat, e))?;
    let storage = storage(&inner, &entry).await?;
    let _busy = entry.data.busy.lock().await;
    let _alone = entry.data.files.lock().await;
    if std::path::absolute(entry.home.at()).is_ok_and(|at| at == to) {
        return Ok(());
    }
    let (asked, at) = (storage.clone(), to.clone());
    inner.tasks.blocking(move || asked.check_move(&at)).await??;
    let progress = Arc::new(Progress::new());
    entry.data.set_transfer(Some(progress.clone()));
    // Whoever ends moves marks the torrent or the client first, so one of the two sees the other.
    let stopped = if inner.is_closing() { Some(Error::Closed) } else { entry.obstacle() };
    let result = match stopped {
        Some(error) => Err(error),
        None => {
            hold(&inner, &entry).await;
            let result = move_held(&inner, &entry, storage, &to, progress).await;
            let_go(&inner, &entry);
            result
        }
    };
    entry.data.set_transfer(None);
    entry.tell(match &result {
        Ok(()) => EventKind::Moved { output: to },
        Err(error) => EventKind::MoveFailed(Trouble::new(error.code(), error.to_string())),
    });
    result
}

/// Moves the data of a torrent whose shard leaves it alone.
async fn move_held(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: Arc<dyn Storage>,
    to: &Path,
    progress: Arc<Progress>,
) -> Result<(), Error> {
    // Written down before it begins: then what a kill leaves below either directory is found.
    entry.home.set_other(Some(to.to_owned()));
    if let Err(error) = save::save(inner, entry).await {
        entry.home.set_other(None);
        return Err(error);
    }
    let moved = {
        let (storage, to, shown) = (storage.clone(), to.to_owned(), progress.clone());
        let work = inner.tasks.blocking(move || storage.move_to(&to, &progress));
        tokio::select! {
            moved = work => moved?,
            never = show(entry, &shown) => match never {},
        }
    };
    let leftover = match &moved {
        Ok(()) => {
            let from = entry.home.at();
            entry.home.moved(to.to_owned());
            settle(inner, entry).await;
            // The new place holds whether this is saved or not; it is tried again with the next saving. What was saved
            // before knows both places: a start that finds no more than that brings the data back to the old one.
            write_down(inner, entry).await;
            from
        }
        Err(_) => to.to_owned(),
    };
    let gathered = inner.tasks.blocking(move || storage.gather(&leftover)).await?;
    match gathered {
        Ok(()) => entry.home.set_other(None),
        // It stays written down, and is tried again at the next start.
        Err(error) => tracing::warn!(torrent = %entry.hashes, %error, "a move left files behind"),
    }
    write_down(inner, entry).await;
    moved.map_err(|error| match error {
        StorageError::Cancelled if inner.is_closing() => Error::Closed,
        StorageError::Cancelled if entry.state().stage == Stage::Removed => Error::Removed,
        StorageError::Cancelled => Error::Cancelled,
        error => error.into(),
    })
}

/// Tells how far a move has come, until it is dropped.
async fn show(entry: &Entry, progress: &Progress) -> std::convert::Infallible {
    let mut last = None;
    loop {
        tokio::time::sleep(SHOW).await;
        let now = (progress.bytes(), progress.total());
        if last.replace(now) != Some(now) {
            entry.tell(EventKind::Moving { moved: now.0, total: now.1 });
        }
    }
}

/// What an earlier run left unfinished: brings together what is in two places, and learns by which of two names a file
/// was found.
pub(crate) async fn recover(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: &Arc<dyn Storage>,
) -> Result<(), Error> {
    let known = entry.home.whereabouts();
    if let Some((file, _)) = known.renaming {
        entry.home.renamed(entry.plan(), file, storage.file_path(file));
        entry.change(|state| state.kept.change());
    }
    if let Some(other) = known.other.filter(|_| !entry.settings.read_only) {
        let storage = storage.clone();
        inner.tasks.blocking(move || storage.gather(&other)).await??;
        entry.home.set_other(None);
        entry.change(|state| state.kept.change());
    }
    Ok(())
}
