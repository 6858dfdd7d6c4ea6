//! A storage in memory that fails on demand, for tests and the simulator.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::InfoHash;

use crate::cut;
use crate::error::{Op, StorageError};
use crate::names::check_name;
use crate::plan::{FileIndex, Place, Plan};
use crate::progress::Progress;
use crate::storage::{Capabilities, FileState, OpenRequest, Storage, StorageFactory, checked_len};

/// What goes wrong, from the moment it is set with [`MemoryStorage::inject`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the disk works again.
    None,
    /// The disk takes this many more bytes and is full then. The write that does not fit is stored as far as it does;
    /// renaming takes one byte, and moving as many as there are.
    FullAfter(u64),
    /// Reads and writes that touch these payload bytes fail with an I/O error.
    BadRange(Range<u64>),
    /// The next write stores this many bytes of what it was given, and fails.
    TornWrite(u64),
    /// Every sync fails.
    SyncFails,
    /// Every write is forbidden, and all renaming and moving.
    NoPermission,
    /// The file ends at this length, for reads.
    Truncated(FileIndex, u64),
    /// The next operation panics, as a defective backend would.
    Panic,
}

/// The bytes of one torrent in memory.
///
/// Every file grows as it is written, like a sparse file on disk. Unsynced writes are lost by
/// [`MemoryStorage::crash`]. The clock of [`FileState::mtime`] counts writes, so that runs replay.
#[derive(Debug)]
pub struct MemoryStorage {
    plan: Arc<Plan>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Contents,
    /// What a crash leaves.
    durable: Contents,
    fault: Fault,
    /// Files that were renamed.
    names: BTreeMap<FileIndex, Box<str>>,
    clock: i64,
    counters: Counters,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    files: BTreeMap<FileIndex, Stored>,
}

#[derive(Clone, Debug, Default)]
struct Stored {
    bytes: Vec<u8>,
    mtime: i64,
}

/// How much work a [`MemoryStorage`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls of `read` that succeeded.
    pub reads: u64,
    /// Calls of `write` that succeeded.
    pub writes: u64,
    /// Calls of `sync` that succeeded.
    pub syncs: u64,
    /// Payload bytes written, without padding.
    pub written: u64,
}

impl MemoryStorage {
    /// An empty storage for these files.
    pub fn new(plan: Arc<Plan>) -> MemoryStorage {
        let (now, durable, counters) = (Contents::default(), Contents::default(), Counters::default());
        let (fault, names) = (Fault::None, BTreeMap::new());
        let state = Mutex::new(State { now, durable, fault, names, clock: 0, counters });
        MemoryStorage { plan, state }
    }

    /// Sets what goes wrong from now on.
    pub fn inject(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// A power cut: all writes since the last [`Storage::sync`] of their files are gone.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.now = state.durable.clone();
    }

    /// Deletes a file, as somebody else would.
    pub fn delete(&self, file: FileIndex) {
        self.lock().now.files.remove(&file);
    }

    /// Changes bytes of a file behind the storage's back, without a trace in its time of change: rot.
    pub fn corrupt(&self, file: FileIndex, at: u64) {
        if let Some(byte) = self.lock().now.files.get_mut(&file).and_then(|f| f.bytes.get_mut(at as usize)) {
            *byte ^= 0xff;
        }
    }

    /// The contents of a file; `None` where nothing was ever written to it.
    pub fn contents(&self, file: FileIndex) -> Option<Vec<u8>> {
        self.lock().now.files.get(&file).map(|f| f.bytes.clone())
    }

    /// How much work it has done.
    pub fn counters(&self) -> Counters {
        self.lock().counters
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, file: FileIndex) -> PathBuf {
        self.plan.file(file).map_or(PathBuf::new(), |f| f.relative())
    }

    fn hurt(&self, state: &mut State, op: Op, range: &Range<u64>) -> Result<(), StorageError> {
        if state.fault == Fault::Panic {
            state.fault = Fault::None;
            panic!("injected");
        }
        let first = self.plan.extents(range.clone()).find_map(|extent| match extent.place {
            Place::File { file, .. } => Some(self.path(file)),
            _ => None,
        });
        let path = first.unwrap_or_default();
        match &state.fault {
            Fault::BadRange(bad) if bad.start < range.end && range.start < bad.end => {
                let source = Arc::new(std::io::Error::other("injected I/O error"));
                Err(StorageError::Io { path, op, source })
            }
            Fault::NoPermission if op == Op::Write => Err(StorageError::Permission { path, op }),
            _ => Ok(()),
        }
    }
}

impl State {
    /// Whether a name can be changed, at a cost of so many bytes.
    fn may_rename(&self, path: PathBuf, len: u64) -> Result<(), StorageError> {
        match self.fault {
            Fault::NoPermission => Err(StorageError::Permission { path, op: Op::Rename }),
            Fault::FullAfter(left) if left <= len => Err(StorageError::DiskFull { path }),
            _ => Ok(()),
        }
    }

