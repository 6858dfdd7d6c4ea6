//! Torrents as files below a directory.

mod adopt;
#[cfg(all(test, unix))]
mod adopt_tests;
mod cache;
mod factory;
mod handles;
mod homes;
mod parts;
mod relocate;
mod remove;
mod rename;
#[cfg(not(unix))]
#[path = "root_std.rs"]
mod root;
#[cfg(unix)]
#[path = "root_unix.rs"]
mod root;
mod tracked;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use types::InfoHash;

pub use self::cache::HandleCache;
pub use self::factory::{FileFactory, Preallocate};
use self::homes::Homes;
use self::parts::PartFile;
use self::relocate::Means;
use self::root::Root;
use self::tracked::Tracked;
use crate::cut;
use crate::error::{Op, StorageError};
use crate::plan::{FileIndex, Place, Plan};
use crate::progress::Progress;
use crate::storage::{
    Adoption, Capabilities, DeviceId, FileSpan, FileState, OpenRequest, Selection, Storage, checked_len,
};
use crate::sys;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    /// For reading; must exist.
    Read,
    /// For both; it and its directories are made where they are missing.
    Create { executable: bool },
}

impl Access {
    fn writes(self) -> bool {
        self != Access::Read
    }

    fn creates(self) -> bool {
        matches!(self, Access::Create { .. })
    }
}

impl Root {
    /// Whether both are one directory, as far as that can be told by names.
    fn is_same(&self, other: &Root) -> bool {
        let real = |root: &Root| root.path().canonicalize();
        real(self).is_ok_and(|ours| real(other).is_ok_and(|theirs| ours == theirs))
    }

