//! The directory of resume files.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use types::InfoHash;

use super::codec::MAX_LEN;
use super::{ResumeData, ResumeError};
use crate::error::{Op, StorageError};
use crate::replace::{Replacement, put_all};
use crate::sys;

/// Why there is nothing to resume from, although a file is there.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It can't be believed: start from a check.
    #[error("{}: {reason}; the torrent will be checked", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: ResumeError,
    },
}

/// How often a lock file may vanish between opening and locking it: each time another process had the torrent.
const LOCK_TRIES: usize = 100;

/// A directory with the resume file of each torrent.
#[derive(Clone, Debug)]
pub struct ResumeStore {
    dir: Arc<Path>,
}

/// A torrent's state is this process's own while this is alive.
#[derive(Debug)]
pub struct ResumeLock {
    /// The lock is the system's, and ends with the last handle of the file.
    file: File,
    dir: Arc<Path>,
    name: InfoHash,
}

fn lock_path(dir: &Path, name: InfoHash) -> PathBuf {
    dir.join(format!("{name}.lock"))
}

/// The file goes with the lock, and before it: whoever opened it meanwhile gets the lock of a file without a name, sees
/// that, and makes a new one. What a process that was killed left is empty, and no sign that anybody has the torrent.
impl Drop for ResumeLock {
    fn drop(&mut self) {
        let path = lock_path(&self.dir, self.name);
        if sys::UNLINKS_OPEN_FILES && sys::is_at(&self.file, &path).unwrap_or(false) {
            // An empty file that stays is no harm.
            let _ = fs::remove_file(&path);
        }
    }
}

impl ResumeStore {
    /// Resume files in `dir`, which is made at the first save.
    pub fn new(dir: impl Into<Arc<Path>>) -> ResumeStore {
        ResumeStore { dir: dir.into() }
    }

    /// The resume file of a torrent.
    pub fn path(&self, name: InfoHash) -> PathBuf {
        self.dir.join(format!("{name}.resume"))
    }

    /// Claims a torrent's state for this process until the lock is dropped, or the process ends however it may. `None`
    /// where another one has it. The empty file beside the state that carries the lock goes with it.
    ///
    /// # Errors
    /// The directory can't be written, or its filesystem knows no locks.
    pub fn lock(&self, name: InfoHash) -> Result<Option<ResumeLock>, StorageError> {
        let path = lock_path(&self.dir, name);
        fs::create_dir_all(&self.dir).map_err(|e| StorageError::from_io(&*self.dir, Op::Create, e))?;
        for _ in 0..LOCK_TRIES {
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(|e| StorageError::from_io(&path, Op::Create, e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(StorageError::from_io(&path, Op::Open, e)),
            }
            // Between the two calls its last owner may have removed it: then the lock keeps nobody out.
            if sys::is_at(&file, &path).map_err(|e| StorageError::from_io(&path, Op::Stat, e))? {
                return Ok(Some(ResumeLock { file, dir: self.dir.clone(), name }));
            }
        }
        // Others take and leave it all the time.
        Ok(None)
    }

    /// Replaces a torrent's resume file. Whenever the process or the machine dies, either the old or the new one is
    /// there, whole; when this returns it is the new one.
    ///
    /// # Errors
    /// The old file stays.
    pub fn save(&self, data: &ResumeData) -> Result<(), StorageError> {
        self.save_all(std::iter::once(data))
    }

    /// Saves many torrents as [`ResumeStore::save`] does, with one sync of the directory for all. Many files are synced
    /// together too, where the system can.
    ///
    /// # Errors
    /// The first error. The other files are replaced all the same.
    pub fn save_all<'a>(&self, all: impl IntoIterator<Item = &'a ResumeData>) -> Result<(), StorageError> {
        let made = !self.dir.exists();
        fs::create_dir_all(&self.dir).map_err(|e| StorageError::from_io(&*self.dir, Op::Create, e))?;
        let file = |data: &ResumeData| {
            let path = self.path(data.hashes.primary());
            let temporary = path.with_extension("resume.new");
            Replacement { path, temporary, bytes: data.encode() }
        };
        put_all(&self.dir, all.into_iter().map(file).collect())?;
        let above = self.dir.parent().filter(|dir| made && !dir.as_os_str().is_empty());
        std::iter::once(&*self.dir)
            .chain(above)
            .try_for_each(|dir| sys::sync_dir(dir).map_err(|e| StorageError::from_io(dir, Op::Sync, e)))
    }

    /// Puts the new file in the place of the old one; `until` cuts that short.
    #[cfg(test)]
    pub(super) fn replace(&self, data: &ResumeData, until: crate::replace::Step) -> Result<(), StorageError> {
        let path = self.path(data.hashes.primary());
        let temporary = path.with_extension("resume.new");
        Ok(crate::replace::put(&path, &temporary, &data.encode(), until)?)
    }

    /// Reads a torrent's resume file; `None` if there is none.
    ///
    /// # Errors
    /// [`LoadError`] says why there is nothing to believe.
    pub fn load(&self, name: InfoHash) -> Result<Option<ResumeData>, LoadError> {
        let path = self.path(name);
        let fail = |e| StorageError::from_io(&path, Op::Read, e);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e).into()),
        };
        let refuse = |reason| LoadError::Refused { path: path.clone(), reason };
        let len = file.metadata().map_err(fail)?.len();
        if len > MAX_LEN as u64 {
            return Err(refuse(ResumeError::TooLong { found: len }));
        }
        let mut bytes = Vec::with_capacity(len as usize);
        // The file may grow while it is read.
        file.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
        let data = ResumeData::decode(&bytes).map_err(refuse)?;
        if !data.hashes.matches(name) {
            return Err(refuse(ResumeError::OtherTorrent { found: data.hashes }));
        }
        Ok(Some(data))
    }

    /// Removes a torrent's resume file, if there is one.
    ///
    /// # Errors
    /// It is there and can't be removed.
    pub fn remove(&self, name: InfoHash) -> Result<(), StorageError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::from_io(path, Op::Rename, e)),
            _ => Ok(()),
        }
    }
}
