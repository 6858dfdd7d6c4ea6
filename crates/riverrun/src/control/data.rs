//! A torrent's data on disk: finding it, checking it, and saving what is known of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metainfo::FileIndex;
use storage::{
    CheckOptions, FileState, OpenRequest, Progress, ResumeData, ResumeLock, ResumeStore, Storage,
    StorageError,
};
use types::{Bitfield, InfoHashes, PieceIndex};

use super::hold::{hold, release};
use super::rivals;
use super::similar::{self, Lender};
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::{Error, EventKind, Preallocation, Trouble};

/// How often a disk that refuses is tried again, and a file that is gone is looked for.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// How often the progress of a check is shown.
const SHOW: Duration = Duration::from_millis(200);

/// What is there of a torrent.
pub(crate) struct Found {
    pub(crate) have: Bitfield,
    pub(crate) durable: Bitfield,
    pub(crate) unhashed: Vec<(PieceIndex, Bitfield)>,
}

/// Reads what was saved. What can't be believed counts as nothing: the data is checked then.
pub(crate) async fn load(inner: &Arc<Inner>, hashes: InfoHashes) -> Option<ResumeData> {
    let store = ResumeStore::new(inner.settings.state_dir.clone()?);
    match inner.tasks.brief(move || store.load(hashes.primary())).await.ok()? {
        Ok(saved) => saved,
        Err(error) => {
            tracing::warn!(torrent = %hashes, %error, "the saved state is of no use");
            None
        }
    }
}

/// Makes sure that no other process works on this torrent's files and state. Who only reads the files may do
/// so beside others. Where nothing can be locked, nothing can be kept either: that is told when it is saved. Blocks.
fn lock(dir: &Arc<Path>, hashes: InfoHashes) -> Result<Option<ResumeLock>, Error> {
    match ResumeStore::new(dir.clone()).lock(hashes.primary()) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => {
            let message = format!(
                "another process has the torrent {hashes} and keeps its state in {}; end it, or name another state directory",
                dir.display()
            );
            Err(Error::Disk(Trouble::new("in_use", message)))
        }
        Err(error) => {
            tracing::warn!(torrent = %hashes, %error, "the state can't be locked");
            Ok(None)
        }
    }
}

/// A storage that was opened, and what was seen of it by the way.
pub(crate) struct Opened {
    pub(crate) storage: Arc<dyn Storage>,
    /// How the files are; none where that is to be looked up once what an earlier run left is brought together.
    pub(crate) states: Option<Vec<FileState>>,
    /// Nothing is there, and what is to be made before any data comes is made.
    pub(crate) prepared: bool,
    /// Torrents that were there before and may have the same files.
    pub(crate) beside: Vec<Arc<Entry>>,
}

/// Locks the state, opens the storage and brings in files that `lenders` have, in one go on a thread that may wait.
pub(crate) async fn open(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    lenders: Vec<Lender>,
) -> Result<Opened, Error> {
    let dir = inner.settings.state_dir.clone();
    let dir = dir.filter(|_| !entry.settings.read_only && !entry.data.is_locked());
    let factory = inner.opener.at(&entry.home.at());
    let known = entry.home.whereabouts();
    // What is in two places is seen only after it was brought together.
    let settled = known.other.is_none() && known.renaming.is_none();
    let makes = !entry.settings.read_only && entry.state().pieces.missing() > 0;
    let request = OpenRequest::new(entry.hashes, entry.plan().clone()).selection(entry.selection());
    let request = request.names(known.names, known.renaming);
    let of = entry.clone();
    let (progress, borrows) = (Arc::new(Progress::new()), !lenders.is_empty());
    if borrows {
        entry.data.set_transfer(Some(progress.clone()));
    }
    // Whoever ends it marks the torrent or the client first, so one of the two sees the other.
    if inner.is_closing() || entry.state().stage == Stage::Removed {
        progress.cancel();
    }
    let to = inner.clone();
    let work = move || {
        if let Some(lock) = dir.map(|dir| lock(&dir, of.hashes)).transpose()?.flatten() {
            of.data.keep(lock);
        }
        let beside = rivals::claim(&to, &of);
        let storage = of.data.opened(factory.open(&request)?);
        let mut states = settled.then(|| storage.probe()).transpose()?;
        if let Some(found) = states.as_ref().filter(|_| makes && borrows)
            && similar::borrow(&of, &*storage, found, &lenders, &progress)
        {
            states = Some(storage.probe()?);
        }
        let is_there = |state: &FileState| state.present || state.in_part_file;
        let empty = states.as_ref().is_some_and(|states| !states.iter().any(is_there));
        if empty && makes {
            rivals::refuse(&of, true, &beside)?;
        }
        // What goes wrong here is tried again, and told.
        let prepared = empty && makes && storage.prepare().is_ok();
        Ok(Opened { storage, states, prepared, beside })
    };
    // To copy what others have or to reserve room may take long, and so may an embedder's storage.
    let settings = &inner.settings;
    let quick = settings.storage.is_none() && settings.preallocation == Preallocation::Sparse;
    let opened =
        if quick && !borrows { inner.tasks.brief(work).await } else { inner.tasks.blocking(work).await };
    if borrows {
        entry.data.set_transfer(None);
    }
    opened?
}

