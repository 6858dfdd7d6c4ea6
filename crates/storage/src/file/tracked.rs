//! Files that something is still to be done for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StorageError;
use crate::plan::FileIndex;

/// A set of files to sync. A mark counts as done only if none was set while the work ran, and only after it succeeded:
/// a second caller never takes a sync that is still running for a finished one.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    clock: u64,
    set: BTreeMap<u32, u64>,
}

impl Tracked {
    /// Marks a file.
    pub(super) fn mark(&self, file: FileIndex) {
        let mut marks = self.lock();
        marks.clock += 1;
        let now = marks.clock;
        marks.set.insert(file.0, now);
    }

    /// Does the work for a file if it is marked, and takes the mark away if nothing came in between.
    pub(super) fn settle(
        &self,
        file: FileIndex,
        work: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Some(before) = self.lock().set.get(&file.0).copied() else { return Ok(()) };
        work()?;
        let mut marks = self.lock();
        if marks.set.get(&file.0) == Some(&before) {
            marks.set.remove(&file.0);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
