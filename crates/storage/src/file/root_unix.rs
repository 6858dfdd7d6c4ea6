//! Opening files below a directory without ever following a link out of it (Unix).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Access, Opened};
use crate::error::{Op, StorageError};
use crate::storage::FileState;

/// The directory a torrent's files are below. The path to it may go through links: its owner chose it. Nothing below it
/// may: every component is opened with `O_NOFOLLOW` relative to the one before, so that no rename in between helps either.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

impl Root {
    pub(crate) fn new(path: PathBuf) -> Root {
        Root { path }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
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
        let (parent, name) = self.parent(relative, access.creates())?;
        let fail = |errno, op| self.error(relative, &parent, name, errno, op);
        // Without NONBLOCK opening a pipe would wait for its other end; on regular files it means nothing.
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = common | if access.writes() { OFlags::RDWR } else { OFlags::RDONLY };
        let (fd, created) = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
            Ok(fd) => (fd, false),
            Err(Errno::NOENT) if access.creates() => {
                let bits = if access == (Access::Create { executable: true }) { 0o777 } else { 0o666 };
                let fd = rustix::fs::openat(&parent, name, flags | OFlags::CREATE, Mode::from_raw_mode(bits));
                (fd.map_err(|e| fail(e, Op::Create))?, true)
            }
            Err(e) => return Err(fail(e, Op::Open)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| fail(e, Op::Stat))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Opened { file: File::from(fd), created }),
            FileType::Directory => Err(StorageError::IsDirectory { path: self.full(relative) }),
            _ => Err(StorageError::NotAFile { path: self.full(relative) }),
        }
    }

    /// The state of the regular file that is there.
    pub(crate) fn stat(&self, relative: &str) -> Result<FileState, StorageError> {
        let (parent, name) = self.parent(relative, false)?;
        let fail = |errno, op| self.error(relative, &parent, name, errno, op);
        let stat =
            rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| fail(e, Op::Stat))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(StorageError::IsDirectory { path: self.full(relative) }),
            FileType::Symlink => return Err(StorageError::Symlink { path: self.full(relative) }),
            _ => return Err(StorageError::NotAFile { path: self.full(relative) }),
        }
        let nanos = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        #[allow(clippy::unnecessary_cast)] // The widths differ between systems.
        let (mtime, ctime) = (
            nanos(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            nanos(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        );
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(FileState { present: true, size, mtime, ctime, in_part_file: false })
    }

    /// Makes a link with the given text. What is there already stays.
    pub(crate) fn symlink(&self, relative: &str, text: &str) -> Result<bool, StorageError> {
        let (parent, name) = self.parent(relative, true)?;
        match rustix::fs::symlinkat(text, &parent, name) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(e) => Err(self.error(relative, &parent, name, e, Op::Create)),
        }
    }

    /// Whether nothing is there.
    pub(crate) fn is_free(&self, relative: &str) -> Result<(), StorageError> {
        let (parent, name) = match self.parent(relative, false) {
            Err(StorageError::NotFound { .. }) => return Ok(()),
            other => other?,
        };
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Ok(_) => Err(StorageError::Exists { path: self.full(relative) }),
            Err(e) => Err(self.error(relative, &parent, name, e, Op::Stat)),
        }
    }

    /// Renames a regular file, perhaps to below another root, where nothing is yet. Directories are made.
    pub(crate) fn rename(&self, relative: &str, into: &Root, to: &str) -> Result<(), StorageError> {
        self.stat(relative)?;
        let (parent, name) = self.parent(relative, false)?;
        let (new_parent, new_name) = into.parent(to, true)?;
        match rename_no_replace(&parent, name, &new_parent, new_name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                // The filesystem can't look and rename in one step.
                into.is_free(to)?;
                rustix::fs::renameat(&parent, name, &new_parent, new_name)
            }
            other => other,
        }
        .map_err(|e| into.error(to, &new_parent, new_name, e, Op::Rename))
    }

    /// Gives a regular file a second name, below another root, where nothing is yet. Directories are made.
    pub(crate) fn link(&self, relative: &str, into: &Root, to: &str) -> Result<(), StorageError> {
        self.stat(relative)?;
        let (parent, name) = self.parent(relative, false)?;
        let (new_parent, new_name) = into.parent(to, true)?;
        // Without a flag to follow it, a link that took the file's place since the look is linked itself.
        rustix::fs::linkat(&parent, name, &new_parent, new_name, AtFlags::empty())
            .map_err(|e| into.error(to, &new_parent, new_name, e, Op::Create))
    }

    /// Renames a regular file over another one.
    pub(crate) fn replace(&self, relative: &str, to: &str) -> Result<(), StorageError> {
        self.stat(to)?;
        let (parent, name) = self.parent(relative, false)?;
        let (new_parent, new_name) = self.parent(to, false)?;
        rustix::fs::renameat(&parent, name, &new_parent, new_name)
            .map_err(|e| self.error(to, &new_parent, new_name, e, Op::Rename))
    }

    /// Removes a regular file.
    pub(crate) fn remove(&self, relative: &str) -> Result<(), StorageError> {
        self.stat(relative)?;
        let (parent, name) = self.parent(relative, false)?;
        // What took its place since the look is unlinked itself, whatever it points to.
        rustix::fs::unlinkat(&parent, name, AtFlags::empty())
            .map_err(|e| self.error(relative, &parent, name, e, Op::Rename))
    }

    /// Removes a link that has the given text.
    pub(crate) fn remove_symlink(&self, relative: &str, text: &str) -> Result<(), StorageError> {
        let (parent, name) = self.parent(relative, false)?;
        let fail = |e| self.error(relative, &parent, name, e, Op::Rename);
        match rustix::fs::readlinkat(&parent, name, Vec::new()) {
            Ok(found) if found.as_bytes() == text.as_bytes() => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(fail)
            }
            Ok(_) | Err(Errno::INVAL) => Ok(()),
            Err(e) => Err(fail(e)),
        }
    }

    /// Removes the directories above a file, below the root, as far as they are empty.
    pub(crate) fn remove_empty_dirs(&self, relative: &str) {
        let mut dir = relative;
        while let Some((above, _)) = dir.rsplit_once('/') {
            dir = above;
            let removed = self
                .parent(dir, false)
                .map(|(parent, name)| rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR));
            // One that is not empty ends it: those above are not either.
            if !matches!(removed, Ok(Ok(()) | Err(Errno::NOENT)) | Err(StorageError::NotFound { .. })) {
                return;
            }
        }
    }

    /// Makes a file that exists executable for everybody who can read it.
    pub(crate) fn set_executable(&self, relative: &str) -> Result<(), StorageError> {
        let opened = self.open(relative, Access::Read)?;
        let fail = |e: Errno| StorageError::from_io(self.full(relative), Op::Create, e.into());
        let mode = rustix::fs::fstat(&opened.file).map_err(fail)?.st_mode;
        let wanted = mode | (mode & 0o444) >> 2;
        if wanted != mode {
            rustix::fs::fchmod(&opened.file, Mode::from_raw_mode(wanted & 0o7777)).map_err(fail)?;
        }
        Ok(())
    }

    /// Makes the entries durable that lead to a file: of every directory from its own up to the root and the one above.
    pub(crate) fn sync_dirs(&self, relative: &str) -> Result<(), StorageError> {
        let mut at = self.full(relative);
        let levels = relative.split('/').count() + 1;
        for _ in 0..levels {
            if !at.pop() || at.as_os_str().is_empty() {
                break;
            }
            match crate::sys::sync_dir(&at) {
                // The directory above the root may be unreadable to us; then it was not us who made the root.
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied && !at.starts_with(&self.path) => {
                }
                result => result.map_err(|e| StorageError::from_io(&at, Op::Sync, e))?,
            }
        }
        Ok(())
    }

    /// The directory a file is in, and the file's name in it.
    fn parent<'a>(&self, relative: &'a str, create: bool) -> Result<(OwnedFd, &'a str), StorageError> {
        let mut dir = self.open_root(create)?;
        let mut walked = self.path.clone();
        let (dirs, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        for part in dirs.split('/').filter(|part| !part.is_empty()) {
            walked.push(part);
            let open = || rustix::fs::openat(&dir, part, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
            let next = match open() {
                Err(Errno::NOENT) if create => {
                    match rustix::fs::mkdirat(&dir, part, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => open(),
                        Err(e) => return Err(StorageError::from_io(walked, Op::Create, e.into())),
                    }
                }
                other => other,
            };
            dir = match next {
                Ok(next) => next,
                Err(Errno::LOOP | Errno::NOTDIR) if is_symlink(&dir, part) => {
                    return Err(StorageError::Symlink { path: walked });
                }
                Err(e) => return Err(StorageError::from_io(walked, Op::Open, e.into())),
            };
        }
        Ok((dir, name))
    }

    fn open_root(&self, create: bool) -> Result<OwnedFd, StorageError> {
        let path = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let open = || rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if create => {
                std::fs::create_dir_all(path).map_err(|e| StorageError::from_io(path, Op::Create, e))?;
                open()
            }
            other => other,
        };
        opened.map_err(|e| StorageError::from_io(path, Op::Open, e.into()))
    }

    fn error(&self, relative: &str, parent: &OwnedFd, name: &str, errno: Errno, op: Op) -> StorageError {
        let path = self.full(relative);
        match errno {
            Errno::LOOP | Errno::MLINK if is_symlink(parent, name) => StorageError::Symlink { path },
            Errno::NXIO => StorageError::NotAFile { path },
            errno => StorageError::from_io(path, op, errno.into()),
        }
    }
}

fn is_symlink(parent: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(
    parent: &OwnedFd,
    name: &str,
    new_parent: &OwnedFd,
    new_name: &str,
) -> Result<(), Errno> {
    rustix::fs::renameat_with(parent, name, new_parent, new_name, rustix::fs::RenameFlags::NOREPLACE)
}

/// This system has no call for it.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &OwnedFd, _: &str, _: &OwnedFd, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
