//! Files that go: by our hand, or by somebody else's.

use super::FileStorage;
use crate::error::{ErrorKind, Op, StorageError};
use crate::plan::{FileIndex, FileKind, PlanFile};

impl FileStorage {
    /// Removes every file of the list, the part file, and the directories that are empty then. What is no regular file,
    /// or lies behind a link, is not the torrent's and stays. Goes on after an error and answers the first.
    pub(super) fn remove_all(&self) -> Result<(), StorageError> {
        let homes = self.exclusive();
        self.handles.forget_all(self.owner);
        homes.parts().take();
        let parts = std::fs::remove_file(&self.parts_path);
        let mut result = forgive(parts.map_err(|e| StorageError::from_io(&self.parts_path, Op::Rename, e)));
        for (file, plan) in self.plan.iter() {
            result = result.and(self.remove_one(file, plan));
        }
        for (_, plan) in self.plan.iter() {
            self.root.remove_empty_dirs(&plan.path);
        }
        result
    }

    /// Forgets how long the files were, and lets go of handles of files that are gone.
    pub(super) fn see_anew(&self) {
        let _alone = self.exclusive();
        self.handles.forget_all(self.owner);
        self.plan.iter().for_each(|(file, _)| self.unsee(file));
    }

    fn unsee(&self, file: FileIndex) {
        if let Some(seen) = self.seen.get(file.as_usize()) {
            seen.store(0, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn remove_one(&self, file: FileIndex, plan: &PlanFile) -> Result<(), StorageError> {
        let removed = match &plan.kind {
            FileKind::Regular { .. } => self.root.remove(&plan.path),
            FileKind::Symlink(Some(target)) => {
                self.root.remove_symlink(&plan.path, &FileStorage::link_text(&plan.path, target))
            }
            FileKind::Symlink(None) | FileKind::Padding => Ok(()),
        };
        self.unsee(file);
        forgive(removed)
    }
}

/// An error is only that something of the torrent stays that should go.
fn forgive(result: Result<(), StorageError>) -> Result<(), StorageError> {
    use ErrorKind as K;
    let fine =
        |kind| matches!(kind, K::NotFound | K::Symlink | K::IsDirectory | K::NotADirectory | K::NotAFile);
    result.or_else(|error| if fine(error.kind()) { Ok(()) } else { Err(error) })
}
