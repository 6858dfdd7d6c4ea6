//! Where the bytes of each file are: at its path, or in the part file.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::parts::PartFile;
use super::{FileStorage, Preallocate};
use crate::error::{ErrorKind, Op, StorageError};
use crate::plan::{FileIndex, FileKind};
use crate::storage::Selection;

/// Where the bytes of each file are.
#[derive(Debug)]
pub(super) struct Homes {
    /// Set for the files whose bytes are in the part file. Empty while there is none.
    pub(super) in_parts: Vec<bool>,
    pub(super) selection: Selection,
    pub(super) parts: Mutex<Option<PartFile>>,
}

impl Homes {
    pub(super) fn in_parts(&self, file: FileIndex) -> bool {
        self.in_parts.get(file.as_usize()).copied().unwrap_or(false)
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Option<PartFile>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileStorage {
    /// Gives every file its home for a selection: the part file for those that are unwanted and absent, its own path for
    /// the rest. What the part file holds of the latter moves over; the first error stops that.
    pub(super) fn settle(&self, homes: &mut Homes, selection: &Selection) -> Result<(), StorageError> {
        let mut held = homes.parts().as_ref().map_or(Vec::new(), PartFile::files);
        if selection.is_all() && held.is_empty() {
            homes.in_parts = Vec::new();
            return Ok(());
        }
        let absent =
            |file| matches!(self.root.stat(self.path_of(file)), Err(e) if e.kind() == ErrorKind::NotFound);
        let outside = |(file, f): (FileIndex, &crate::plan::PlanFile)| {
            f.is_stored() && f.len > 0 && !selection.wants(file) && absent(file)
        };
        let mut in_parts: Vec<bool> = self.plan.iter().map(outside).collect();
        held.retain(|file| !in_parts.get(file.as_usize()).copied().unwrap_or(false));
        let mut result = Ok(());
        for file in held {
            if result.is_ok() {
                result = self.promote(homes, file);
            }
            if let (Err(_), Some(home)) = (&result, in_parts.get_mut(file.as_usize())) {
                *home = true;
            }
        }
        homes.in_parts = in_parts;
        if result.is_ok() {
            let parts = homes.parts().take();
            *homes.parts() = parts.map(PartFile::remove_if_empty).transpose()?.flatten();
        }
        result
    }

    /// Moves what the part file holds of a file into the file. Dying in it is harmless: until the labels are gone, which
    /// is after the file's data is durable, the next opening does it again, before anything else can be written there.
    fn promote(&self, homes: &Homes, file: FileIndex) -> Result<(), StorageError> {
        let mut guard = homes.parts();
        let Some(parts) = guard.as_mut() else { return Ok(()) };
        if let Some(plan) = self.plan.file(file).filter(|f| f.is_stored()) {
            let path = self.root.full(&plan.path);
            let handle = self.writable(file)?;
            parts.copy_out(file, plan.len, &handle, &path)?;
            handle.sync_all().map_err(|e| StorageError::from_io(&path, Op::Sync, e))?;
            self.root.sync_dirs(&plan.path)?;
        }
        parts.forget(file)
    }

    /// The text of a link from `link` to `target`, both below the root.
    pub(super) fn link_text(link: &str, target: &str) -> String {
        let (mut from, mut to) = (link.split('/').peekable(), target.split('/').peekable());
        while from.peek().is_some() && from.peek() == to.peek() {
            from.next();
            to.next();
        }
        let ups = from.count().saturating_sub(1);
        let parts: Vec<&str> = std::iter::repeat_n("..", ups).chain(to).collect();
        if parts.is_empty() { ".".into() } else { parts.join("/") }
    }

    pub(super) fn prepare_file(
        &self,
        file: FileIndex,
        kind: &FileKind,
        len: u64,
    ) -> Result<(), StorageError> {
        let path = self.path_of(file);
        match kind {
            FileKind::Regular { executable } => {
                if len == 0 || self.preallocate == Preallocate::Full {
                    let handle = self.writable(file)?;
                    if len > 0 {
                        self.reserve(file, &handle)?;
                    }
                }
                if *executable && self.root.stat(path).is_ok() {
                    self.root.set_executable(path)?;
                }
                Ok(())
            }
            FileKind::Symlink(Some(target)) => {
                if self.root.symlink(path, &FileStorage::link_text(path, target))? {
                    self.created.mark(file);
                }
                Ok(())
            }
            FileKind::Symlink(None) | FileKind::Padding => Ok(()),
        }
    }
}
