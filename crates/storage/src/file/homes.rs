//! Where the bytes of each file are: at its path, or in the part file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::parts::PartFile;
use super::root::Root;
use super::{FileStorage, Preallocate};
use crate::error::{ErrorKind, Op, StorageError};
use crate::plan::{FileIndex, FileKind};
use crate::storage::Selection;

/// Where the bytes of each file are.
#[derive(Debug)]
pub(super) struct Homes {
    /// The directory that the files are below.
    pub(super) root: Root,
    /// Paths of files that are not called as the torrent says.
    pub(super) names: BTreeMap<FileIndex, Box<str>>,
    /// Set for the files whose bytes are in the part file. Empty while there is none.
    pub(super) in_parts: Vec<bool>,
    pub(super) selection: Selection,
    /// Most need none.
    pub(super) parts: Mutex<Option<Box<PartFile>>>,
    /// What the last move left as copies, until it is gathered.
    pub(super) left: Option<Box<Left>>,
}

/// Files that were copied away from a place by this very storage: it needs no proof that they are copies.
#[derive(Default, Debug)]
pub(super) struct Left {
    pub(super) root: PathBuf,
    pub(super) paths: BTreeSet<String>,
}

impl Homes {
    pub(super) fn in_parts(&self, file: FileIndex) -> bool {
        self.in_parts.get(file.as_usize()).copied().unwrap_or(false)
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Option<Box<PartFile>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileStorage {
    /// Gives every file its home for a selection: the part file for those that are unwanted and absent, its own path for
    /// the rest. What the part file holds of the latter moves over; the first error stops that.
    pub(super) fn settle(&self, homes: &mut Homes, selection: &Selection) -> Result<(), StorageError> {
        let mut held = homes.parts().as_ref().map_or(Vec::new(), |parts| parts.files());
        if selection.is_all() && held.is_empty() {
            homes.in_parts = Vec::new();
            return Ok(());
        }
        let absent = |file| matches!(homes.root.stat(self.path_of(homes, file)), Err(e) if e.kind() == ErrorKind::NotFound);
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
            *homes.parts() = parts.map(|parts| parts.remove_if_empty()).transpose()?.flatten().map(Box::new);
        }
        result
    }

    /// Moves what the part file holds of a file into the file. Dying in it is harmless: until the labels are gone, which
    /// is after the file's data is durable, the next opening does it again, before anything else can be written there.
    fn promote(&self, homes: &Homes, file: FileIndex) -> Result<(), StorageError> {
        let mut guard = homes.parts();
        let Some(parts) = guard.as_mut() else { return Ok(()) };
        if let Some(plan) = self.plan.file(file).filter(|f| f.is_stored()) {
            let path = self.full(homes, file);
            let handle = self.writable(homes, file)?;
            parts.copy_out(file, plan.len, &handle, &path)?;
            handle.sync_all().map_err(|e| StorageError::from_io(&path, Op::Sync, e))?;
            homes.root.sync_dirs(self.path_of(homes, file))?;
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
        homes: &Homes,
        file: FileIndex,
        kind: &FileKind,
        len: u64,
    ) -> Result<(), StorageError> {
        let path = self.path_of(homes, file);
        match kind {
            FileKind::Regular { executable } => {
                if len == 0 || self.preallocate == Preallocate::Full {
                    let handle = self.writable(homes, file)?;
                    if len > 0 {
                        self.reserve(homes, file, &handle)?;
                    }
                }
                if *executable && homes.root.stat(path).is_ok() {
                    homes.root.set_executable(path)?;
                }
                Ok(())
            }
            FileKind::Symlink(Some(target)) => {
                if homes.root.symlink(path, &FileStorage::link_text(path, self.renamed(homes, target)))? {
                    self.created.mark(file);
                }
                Ok(())
            }
            FileKind::Symlink(None) | FileKind::Padding => Ok(()),
        }
    }
}