    /// How many of `len` bytes to write now, and what comes after them.
    fn admit(&mut self, len: u64, path: PathBuf) -> (u64, Result<(), StorageError>) {
        match &mut self.fault {
            Fault::FullAfter(left) if *left < len => {
                (std::mem::take(left), Err(StorageError::DiskFull { path }))
            }
            Fault::FullAfter(left) => {
                *left -= len;
                (len, Ok(()))
            }
            Fault::TornWrite(n) => {
                let n = (*n).min(len);
                self.fault = Fault::None;
                let source = Arc::new(std::io::Error::other("injected torn write"));
                (n, Err(StorageError::Io { path, op: Op::Write, source }))
            }
            _ => (len, Ok(())),
        }
    }

    fn write(&mut self, file: FileIndex, offset: u64, bufs: &[IoSlice<'_>], admitted: u64) {
        let mtime = self.clock;
        let stored = self.now.files.entry(file).or_default();
        stored.mtime = mtime;
        let (mut at, mut left) = (offset as usize, admitted as usize);
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            if stored.bytes.len() < at + part.len() {
                stored.bytes.resize(at + part.len(), 0);
            }
            stored.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
            left -= part.len();
        }
    }
}

impl Storage for MemoryStorage {
    fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resident_reads: true, sendfile: false, durable: true, writable: true }
    }

    fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
        let len = checked_len(&self.plan, offset, bufs.iter().map(|buf| buf.len()))?;
        let range = offset..offset + len;
        let mut state = self.lock();
        self.hurt(&mut state, Op::Read, &range)?;
        cut::each_mut(&self.plan, range, bufs, |extent, parts| {
            let Place::File { file, offset } = extent.place else {
                parts.iter_mut().for_each(|part| part.fill(0));
                return Ok(());
            };
            let Some(stored) = state.now.files.get(&file) else {
                return Err(StorageError::NotFound { path: self.path(file) });
            };
            let found = match state.fault {
                Fault::Truncated(short, len) if short == file => len.min(stored.bytes.len() as u64),
                _ => stored.bytes.len() as u64,
            };
            let expected = offset + extent.len;
            if found < expected {
                return Err(StorageError::Truncated { path: self.path(file), expected, found });
            }
            let mut at = offset as usize;
            for part in parts {
                let len = part.len();
                part.copy_from_slice(&stored.bytes[at..at + len]);
                at += len;
            }
            Ok(())
        })?;
        state.counters.reads += 1;
        Ok(())
    }

    fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let len = checked_len(&self.plan, offset, bufs.iter().map(|buf| buf.len()))?;
        let range = offset..offset + len;
        let mut state = self.lock();
        self.hurt(&mut state, Op::Write, &range)?;
        state.clock += 1;
        cut::each(&self.plan, range, bufs, |extent, parts| {
            let Place::File { file, offset } = extent.place else { return Ok(()) };
            let (admitted, result) = state.admit(extent.len, self.path(file));
            state.write(file, offset, parts, admitted);
            state.counters.written += admitted;
            result
        })?;
        state.counters.writes += 1;
        Ok(())
    }

    fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError> {
        let mut state = self.lock();
        for range in ranges {
            self.hurt(&mut state, Op::Sync, range)?;
            for extent in self.plan.extents(range.clone()) {
                let Place::File { file, .. } = extent.place else { continue };
                if state.fault == Fault::SyncFails {
                    let source = Arc::new(std::io::Error::other("injected sync error"));
                    return Err(StorageError::Io { path: self.path(file), op: Op::Sync, source });
                }
                if let Some(stored) = state.now.files.get(&file).cloned() {
                    state.durable.files.insert(file, stored);
                }
            }
        }
        state.counters.syncs += 1;
        Ok(())
    }

    fn try_read_resident(
        &self,
        offset: u64,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, StorageError> {
        let len = cut::len_mut(bufs);
        if len == 0 {
            return Ok(None);
        }
        self.read(offset, bufs)?;
        Ok(Some(len as usize))
    }

    fn probe(&self) -> Result<Vec<FileState>, StorageError> {
        let state = self.lock();
        let look = |(file, _)| match state.now.files.get(&file) {
            Some(stored) => {
                let (size, mtime) = (stored.bytes.len() as u64, stored.mtime);
                FileState { present: true, size, mtime, ctime: 0, in_part_file: false }
            }
            None => FileState::default(),
        };
        Ok(self.plan.iter().map(look).collect())
    }

    fn file_path(&self, file: FileIndex) -> Box<str> {
        let own = || self.plan.file(file).map_or(Box::default(), |file| file.path.clone());
        self.lock().names.get(&file).cloned().unwrap_or_else(own)
    }

    fn rename_file(&self, file: FileIndex, path: &str) -> Result<(), StorageError> {
        let mut state = self.lock();
        check_name(&self.plan, &state.names, file, path)?;
        state.may_rename(path.into(), 0)?;
        state.names.insert(file, path.into());
        Ok(())
    }

    fn check_move(&self, _to: &Path) -> Result<(), StorageError> {
        Ok(())
    }

    fn move_to(&self, to: &Path, progress: &Progress) -> Result<(), StorageError> {
        let state = self.lock();
        let total = state.now.files.values().map(|file| file.bytes.len() as u64).sum();
        progress.begin(total);
        if progress.is_cancelled() {
            return Err(StorageError::Cancelled);
        }
        state.may_rename(to.into(), total)?;
        progress.add(total, 0);
        Ok(())
    }

    fn delete(&self) -> Result<(), StorageError> {
        let mut state = self.lock();
        state.now.files.clear();
        state.durable.files.clear();
        Ok(())
    }

    fn prepare(&self) -> Result<(), StorageError> {
        let mut state = self.lock();
        for (file, _) in self.plan.iter().filter(|(_, f)| f.is_stored() && f.len == 0) {
            state.now.files.entry(file).or_default();
            state.durable.files.entry(file).or_default();
        }
        Ok(())
    }
}

