//! Files that go: by our hand, or by somebody else's.

use super::FileStorage;
use super::homes::Homes;
use crate::error::{ErrorKind, Op, StorageError};
use crate::plan::{FileIndex, FileKind, PlanFile};

impl FileStorage {
    /// Removes every file of the list, the part file, and the directories that are empty then. What is no regular file,
    /// or lies behind a link, is not the torrent's and stays. Goes on after an error and answers the first.
    pub(super) fn remove_all(&self) -> Result<(), StorageError> {
        let homes = self.exclusive();
        self.handles.forget_all(self.owner);
        homes.parts().take();
        let parts_path = self.parts_path(&homes);
        let parts = std::fs::remove_file(&parts_path);
        let mut result = forgive(parts.map_err(|e| StorageError::from_io(&parts_path, Op::Rename, e)));
        for (file, plan) in self.plan.iter() {
            result = result.and(self.remove_one(&homes, file, plan));
        }
        for (file, _) in self.plan.iter() {
            homes.root.remove_empty_dirs(self.path_of(&homes, file));
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

    fn remove_one(&self, homes: &Homes, file: FileIndex, plan: &PlanFile) -> Result<(), StorageError> {
        let path = self.path_of(homes, file);
        let removed = match &plan.kind {
            FileKind::Regular { .. } => homes.root.remove(path),
            FileKind::Symlink(Some(target)) => {
                homes.root.remove_symlink(path, &FileStorage::link_text(path, self.renamed(homes, target)))
            }
            FileKind::Symlink(None) | FileKind::Padding => Ok(()),
        };
        self.unsee(file);
        forgive(removed)
    }
}

/// An error is only that something of the torrent stays that should go.
pub(super) fn forgive(result: Result<(), StorageError>) -> Result<(), StorageError> {
    use ErrorKind as K;
    let fine =
        |kind| matches!(kind, K::NotFound | K::Symlink | K::IsDirectory | K::NotADirectory | K::NotAFile);
    result.or_else(|error| if fine(error.kind()) { Ok(()) } else { Err(error) })
}