    /// Whether files could be below it, as far as that can be seen without making anything: what is there of the path
    /// to it must be directories.
    fn check(&self) -> Result<(), StorageError> {
        let first_there = self.path().ancestors().find_map(|path| Some((path, path.metadata().ok()?)));
        match first_there {
            Some((path, meta)) if !meta.is_dir() => {
                Err(StorageError::NotADirectory { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

struct Opened {
    file: File,
    created: bool,
}

/// The files of one torrent.
#[derive(Debug)]
struct FileStorage {
    plan: Arc<Plan>,
    name: InfoHash,
    /// Where the part file is, if not in the root.
    parts_dir: Option<PathBuf>,
    preallocate: Preallocate,
    handles: Arc<HandleCache>,
    owner: u64,
    device: AtomicU64,
    /// Held for reading by whatever changes files, for writing while they are copied to another place. Taken before the
    /// fence.
    still: RwLock<()>,
    /// Held for reading by every operation, for writing by the fences.
    fence: RwLock<Homes>,
    written: Tracked,
    created: Tracked,
    /// How long each file has been seen to be: one that is shorter was cut by somebody else.
    seen: Vec<AtomicU64>,
}

impl FileStorage {
    fn open(factory: &FileFactory, request: &OpenRequest) -> Result<FileStorage, StorageError> {
        let name = request.hashes.primary();
        let storage = FileStorage {
            plan: request.plan.clone(),
            name,
            parts_dir: factory.parts_dir.clone(),
            preallocate: factory.preallocate,
            handles: factory.handles.clone(),
            owner: factory.handles.owner(),
            device: AtomicU64::new(sys::device_of(&factory.root).0),
            still: RwLock::new(()),
            fence: RwLock::new(Homes {
                root: Root::new(factory.root.clone()),
                names: BTreeMap::new(),
                in_parts: Vec::new(),
                selection: request.selection.clone(),
                parts: Mutex::new(None),
                left: None,
            }),
            written: Tracked::default(),
            created: Tracked::default(),
            seen: request.plan.files().iter().map(|_| AtomicU64::new(0)).collect(),
        };
        let mut homes = storage.exclusive();
        storage.take_names(&mut homes, request);
        let parts = PartFile::open(&storage.parts_path(&homes), name, true)?;
        homes.parts = Mutex::new(parts.map(Box::new));
        // Files that can't move out of the part file now (a full or read-only disk) are read from it meanwhile.
        let _ = storage.settle(&mut homes, &request.selection);
        drop(homes);
        Ok(storage)
    }

    fn shared(&self) -> RwLockReadGuard<'_, Homes> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Homes> {
        self.fence.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is being copied to another place.
    fn settled(&self) -> RwLockReadGuard<'_, ()> {
        self.still.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a file below the root, as it is called now.
    fn path_of<'a>(&'a self, homes: &'a Homes, file: FileIndex) -> &'a str {
        let renamed = homes.names.get(&file).map(|name| &**name);
        renamed.unwrap_or_else(|| self.plan.file(file).map_or("", |f| &f.path))
    }

    /// The whole path of a file.
    fn full(&self, homes: &Homes, file: FileIndex) -> PathBuf {
        homes.root.full(self.path_of(homes, file))
    }

    fn parts_path(&self, homes: &Homes) -> PathBuf {
        let dir = self.parts_dir.as_deref().unwrap_or(homes.root.path());
        dir.join(format!(".{}.parts", self.name))
    }

    fn len_of(&self, file: FileIndex) -> u64 {
        self.plan.file(file).map_or(0, |f| f.len)
    }

    fn read_extent(
        &self,
        homes: &Homes,
        file: FileIndex,
        offset: u64,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<(), StorageError> {
        if homes.in_parts(file) {
            let found = match homes.parts().as_ref() {
                Some(parts) => parts.read(file, offset, bufs)?,
                None => false,
            };
            let path = || self.full(homes, file);
            return if found { Ok(()) } else { Err(StorageError::NotFound { path: path() }) };
        }
        let handle = self.readable(homes, file)?;
        let want = cut::len_mut(bufs);
        let got = sys::read_full(&handle, offset, bufs)
            .map_err(|e| StorageError::from_io(self.full(homes, file), Op::Read, e))?;
        if got < want {
            return Err(self.truncated(homes, file, &handle, offset + want));
        }
        Ok(())
    }

    fn write_extent(
        &self,
        homes: &Homes,
        file: FileIndex,
        offset: u64,
        bufs: &mut [IoSlice<'_>],
    ) -> Result<(), StorageError> {
        if homes.in_parts(file) {
            let mut parts = homes.parts();
            if parts.is_none() {
                *parts = Some(Box::new(PartFile::create(&self.parts_path(homes), self.name)?));
            }
            return parts.as_mut().map_or(Ok(()), |parts| parts.write(file, offset, bufs));
        }
        let handle = self.writable(homes, file)?;
        self.intact(homes, file, &handle)?;
        let end = offset + bufs.iter().map(|buf| buf.len() as u64).sum::<u64>();
        let result = sys::write_full(&handle, offset, bufs);
        if result.is_ok() {
            self.saw(file, end);
        }
        // After the write: a sync that takes the mark away must have come later than the data.
        self.written.mark(file);
        result.map_err(|e| {
            // A handle that failed may be stale, as after a remount: the next try opens the file afresh.
            self.handles.forget(self.owner, file.0);
            StorageError::from_io(self.full(homes, file), Op::Write, e)
        })
    }

    fn sync_file(&self, homes: &Homes, file: FileIndex) -> Result<(), StorageError> {
        let fail = |e| StorageError::from_io(self.full(homes, file), Op::Sync, e);
        self.written.settle(file, || {
            let handle = self.readable(homes, file)?;
            handle.sync_data().map_err(fail)?;
            // Deleted, or moved away: synced it is, but not where it is looked for.
            if sys::is_deleted(&handle) || homes.root.stat(self.path_of(homes, file)).is_err() {
                self.handles.forget(self.owner, file.0);
                return Err(StorageError::NotFound { path: self.full(homes, file) });
            }
            self.intact(homes, file, &handle)
        })?;
        self.created.settle(file, || homes.root.sync_dirs(self.path_of(homes, file)))
    }
}

impl Storage for FileStorage {
    fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn capabilities(&self) -> Capabilities {
        let resident_reads = sys::RESIDENT_READS;
        Capabilities { resident_reads, sendfile: sys::RESIDENT_READS, durable: true, writable: true }
    }

    fn writes_alone(&self) -> bool {
        true
    }

    fn device(&self) -> DeviceId {
        DeviceId(self.device.load(Ordering::Relaxed))
    }

    fn will_read(&self, range: Range<u64>) {
        let homes = self.shared();
        for extent in self.plan.extents(range) {
            if let Place::File { file, offset } = extent.place
                && !homes.in_parts(file)
                && let Some(handle) = self.handles.try_get(self.owner, file.0)
            {
                sys::will_read(&handle, offset, extent.len);
            }
        }
    }

    fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
        let len = checked_len(&self.plan, offset, bufs.iter().map(|buf| buf.len()))?;
        let homes = self.shared();
        cut::each_mut(&self.plan, offset..offset + len, bufs, |extent, parts| match extent.place {
            Place::File { file, offset } => self.read_extent(&homes, file, offset, parts),
            _ => {
                parts.iter_mut().for_each(|part| part.fill(0));
                Ok(())
            }
        })
    }

    fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let len = checked_len(&self.plan, offset, bufs.iter().map(|buf| buf.len()))?;
        let _settled = self.settled();
        let homes = self.alone(offset..offset + len)?;
        cut::each(&self.plan, offset..offset + len, bufs, |extent, parts| match extent.place {
            Place::File { file, offset } => self.write_extent(&homes, file, offset, parts),
            _ => Ok(()),
        })
    }

    fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError> {
        let homes = self.shared();
        let mut files: Vec<FileIndex> = Vec::new();
        for range in ranges {
            let places = self.plan.extents(range.clone()).map(|extent| extent.place);
            files.extend(places.filter_map(|place| match place {
                Place::File { file, .. } => Some(file),
                _ => None,
            }));
        }
        files.sort_unstable();
        files.dedup();
        let (parted, own): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| homes.in_parts(*file));
        if !parted.is_empty() {
            homes.parts().as_mut().map_or(Ok(()), |parts| parts.sync())?;
        }
        own.into_iter().try_for_each(|file| self.sync_file(&homes, file))
    }

    fn try_read_resident(
        &self,
        offset: u64,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, StorageError> {
        let len = checked_len(&self.plan, offset, bufs.iter().map(|buf| buf.len()))?;
        let Ok(homes) = self.fence.try_read() else { return Ok(None) };
        let Some(extent) = self.plan.extents(offset..offset + len).next() else { return Ok(None) };
        let Some(first) = bufs.iter_mut().find(|buf| !buf.is_empty()) else { return Ok(None) };
        let Place::File { file, offset } = extent.place else {
            let n = first.len().min(usize::try_from(extent.len).unwrap_or(usize::MAX));
            first[..n].fill(0);
            return Ok(Some(n));
        };
        if homes.in_parts(file) {
            return Ok(None);
        }
        let Some(handle) = self.handles.try_get(self.owner, file.0) else { return Ok(None) };
        let read = if extent.len == len {
            sys::read_resident(&handle, offset, bufs)
        } else {
            let n = first.len().min(usize::try_from(extent.len).unwrap_or(usize::MAX));
            sys::read_resident(&handle, offset, &mut [IoSliceMut::new(&mut first[..n])])
        };
        match read {
            Ok(Some(0)) => Err(self.truncated(&homes, file, &handle, offset + 1)),
            Ok(n) => Ok(n),
            Err(e) => Err(StorageError::from_io(self.full(&homes, file), Op::Read, e)),
        }
    }

    fn resident_span(&self, offset: u64, len: u64) -> Result<Option<FileSpan>, StorageError> {
        checked_len(&self.plan, offset, std::iter::once(usize::try_from(len).unwrap_or(usize::MAX)))?;
        let Ok(homes) = self.fence.try_read() else { return Ok(None) };
        let Some(extent) = self.plan.extents(offset..offset + len).next() else { return Ok(None) };
        let Place::File { file, offset } = extent.place else { return Ok(None) };
        if homes.in_parts(file) {
            return Ok(None);
        }
        let Some(handle) = self.handles.try_get(self.owner, file.0) else { return Ok(None) };
        let resident = sys::is_resident(&handle, offset, extent.len)
            .map_err(|e| StorageError::from_io(self.full(&homes, file), Op::Read, e))?;
        Ok(resident.then_some(FileSpan { file: handle, offset, len: extent.len }))
    }

    fn probe(&self) -> Result<Vec<FileState>, StorageError> {
        let homes = self.shared();
        let parts = homes.parts().as_ref().map_or(FileState::default(), |parts| parts.state());
        let look = |(file, plan): (FileIndex, &crate::plan::PlanFile)| {
            if homes.in_parts(file) {
                FileState { in_part_file: true, ..parts }
            } else if !plan.is_stored() {
                FileState::default()
            } else {
                let found = homes.root.stat(self.path_of(&homes, file));
                found.unwrap_or_default()
            }
        };
        Ok(self.plan.iter().map(look).collect())
    }

    fn prepare(&self) -> Result<(), StorageError> {
        let _settled = self.settled();
        let mut homes = self.exclusive();
        homes.root.check()?;
        let selection = homes.selection.clone();
        self.settle(&mut homes, &selection)?;
        let wanted = self.plan.iter().filter(|(file, _)| selection.wants(*file) && !homes.in_parts(*file));
        for (file, plan) in wanted {
            self.prepare_file(&homes, file, &plan.kind, plan.len)?;
        }
        Ok(())
    }

    fn set_wanted(&self, selection: &Selection) -> Result<(), StorageError> {
        let _settled = self.settled();
        let mut homes = self.exclusive();
        self.settle(&mut homes, selection)?;
        homes.selection = selection.clone();
        Ok(())
    }

    fn accept_changes(&self) -> Result<(), StorageError> {
        self.see_anew();
        Ok(())
    }

    fn file_path(&self, file: FileIndex) -> Box<str> {
        self.path_of(&self.shared(), file).into()
    }

    fn rename_file(&self, file: FileIndex, path: &str) -> Result<(), StorageError> {
        self.rename(file, path)
    }

    fn check_move(&self, to: &Path) -> Result<(), StorageError> {
        self.check_target(&self.shared(), &Root::new(to.to_owned()))
    }

    fn move_to(&self, to: &Path, progress: &Progress) -> Result<(), StorageError> {
        self.relocate(to, progress, Means::Any)
    }

    fn gather(&self, from: &Path) -> Result<(), StorageError> {
        let _settled = self.settled();
        self.bring_together(&mut self.exclusive(), &Root::new(from.to_owned()))
    }

    fn adopt(
        &self,
        file: FileIndex,
        from: &Path,
        path: &str,
        how: Adoption,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        self.bring_in(file, from, path, how, progress)
    }

    fn delete(&self) -> Result<(), StorageError> {
        let _settled = self.settled();
        self.remove_all()
    }
}

impl Drop for FileStorage {
    fn drop(&mut self) {
        self.handles.forget_all(self.owner);
    }
}

#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;
