//! Calling a file by another name.

use std::collections::BTreeMap;

use super::FileStorage;
use super::homes::Homes;
use crate::error::{ErrorKind, StorageError};
use crate::names::{check_name, is_safe};
use crate::plan::{FileIndex, FileKind};
use crate::storage::OpenRequest;

impl FileStorage {
    /// Renames a file, on the disk if it is there. Its open handles stay good: they are of the file, not of its name.
    pub(super) fn rename(&self, file: FileIndex, path: &str) -> Result<(), StorageError> {
        let _settled = self.settled();
        let mut homes = self.exclusive();
        check_name(&self.plan, &homes.names, file, path)?;
        let old = self.path_of(&homes, file).to_owned();
        if old == path {
            return Ok(());
        }
        match homes.root.stat(&old) {
            Ok(_) => rename_on_disk(&homes, &old, path)?,
            // Not made yet, or in the part file, which knows files by number.
            Err(e) if e.kind() == ErrorKind::NotFound => homes.root.is_free(path)?,
            Err(e) => return Err(e),
        }
        let before = self.links(&homes);
        self.call(&mut homes, file, path);
        for ((link, old), (_, new)) in before.into_iter().zip(self.links(&homes)).filter(|(a, b)| a.1 != b.1)
        {
            // A link that stays as it was leads nowhere, and harms nobody.
            if homes.root.remove_symlink(&link, &old).is_ok() {
                let _ = homes.root.symlink(&link, &new);
            }
        }
        Ok(())
    }

    /// Takes over the names of a request, as far as they are safe.
    pub(super) fn take_names(&self, homes: &mut Homes, request: &OpenRequest) {
        let is_there = |homes: &Homes, path: &str| homes.root.stat(path).is_ok();
        // All together: one may be called as another was before.
        for (file, path) in &request.names {
            if is_safe(&self.plan, *file, path) {
                self.call(homes, *file, path);
            }
        }
        let mut owners = BTreeMap::<&str, u32>::new();
        for (file, _) in self.plan.iter().filter(|(_, plan)| plan.kind != FileKind::Padding) {
            *owners.entry(self.path_of(homes, file)).or_default() += 1;
        }
        let shared = |path: &str| owners.get(path).is_some_and(|owners| *owners > 1);
        let shared: Vec<_> =
            homes.names.iter().filter(|(_, path)| shared(path)).map(|(file, _)| *file).collect();
        shared.iter().for_each(|file| _ = homes.names.remove(file));
        if let Some((file, path)) = &request.renaming
            && check_name(&self.plan, &homes.names, *file, path).is_ok()
            && is_there(homes, path)
            && !is_there(homes, self.path_of(homes, *file))
        {
            self.call(homes, *file, path);
        }
    }

    fn call(&self, homes: &mut Homes, file: FileIndex, path: &str) {
        if self.plan.file(file).is_some_and(|file| &*file.path == path) {
            homes.names.remove(&file);
        } else {
            homes.names.insert(file, path.into());
        }
    }

    /// The links, each with its path and its text: to where the file is that it leads to.
    pub(super) fn links(&self, homes: &Homes) -> Vec<(String, String)> {
        let link = |(file, kind): (FileIndex, &FileKind)| {
            let FileKind::Symlink(Some(target)) = kind else { return None };
            let path = self.path_of(homes, file);
            Some((path.to_owned(), FileStorage::link_text(path, self.renamed(homes, target))))
        };
        self.plan.iter().filter_map(|(file, plan)| link((file, &plan.kind))).collect()
    }

    /// The path as it is now of what the torrent calls `path`.
    pub(super) fn renamed<'a>(&'a self, homes: &'a Homes, path: &'a str) -> &'a str {
        let mut renamed = homes.names.iter();
        let is = |file: FileIndex| self.plan.file(file).is_some_and(|file| &*file.path == path);
        renamed.find(|(file, _)| is(**file)).map_or(path, |(_, name)| name)
    }
}

/// The old name is back where the new one can't be made durable.
fn rename_on_disk(homes: &Homes, old: &str, new: &str) -> Result<(), StorageError> {
    let root = &homes.root;
    let renamed = root.rename(old, root, new).and_then(|()| {
        let synced = root.sync_dirs(new).and_then(|()| root.sync_dirs(old));
        synced.inspect_err(|_| _ = root.rename(new, root, old))
    });
    root.remove_empty_dirs(if renamed.is_ok() { old } else { new });
    renamed
}