/// Opens storages in memory. Opening a torrent again gives the same storage, as a disk would after a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryFactory {
    open: Arc<Mutex<BTreeMap<InfoHash, Arc<MemoryStorage>>>>,
}

impl MemoryFactory {
    /// With nothing in it.
    pub fn new() -> MemoryFactory {
        MemoryFactory::default()
    }

    /// The storage that was opened under a name, to make it fail.
    pub fn get(&self, name: InfoHash) -> Option<Arc<MemoryStorage>> {
        self.lock().get(&name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<InfoHash, Arc<MemoryStorage>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageFactory for MemoryFactory {
    fn open(&self, request: &OpenRequest) -> Result<Arc<dyn Storage>, StorageError> {
        let mut open = self.lock();
        let new = || Arc::new(MemoryStorage::new(request.plan.clone()));
        Ok(open.entry(request.hashes.primary()).or_insert_with(new).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::plan::PlanFile;

    fn storage() -> MemoryStorage {
        let files = vec![PlanFile::regular("a", 10), PlanFile::padding(6), PlanFile::regular("b", 16)];
        MemoryStorage::new(Arc::new(Plan::new(files, None).unwrap()))
    }

    #[test]
    fn a_crash_drops_what_was_not_synced() {
        let s = storage();
        s.write(0, &[IoSlice::new(&[1; 32])]).unwrap();
        s.sync(&[0..16]).unwrap();
        s.write(0, &[IoSlice::new(&[2; 10])]).unwrap();
        s.crash();
        assert_eq!(s.contents(FileIndex(0)), Some(vec![1; 10]));
        assert_eq!((s.contents(FileIndex(1)), s.contents(FileIndex(2))), (None, None));
    }

    #[test]
    fn names_change_unless_the_disk_refuses() {
        let (s, to) = (storage(), Path::new("elsewhere"));
        s.write(0, &[IoSlice::new(&[1; 10])]).unwrap();
        s.rename_file(FileIndex(0), "new").unwrap();
        for (fault, kind) in
            [(Fault::NoPermission, ErrorKind::Permission), (Fault::FullAfter(0), ErrorKind::DiskFull)]
        {
            s.inject(fault);
            assert_eq!(s.rename_file(FileIndex(0), "newer").unwrap_err().kind(), kind);
            assert_eq!(s.move_to(to, &Progress::new()).unwrap_err().kind(), kind);
            assert_eq!(&*s.file_path(FileIndex(0)), "new");
        }
        s.inject(Fault::None);
        let progress = Progress::new();
        s.move_to(to, &progress).unwrap();
        assert_eq!((progress.bytes(), progress.total()), (10, 10));
    }

    #[test]
    fn faults_hit_where_they_should() {
        let s = storage();
        s.inject(Fault::FullAfter(12));
        s.write(0, &[IoSlice::new(&[1; 10])]).unwrap();
        assert_eq!(s.write(16, &[IoSlice::new(&[1; 10])]).unwrap_err().kind(), ErrorKind::DiskFull);
        assert_eq!(s.contents(FileIndex(2)), Some(vec![1; 2]));
        s.inject(Fault::TornWrite(3));
        assert_eq!(s.write(16, &[IoSlice::new(&[9; 16])]).unwrap_err().kind(), ErrorKind::Io);
        s.write(16, &[IoSlice::new(&[3; 16])]).unwrap();
        s.inject(Fault::BadRange(20..21));
        let mut buf = [0; 4];
        assert!(s.read(16, &mut [IoSliceMut::new(&mut buf)]).is_ok());
        assert!(s.read(18, &mut [IoSliceMut::new(&mut buf)]).is_err());
        s.inject(Fault::Truncated(FileIndex(2), 5));
        let error = s.read(18, &mut [IoSliceMut::new(&mut buf)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "b: 5 bytes long where at least 6 are needed; put it back, or recheck the torrent to fetch the rest again"
        );
        s.inject(Fault::SyncFails);
        assert!(s.sync(&[0..32]).is_err());
    }
}
