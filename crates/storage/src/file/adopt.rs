//! Files that another torrent has too: one file under two names, or a copy; and taking such a file apart again.
//!
//! A file that has another name is never written into, whoever gave it that name: its bytes may be verified data of somebody
//! else. Before the first write it is copied whole, and the copy takes its place. No other read or write of the torrent
//! goes on meanwhile, since nobody may write into the file while it is copied: with a large file they wait for long.

use std::io;
use std::path::Path;
use std::sync::RwLockReadGuard;

use super::FileStorage;
use super::homes::Homes;
use super::relocate::copy;
use super::root::Root;
use crate::error::{Op, StorageError};
use crate::plan::{FileIndex, FileKind, Place};
use crate::progress::Progress;
use crate::storage::Adoption;
use crate::sys;

/// So many files more than there are in a range are taken apart for one write into it. Each is copied once, unless somebody
/// outside names the copy too before it is written; who does so all the time, or a filesystem that counts names wrongly, must
/// not keep a disk thread copying for ever.
const AGAIN: usize = 3;

impl FileStorage {
    /// Brings a file here that is at `path` below `from`.
    pub(super) fn bring_in(
        &self,
        file: FileIndex,
        from: &Path,
        path: &str,
        how: Adoption,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let _settled = self.settled();
        let homes = self.exclusive();
        let Some(FileKind::Regular { .. }) = self.plan.file(file).map(|file| &file.kind) else {
            return Err(StorageError::Unsupported { what: "take over what is no file" });
        };
        let to = self.path_of(&homes, file);
        if homes.in_parts(file) {
            return Err(StorageError::Exists { path: self.parts_path(&homes) });
        }
        homes.root.check()?;
        homes.root.is_free(to)?;
        let source = Root::new(from.to_owned());
        let found = source.stat(path)?.size;
        if found != self.len_of(file) {
            return Err(StorageError::Truncated {
                path: source.full(path),
                expected: self.len_of(file),
                found,
            });
        }
        // Other devices, filesystems without such names, files of other users: whatever the reason is, a copy may go.
        let linked = how == Adoption::Link && source.link(path, &homes.root, to).is_ok();
        let brought = if linked { Ok(()) } else { self.copy_in(&homes, &source, path, file, progress) };
        match &brought {
            Ok(()) => {
                self.created.mark(file);
                self.written.mark(file);
            }
            Err(_) => homes.root.remove_empty_dirs(to),
        }
        brought
    }

    fn copy_in(
        &self,
        homes: &Homes,
        source: &Root,
        path: &str,
        file: FileIndex,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let mut item = self.item(self.path_of(homes, file), &file.0.to_string());
        item.path = path.into();
        let copied = copy(source, &homes.root, &item, progress);
        let named =
            copied.and_then(|()| homes.root.rename(&item.temporary, &homes.root, self.path_of(homes, file)));
        named.inspect_err(|_| _ = homes.root.remove(&item.temporary))
    }

    /// Waits for the fences, and sees to it that no file of these payload bytes is also somebody else's. Copies those that are;
    /// the error where that does not help is one that is tried again.
    pub(super) fn alone(
        &self,
        range: std::ops::Range<u64>,
    ) -> Result<RwLockReadGuard<'_, Homes>, StorageError> {
        let mut left = None;
        loop {
            let homes = self.shared();
            let Some(file) = self.first_shared(&homes, range.clone()) else { return Ok(homes) };
            let left = left.get_or_insert_with(|| self.plan.extents(range.clone()).count() + AGAIN);
            if *left == 0 {
                let error = io::Error::other("whenever it is copied, the copy has another name too");
                let path = homes.root.full(self.path_of(&homes, file));
                return Err(StorageError::from_io(path, Op::Write, error));
            }
            *left -= 1;
            drop(homes);
            self.take_apart(file)?;
        }
    }

    /// The first file with bytes of this range that has another name too. One that can't be looked at will be found out.
    fn first_shared(&self, homes: &Homes, range: std::ops::Range<u64>) -> Option<FileIndex> {
        if !sys::LINKS {
            return None;
        }
        self.plan.extents(range).find_map(|extent| match extent.place {
            Place::File { file, .. } if !homes.in_parts(file) => {
                let handle = match self.handles.get(self.owner, file.0, true) {
                    Some(handle) => handle,
                    // Nothing to share where nothing is yet.
                    None => self.readable(homes, file).ok()?,
                };
                sys::has_other_names(&handle).then_some(file)
            }
            _ => None,
        })
    }

    /// Puts a copy in the place of a file that has another name.
    fn take_apart(&self, file: FileIndex) -> Result<(), StorageError> {
        let homes = self.exclusive();
        let path = self.path_of(&homes, file);
        self.handles.forget(self.owner, file.0);
        if !sys::has_other_names(&homes.root.open(path, super::Access::Read)?.file) {
            return Ok(());
        }
        let item = self.item(path, &file.0.to_string());
        let copied = copy(&homes.root, &homes.root, &item, &Progress::new());
        let placed = copied.and_then(|()| homes.root.replace(&item.temporary, path));
        placed.inspect_err(|_| _ = homes.root.remove(&item.temporary))?;
        homes.root.sync_dirs(path)
    }
}