/// Finds out which pieces are there: those that were saved and whose files are as they were then, and those
/// that pass their hash now. A file that changed after the last saving is checked whole, since pieces may
/// have come after it.
pub(crate) async fn find(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: Arc<dyn Storage>,
    states: Option<Vec<FileState>>,
    saved: Option<ResumeData>,
) -> Result<Found, Error> {
    let states = match states {
        Some(states) => states,
        None => {
            let probed = storage.clone();
            inner.tasks.brief(move || probed.probe()).await??
        }
    };
    let claims = saved.as_ref().and_then(|saved| match saved.claims(entry.info(), &states) {
        Ok(claims) => Some(claims),
        Err(error) => {
            tracing::warn!(torrent = %entry.hashes, %error, "the saved state is of no use");
            None
        }
    });
    let pieces = entry.info().geometry().pieces();
    let mut have = claims.as_ref().map_or_else(|| Bitfield::new(pieces), |claims| claims.have.clone());
    let believed = |file: FileIndex| {
        claims
            .as_ref()
            .is_some_and(|claims| !claims.changed.contains(&file) && is_known(saved.as_ref(), file, &states))
    };
    let mut doubtful = claims.as_ref().map_or_else(|| Bitfield::new(pieces), |c| c.doubtful.clone());
    for (file, state) in (0..).map(FileIndex).zip(&states) {
        if (state.present || state.in_part_file) && !believed(file) {
            entry.pieces_of(file).filter(|p| !have.get(*p)).for_each(|p| _ = doubtful.insert(p));
        }
    }
    let mut durable = have.clone();
    if doubtful.count() > 0 {
        let good = check(inner, entry, storage.clone(), doubtful).await?;
        good.ones().for_each(|p| _ = have.insert(p));
        durable = if sync_all(inner, entry, storage).await { have.clone() } else { durable };
    }
    let partial = claims.map(|claims| claims.partial).unwrap_or_default();
    let unhashed = partial.into_iter().filter(|p| !have.get(p.piece.0)).map(|p| (p.piece, p.blocks));
    Ok(Found { unhashed: unhashed.collect(), have, durable })
}

/// Whether a file is exactly as it was saved: then what is not claimed of it is not there.
fn is_known(saved: Option<&ResumeData>, file: FileIndex, now: &[FileState]) -> bool {
    let then = saved.and_then(|saved| saved.files.get(file.as_usize())).copied();
    let now = now.get(file.as_usize()).copied();
    then.zip(now).is_some_and(|(mut then, now)| {
        // Saved by a version, or on a system, that keeps no such times.
        if then.ctime == 0 {
            then.ctime = now.ctime;
        }
        then == now
    })
}

/// Makes what a check found durable, so that it may be claimed. Data that is only read was durable before.
pub(crate) async fn sync_all(inner: &Inner, entry: &Entry, storage: Arc<dyn Storage>) -> bool {
    let (total, read_only) = (entry.info().geometry().total_len(), entry.settings.read_only);
    read_only
        || inner
            .tasks
            .blocking(move || storage.sync(std::slice::from_ref(&(0..total))))
            .await
            .is_ok_and(|r| r.is_ok())
}

/// Hashes these pieces on all cores; returns those that are right.
pub(crate) async fn check(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: Arc<dyn Storage>,
    pieces: Bitfield,
) -> Result<Bitfield, StorageError> {
    let progress = Arc::new(Progress::new());
    entry.data.set_check(Some(progress.clone()));
    // Whoever ends checks marks the torrent or the client first, so one of the two sees the other.
    if inner.is_closing() || entry.state().stage == Stage::Removed {
        entry.data.set_check(None);
        return Err(StorageError::Cancelled);
    }
    let (shown, of) = (progress.clone(), entry.clone());
    let show = async move {
        loop {
            tokio::time::sleep(SHOW).await;
            of.change(|state| {
                if let Stage::Checking { checked, total } = &mut state.stage {
                    (*checked, *total) = (shown.bytes(), shown.total());
                }
            });
        }
    };
    let info = entry.info().clone();
    let cancelled = progress.clone();
    let work = inner.tasks.blocking(move || {
        let options = CheckOptions::default().pieces(pieces);
        storage::check(&*storage, &info, &options, &progress, &|_, _| {})
    });
    let report = tokio::select! {
        report = work => report,
        () = show => Err(Error::Closed),
    };
    entry.data.set_check(None);
    if cancelled.is_cancelled() {
        // Pieces that were not looked at must not be saved as missing.
        return Err(StorageError::Cancelled);
    }
    Ok(report.unwrap_or(Err(StorageError::Cancelled))?.good)
}

