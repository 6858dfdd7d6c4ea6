//! Moving all files of a torrent below another directory.
//!
//! Files of the same filesystem are renamed; the others are copied first, under names of their own, while the old ones are
//! read on. Then, in one step for everybody who reads, the renaming is done and the new place holds. Until whoever keeps
//! the record has written that down, whatever was copied stays at the old place: at any moment in between one rule puts
//! everything right, [`FileStorage::bring_together`].

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::homes::{Homes, Left};
use super::parts::PartFile;
use super::remove::forgive;
use super::root::Root;
use super::{Access, FileStorage, Preallocate};
use crate::error::{ErrorKind, Op, StorageError};
use crate::plan::FileKind;
use crate::progress::Progress;
use crate::sys;

/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// How files get to their new place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Means {
    /// By renaming where that is possible.
    Any,
    /// By copying, as if it were another filesystem.
    Copy,
}

/// A file that goes along, by its path below either root.
pub(super) struct Item {
    pub(super) path: String,
    /// What its copy is called until it is whole.
    pub(super) temporary: String,
    len: u64,
    copied: bool,
    /// Its copy gets all of its space at once.
    reserve: bool,
}

impl FileStorage {
    /// Moves everything below `to`.
    pub(super) fn relocate(&self, to: &Path, progress: &Progress, means: Means) -> Result<(), StorageError> {
        let _still = self.still.write().unwrap_or_else(PoisonError::into_inner);
        match self.relocate_by(to, progress, means) {
            // One filesystem that is mounted twice renames nothing from the one place to the other.
            Err(e) if crosses(&e) && means == Means::Any => self.relocate_by(to, progress, Means::Copy),
            result => result,
        }
    }

    fn relocate_by(&self, to: &Path, progress: &Progress, means: Means) -> Result<(), StorageError> {
        let target = Root::new(to.to_owned());
        let items = {
            let homes = self.shared();
            self.check_target(&homes, &target)?;
            if let Some(parts) = homes.parts().as_mut() {
                parts.sync()?;
            }
            let mut items = self.items(&homes);
            items.retain_mut(|item| match homes.root.stat(&item.path) {
                Ok(found) => {
                    item.len = found.size;
                    true
                }
                Err(_) => false,
            });
            let copied = copy_far(&homes.root, &target, &mut items, progress, means);
            if let Err(error) = copied {
                items.iter().for_each(|item| _ = target.remove(&item.temporary));
                return Err(error);
            }
            items
        };
        let mut homes = self.exclusive();
        let switched = self.put_in_place(&homes, &target, &items);
        match switched {
            Ok(parts) => {
                let old = std::mem::replace(&mut homes.root, target);
                homes.parts = Mutex::new(parts);
                let copied = items.iter().filter(|item| item.copied);
                let paths = copied.map(|item| item.path.clone()).collect();
                homes.left = Some(Box::new(Left { root: old.path().to_owned(), paths }));
                items.iter().for_each(|item| old.remove_empty_dirs(&item.path));
                self.handles.forget_all(self.owner);
                self.device.store(sys::device_of(to).0, Ordering::Relaxed);
                let renamed = items.iter().filter(|item| !item.copied);
                progress.add(renamed.map(|item| item.len).sum(), 0);
                Ok(())
            }
            Err(error) => {
                // What can't be brought back now is brought by whoever asks for it again.
                let _ = self.bring_together(&mut homes, &target);
                Err(error)
            }
        }
    }

    /// Whether everything could go below `target` without touching what is there.
    pub(super) fn check_target(&self, homes: &Homes, target: &Root) -> Result<(), StorageError> {
        target.check()?;
        self.items(homes).iter().try_for_each(|item| target.is_free(&item.path))?;
        self.links(homes).iter().try_for_each(|(path, _)| target.is_free(path))
    }

    /// Everything that may have to go along; whether it is there is not looked at.
    fn items(&self, homes: &Homes) -> Vec<Item> {
        let regular = self.plan.iter().filter(|(_, plan)| matches!(plan.kind, FileKind::Regular { .. }));
        let mut items: Vec<Item> =
            regular.map(|(file, _)| self.item(self.path_of(homes, file), &file.0.to_string())).collect();
        if self.parts_dir.is_none() {
            items.push(self.item(&format!(".{}.parts", self.name), "parts"));
        }
        items
    }

