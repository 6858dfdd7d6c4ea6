//! Opening files below a directory through the standard library, for systems without `openat`.
//!
//! Every component is looked at before it is used; a link that is put there between the look and the use is followed.
//! Whoever can do that can write into the download directory already.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::{Access, Opened};
use crate::error::{Op, StorageError};
use crate::storage::FileState;

/// The directory a torrent's files are below.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
}

impl Root {
    pub(crate) fn new(path: PathBuf) -> Root {
        Root { path }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The full path of a file, for messages.
    pub(crate) fn full(&self, relative: &str) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(relative.split('/'));
        path
    }

    /// Opens a regular file.
    pub(crate) fn open(&self, relative: &str, access: Access) -> Result<Opened, StorageError> {
        self.walk(relative, access.creates())?;
        let path = self.full(relative);
        let created = match self.stat(relative) {
            Ok(_) => false,
            Err(StorageError::NotFound { .. }) if access.creates() => true,
            Err(e) => return Err(e),
        };
        let (write, create) = (access.writes(), access.creates());
        let opened = OpenOptions::new().read(true).write(write).create(create).truncate(false).open(&path);
        let file: File = opened.map_err(|e| StorageError::from_io(path, Op::Open, e))?;
        Ok(Opened { file, created })
    }

    /// The state of the regular file that is there.
    pub(crate) fn stat(&self, relative: &str) -> Result<FileState, StorageError> {
        self.walk(relative, false)?;
        let path = self.full(relative);
        let meta = fs::symlink_metadata(&path).map_err(|e| StorageError::from_io(&path, Op::Stat, e))?;
        let kind = meta.file_type();
        if kind.is_dir() {
            return Err(StorageError::IsDirectory { path });
        } else if kind.is_symlink() {
            return Err(StorageError::Symlink { path });
        } else if !kind.is_file() {
            return Err(StorageError::NotAFile { path });
        }
        let changed = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mtime = changed.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        Ok(FileState { present: true, size: meta.len(), mtime, ctime: 0, in_part_file: false })
    }

    /// Links need a privilege here that few have: none is made.
    pub(crate) fn symlink(&self, _relative: &str, _text: &str) -> Result<bool, StorageError> {
        Ok(false)
    }

    /// Whether nothing is there.
    pub(crate) fn is_free(&self, relative: &str) -> Result<(), StorageError> {
        let path = self.full(relative);
        match self.walk(relative, false).map(|()| fs::symlink_metadata(&path)) {
            Err(StorageError::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(Err(e)) => Err(StorageError::from_io(path, Op::Stat, e)),
            Ok(Ok(_)) => Err(StorageError::Exists { path }),
        }
    }

    /// Renames a regular file, perhaps to below another root, where nothing is yet. Directories are made.
    pub(crate) fn rename(&self, relative: &str, into: &Root, to: &str) -> Result<(), StorageError> {
        self.stat(relative)?;
        into.is_free(to)?;
        into.walk(to, true)?;
        let path = into.full(to);
        fs::rename(self.full(relative), &path).map_err(|e| StorageError::from_io(path, Op::Rename, e))
    }

    /// Files have one name here: the system does not tell how many they have.
    pub(crate) fn link(&self, _relative: &str, _into: &Root, _to: &str) -> Result<(), StorageError> {
        Err(StorageError::Unsupported { what: "give a file a second name" })
    }

    /// Renames a regular file over another one.
    pub(crate) fn replace(&self, relative: &str, to: &str) -> Result<(), StorageError> {
        self.stat(to)?;
        let path = self.full(to);
        fs::rename(self.full(relative), &path).map_err(|e| StorageError::from_io(path, Op::Rename, e))
    }

    /// Removes a regular file.
    pub(crate) fn remove(&self, relative: &str) -> Result<(), StorageError> {
        self.stat(relative)?;
        let path = self.full(relative);
        fs::remove_file(&path).map_err(|e| StorageError::from_io(path, Op::Rename, e))
    }

    /// None is made, so none is removed.
    pub(crate) fn remove_symlink(&self, _relative: &str, _text: &str) -> Result<(), StorageError> {
        Ok(())
    }

    /// Removes the directories above a file, below the root, as far as they are empty.
    pub(crate) fn remove_empty_dirs(&self, relative: &str) {
        let mut dir = relative;
        while let Some((above, _)) = dir.rsplit_once('/') {
            dir = above;
            let removed = self.walk(relative, false).map(|()| fs::remove_dir(self.full(dir)));
            let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
            match removed {
                Ok(Ok(())) | Err(StorageError::NotFound { .. }) => {}
                Ok(Err(e)) if gone(&e) => {}
                _ => return,
            }
        }
    }

    /// Files carry no such mark here.
    pub(crate) fn set_executable(&self, _relative: &str) -> Result<(), StorageError> {
        Ok(())
    }

    /// Makes the entries durable that lead to a file.
    pub(crate) fn sync_dirs(&self, relative: &str) -> Result<(), StorageError> {
        let mut at = self.full(relative);
        at.pop();
        crate::sys::sync_dir(&at).map_err(|e| StorageError::from_io(&at, Op::Sync, e))
    }

    /// Looks at every directory on the way to a file, and makes them if asked to.
    fn walk(&self, relative: &str, create: bool) -> Result<(), StorageError> {
        let mut at = self.path.clone();
        if create {
            fs::create_dir_all(&at).map_err(|e| StorageError::from_io(&at, Op::Create, e))?;
        }
        let (dirs, _) = relative.rsplit_once('/').unwrap_or(("", relative));
        for part in dirs.split('/').filter(|part| !part.is_empty()) {
            at.push(part);
            match fs::symlink_metadata(&at) {
                Ok(meta) if meta.file_type().is_symlink() => return Err(StorageError::Symlink { path: at }),
                Ok(meta) if !meta.is_dir() => return Err(StorageError::NotADirectory { path: at }),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound && create => {
                    fs::create_dir(&at).map_err(|e| StorageError::from_io(&at, Op::Create, e))?;
                }
                Err(e) => return Err(StorageError::from_io(at, Op::Stat, e)),
            }
        }
        Ok(())
    }
}