/// Makes empty files, links and reserved space. A disk that refuses is tried again until it does not, or the
/// torrent goes.
pub(crate) async fn prepare(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: Arc<dyn Storage>,
) -> Result<(), Error> {
    loop {
        let result = inner.shared.disk.fence(storage.clone(), |storage| storage.prepare()).await;
        let error = match result {
            Ok(()) => break,
            Err(error) if error.is_retryable() => error,
            Err(error) => return Err(error.into()),
        };
        let trouble = Trouble::from(crate::disk::trouble(&error));
        if entry.state().obstacles.disk.as_deref() != Some(&trouble) {
            entry.change(|state| {
                if state.stage != Stage::Removed {
                    (state.stage, state.obstacles.disk) = (Stage::Running, Some(Box::new(trouble.clone())));
                }
            });
            entry.tell(EventKind::Stalled(trouble));
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = entry.removed() => return Err(Error::Removed),
        }
    }
    if entry.change(|state| state.obstacles.disk.take()).is_some() {
        entry.tell(EventKind::Recovered);
    }
    Ok(())
}

/// Data that was verified is gone: says so, and stops serving and fetching the pieces of that file until it
/// is back. A recheck by the user gives it up and fetches it anew.
///
/// It is noted at once, in the order of what shards tell: a recheck waits for all of that before it looks at the
/// files. Noted later, a loss from before the recheck would count after it, and nobody would fetch the file.
pub(crate) fn lost(inner: &Arc<Inner>, entry: &Arc<Entry>, offset: u64, error: &StorageError) {
    // A write may run across several files: the path says which one it is about.
    let named = error.path().and_then(|path| entry.home.file_at(entry.plan(), path));
    let at_offset = || entry.info().layout().file_at(offset);
    let Some(file) = named.or_else(at_offset) else { return };
    let Some(storage) = entry.data.storage().cloned() else { return };
    let trouble = Trouble::from(crate::disk::trouble(error));
    let Some(first) = entry.change(|state| state.lose(file, trouble.clone())) else { return };
    tracing::warn!(torrent = %entry.hashes, %trouble, "verified data is gone");
    entry.tell(EventKind::Stalled(trouble));
    let (to, of) = (inner.clone(), entry.clone());
    inner.tasks.spawn(async move {
        recount(&to, &of, storage.clone(), file).await;
        if first {
            look_for_lost(&to, &of, storage).await;
        }
    });
}

/// Looks for the files that are gone, all of them together, until each is back or given up.
async fn look_for_lost(inner: &Arc<Inner>, entry: &Arc<Entry>, storage: Arc<dyn Storage>) {
    loop {
        tokio::time::sleep(RETRY).await;
        let over = entry.obstacle().is_some();
        if entry.state().obstacles.looked_for(over) {
            return;
        }
        let probed = storage.clone();
        let Ok(Ok(states)) = inner.tasks.blocking(move || probed.probe()).await else { continue };
        let is_back = |file: FileIndex| {
            let needed = entry.info().file(file).map_or(0, |f| f.len());
            states.get(file.as_usize()).is_some_and(|s| s.in_part_file || s.present && s.size >= needed)
        };
        let lost: Vec<FileIndex> = entry.state().obstacles.lost.keys().copied().collect();
        for file in lost.into_iter().filter(|file| is_back(*file)) {
            if entry.change(|state| state.obstacles.lost.remove(&file)).is_none() {
                continue;
            }
            recount(inner, entry, storage.clone(), file).await;
            if entry.state().obstacles.first().is_none() {
                entry.tell(EventKind::Recovered);
            }
        }
    }
}

/// Hashes the pieces of a file anew and tells the shard what is there, and what of it is wanted. The shard's
/// data path stands still meanwhile: a piece that came during the check would be forgotten after it.
async fn recount(inner: &Arc<Inner>, entry: &Arc<Entry>, storage: Arc<dyn Storage>, file: FileIndex) {
    let _busy = entry.data.busy.lock().await;
    if entry.obstacle().is_some() {
        return;
    }
    hold(inner, entry).await;
    let mut touched = Bitfield::new(entry.info().geometry().pieces());
    entry.pieces_of(file).for_each(|p| _ = touched.insert(p));
    let checked = check(inner, entry, storage, touched.clone()).await;
    let (mut have, mut durable) = {
        let state = entry.state();
        (state.pieces.have().clone(), state.kept.durable().clone())
    };
    if let Ok(good) = checked {
        for piece in touched.ones().filter(|p| !good.get(*p)) {
            have.remove(piece);
            durable.remove(piece);
        }
        good.ones().for_each(|p| _ = have.insert(p));
        entry.set_have(have.clone(), durable);
    }
    release(inner, entry, have);
}

/// Where the metainfo of a magnet link is kept.
pub(super) fn metainfo_path(dir: &Path, hashes: InfoHashes) -> PathBuf {
    dir.join(format!("{}.torrent", hashes.primary()))
}

/// Deletes the saved state.
pub(crate) fn delete_saved(dir: Option<&Path>, entry: &Entry) -> Result<(), Error> {
    match dir {
        Some(dir) => {
            // There is none but of a magnet link.
            let _ = std::fs::remove_file(metainfo_path(dir, entry.hashes));
            Ok(ResumeStore::new(dir).remove(entry.hashes.primary())?)
        }
        None => Ok(()),
    }
}