    /// A file at `path`; `what` tells its copy from others.
    pub(super) fn item(&self, path: &str, what: &str) -> Item {
        Item {
            path: path.into(),
            temporary: format!(".{}.{what}.moving", self.name),
            len: 0,
            copied: false,
            reserve: self.preallocate == Preallocate::Full,
        }
    }

    /// Gives copies their names, renames the rest, and makes all of that durable. Answers the part file at its new place.
    fn put_in_place(
        &self,
        homes: &Homes,
        target: &Root,
        items: &[Item],
    ) -> Result<Option<Box<PartFile>>, StorageError> {
        for item in items {
            if item.copied {
                target.rename(&item.temporary, target, &item.path)?;
            } else {
                homes.root.rename(&item.path, target, &item.path)?;
            }
        }
        for (path, text) in self.links(homes) {
            target.symlink(&path, &text)?;
        }
        sync_dirs(target, items.iter().map(|item| &*item.path))?;
        match &self.parts_dir {
            Some(_) => Ok(homes.parts().take()),
            None => {
                let path = target.full(&format!(".{}.parts", self.name));
                Ok(PartFile::open(&path, self.name, true)?.map(Box::new))
            }
        }
    }

    /// Brings together what a move left at `other`, for the files that are here now.
    pub(super) fn bring_together(&self, homes: &mut Homes, other: &Root) -> Result<(), StorageError> {
        if homes.root.is_same(other) {
            // One directory under two names, by now: nothing in it is a copy.
            return Ok(());
        }
        let items = self.items(homes);
        let left = homes.left.take().filter(|left| left.root == other.path());
        let is_copy = |path: &str| left.as_ref().is_some_and(|left| left.paths.contains(path));
        let mut result = Ok(());
        for item in &items {
            result = result.and(forgive(other.remove(&item.temporary)));
            result = result.and(bring(&homes.root, other, item, is_copy(&item.path)));
        }
        for (path, text) in self.links(homes) {
            result = result.and(forgive(other.remove_symlink(&path, &text)));
            other.remove_empty_dirs(&path);
        }
        items.iter().for_each(|item| other.remove_empty_dirs(&item.path));
        self.handles.forget_all(self.owner);
        if self.parts_dir.is_none() {
            let synced = homes.parts().as_mut().map_or(Ok(()), |parts| parts.sync());
            result = result.and(synced);
            homes.parts = Mutex::new(PartFile::open(&self.parts_path(homes), self.name, true)?.map(Box::new));
        }
        let selection = homes.selection.clone();
        // As where it is opened: what can't move out of the part file now is read from it.
        let _ = self.settle(homes, &selection);
        result
    }
}

/// Whether a rename failed because its two ends are not on one filesystem.
fn crosses(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { source, .. } if source.kind() == io::ErrorKind::CrossesDevices)
}

/// Copies what can't be renamed.
fn copy_far(
    from: &Root,
    to: &Root,
    items: &mut [Item],
    progress: &Progress,
    means: Means,
) -> Result<(), StorageError> {
    progress.begin(items.iter().map(|item| item.len).sum());
    let device = sys::device_of(to.path());
    for item in items {
        if progress.is_cancelled() {
            return Err(StorageError::Cancelled);
        }
        item.copied = means == Means::Copy || sys::device_of(&from.full(&item.path)) != device;
        if item.copied {
            copy(from, to, item, progress)?;
        }
    }
    Ok(())
}

