//! A torrent's data, and the work on it that excludes other work.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use storage::{Progress, ResumeLock, Storage};

/// A torrent's storage, and who is at it.
#[derive(Debug, Default)]
pub(crate) struct Data {
    storage: OnceLock<Arc<dyn Storage>>,
    /// Held while it is brought up or checked.
    pub(crate) busy: tokio::sync::Mutex<()>,
    /// Held while files get other names or places, or move out of the part file. After `busy`.
    pub(crate) files: tokio::sync::Mutex<()>,
    /// Held while the state is being saved.
    pub(crate) saving: tokio::sync::Mutex<()>,
    /// The saved state is ours alone while this is here.
    lock: Mutex<Option<ResumeLock>>,
    /// The check that is under way.
    check: Mutex<Option<Arc<Progress>>>,
    /// The transfer of files that is under way: a move to another directory, or the bringing in of files that other torrents
    /// have. Closing, removing and `Torrent::cancel_move` end it.
    transfer: Mutex<Option<Arc<Progress>>>,
}

impl Data {
    /// Its storage, once the torrent was brought up.
    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.storage.get()
    }

    /// It was opened. Answers the storage that counts: the first one.
    pub(crate) fn opened(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        self.storage.get_or_init(|| storage).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<ResumeLock>> {
        self.lock.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether no other process has the saved state.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock().is_some()
    }

    /// No other process has the saved state from now on.
    pub(crate) fn keep(&self, lock: ResumeLock) {
        *self.lock() = Some(lock);
    }

    /// Lets another process have the saved state.
    pub(crate) fn release(&self) {
        *self.lock() = None;
    }

    fn check(&self) -> MutexGuard<'_, Option<Arc<Progress>>> {
        self.check.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes the check that is under way.
    pub(crate) fn set_check(&self, check: Option<Arc<Progress>>) {
        *self.check() = check;
    }

    fn transfer(&self) -> MutexGuard<'_, Option<Arc<Progress>>> {
        self.transfer.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes the transfer of files that is under way.
    pub(crate) fn set_transfer(&self, progress: Option<Arc<Progress>>) {
        *self.transfer() = progress;
    }

    /// Ends the transfer of files that is under way. Whether there is one.
    pub(crate) fn cancel_transfer(&self) -> bool {
        let transfer = self.transfer();
        transfer.as_ref().map(|progress| progress.cancel()).is_some()
    }

    /// Ends the check or the transfer of files that is under way.
    pub(crate) fn cancel(&self) {
        if let Some(check) = &*self.check() {
            check.cancel();
        }
        self.cancel_transfer();
    }
}