/// Makes a durable copy under the temporary name, of shared blocks where the filesystem can. Holes stay holes.
pub(super) fn copy(from: &Root, to: &Root, item: &Item, progress: &Progress) -> Result<(), StorageError> {
    let source = from.open(&item.path, Access::Read)?.file;
    let target = to.open(&item.temporary, Access::Create { executable: false })?.file;
    let (read, write) = (
        |e| StorageError::from_io(from.full(&item.path), Op::Read, e),
        |e| StorageError::from_io(to.full(&item.path), Op::Write, e),
    );
    let meta = source.metadata().map_err(read)?;
    // What an earlier try left.
    target.set_len(0).map_err(write)?;
    if item.reserve && meta.len() > 0 {
        sys::allocate(&target, meta.len()).map_err(write)?;
    }
    let cloned = !item.reserve && sys::clone_file(&source, &target);
    let (mut buffer, mut offset) = (vec![0; CHUNK], if cloned { meta.len() } else { 0 });
    loop {
        if progress.is_cancelled() {
            return Err(StorageError::Cancelled);
        }
        let got = sys::read_full(&source, offset, &mut [IoSliceMut::new(&mut buffer)]).map_err(read)?;
        let some = &buffer[..usize::try_from(got).unwrap_or(CHUNK).min(CHUNK)];
        if some.is_empty() {
            break;
        }
        if some.iter().any(|byte| *byte != 0) {
            sys::write_full(&target, offset, &mut [IoSlice::new(some)]).map_err(write)?;
        }
        offset += got;
        progress.add(got, 0);
    }
    target.set_len(offset).map_err(write)?;
    // Not every filesystem has them.
    let _ = target.set_permissions(meta.permissions());
    target.sync_all().map_err(|e| StorageError::from_io(to.full(&item.path), Op::Sync, e))
}

/// A file that is at `other` and not here comes here; a copy of what is here goes. Where it is not `known` to be one it has
/// the same bytes, all of them: a file of the same name and length may be anybody's.
fn bring(here: &Root, other: &Root, item: &Item, known: bool) -> Result<(), StorageError> {
    let there = match other.stat(&item.path) {
        Ok(there) => there,
        Err(error) => return forgive(Err(error)),
    };
    match here.stat(&item.path) {
        Ok(found) if found.size == there.size => {
            let ours = here.open(&item.path, Access::Read)?.file;
            let path = other.full(&item.path);
            // One file under two names is no copy either, and this may be its only one.
            let same = sys::UNLINKS_OPEN_FILES
                && sys::is_at(&ours, &path).map_err(|e| StorageError::from_io(&path, Op::Stat, e))?;
            let copy = !same && (known || is_copy(here, other, item)?);
            return if copy { other.remove(&item.path) } else { Ok(()) };
        }
        // Somebody else's: copies are whole before they have this name.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match other.rename(&item.path, here, &item.path) {
        Err(error) if crosses(&error) => {
            copy(other, here, item, &Progress::new())?;
            here.rename(&item.temporary, here, &item.path)?;
            here.sync_dirs(&item.path)?;
            other.remove(&item.path)
        }
        Ok(()) => here.sync_dirs(&item.path),
        Err(error) => Err(error),
    }
}

/// Whether the files below both roots have the same bytes.
fn is_copy(here: &Root, other: &Root, item: &Item) -> Result<bool, StorageError> {
    let (ours, theirs) =
        (here.open(&item.path, Access::Read)?.file, other.open(&item.path, Access::Read)?.file);
    let read = |root: &Root, file: &File, buffer: &mut [u8], offset| {
        let got = sys::read_full(file, offset, &mut [IoSliceMut::new(buffer)]);
        got.map_err(|e| StorageError::from_io(root.full(&item.path), Op::Read, e))
    };
    let (mut one, mut two, mut offset) = (vec![0; CHUNK], vec![0; CHUNK], 0);
    loop {
        let (got, other_got) =
            (read(here, &ours, &mut one, offset)?, read(other, &theirs, &mut two, offset)?);
        let len = usize::try_from(got).unwrap_or(CHUNK).min(CHUNK);
        if got != other_got || one[..len] != two[..len] {
            return Ok(false);
        }
        if len == 0 {
            return Ok(true);
        }
        offset += got;
    }
}

/// Makes the entries durable that lead to these files: each directory once.
fn sync_dirs<'a>(root: &Root, paths: impl Iterator<Item = &'a str>) -> Result<(), StorageError> {
    let mut dirs = BTreeSet::new();
    for path in paths {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        if dirs.insert(dir) {
            root.sync_dirs(path)?;
        }
    }
    Ok(())
}
