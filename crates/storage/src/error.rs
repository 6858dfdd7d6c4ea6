//! What can go wrong between a torrent and its bytes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was being done when an error came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Opening a file or a directory.
    Open,
    /// Making a file, directory or link.
    Create,
    /// Reserving space.
    Allocate,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making data durable.
    Sync,
    /// Asking for size and times.
    Stat,
    /// Renaming or removing.
    Rename,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Open => "open",
            Op::Create => "create",
            Op::Allocate => "reserve space for",
            Op::Read => "read",
            Op::Write => "write",
            Op::Sync => "sync",
            Op::Stat => "look at",
            Op::Rename => "rename or remove",
        })
    }
}

/// Why a storage could not do what it was asked. Each names the path it concerns.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No space, or a quota is used up.
    #[error("{}: the disk is full; free some space or choose another directory", .path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The system forbids it.
    #[error("{}: no permission to {op} it; change its owner or mode, or choose another directory", .path.display())]
    Permission {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        op: Op,
    },
    /// The filesystem is mounted read-only.
    #[error("{}: the filesystem is read-only; remount it or choose another directory", .path.display())]
    ReadOnly {
        /// What was being written.
        path: PathBuf,
    },
    /// A file, or the directory it is in, is not there.
    #[error("{}: not found; put it back, or recheck the torrent to fetch it again", .path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A file ends before the bytes that were asked for.
    #[error("{}: {found} bytes long where at least {expected} are needed; put it back, or recheck the torrent to fetch the rest again", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes it needs to have for this read.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A directory stands where a file of the torrent belongs.
    #[error("{}: a directory is in the place of a file; move it away", .path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A file stands where a directory of the torrent belongs.
    #[error("{}: not a directory, but a file belongs below it; move it away", .path.display())]
    NotADirectory {
        /// The file, or the path below it.
        path: PathBuf,
    },
    /// A symbolic link stands in the way. Links below the root are never followed: they may lead out of it.
    #[error("{}: a symbolic link, which is not followed; replace it with what it points to", .path.display())]
    Symlink {
        /// The link, or the path that goes through it.
        path: PathBuf,
    },
    /// A pipe, socket or device stands where a file belongs.
    #[error("{}: not a regular file; move it away", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Something is where a file was to go by renaming or moving it. Nothing is ever written over.
    #[error("{}: something is there already; move it away, or choose another name or directory", .path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A file can't have this path.
    #[error("{}: {what}", .path.display())]
    BadPath {
        /// The path, as it was given.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// The filesystem can't hold a file this long.
    #[error("{}: longer than this filesystem allows; choose a directory on another one", .path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The process or the system has no file handles left.
    #[error("{}: too many open files; raise the limit (ulimit -n) or lower the number of cached handles", .path.display())]
    TooManyOpenFiles {
        /// What was to be opened.
        path: PathBuf,
    },
    /// A range that is not within the torrent: a mistake of the caller.
    #[error("bytes {offset} to {end} are outside of a torrent of {total} bytes")]
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// First byte not asked for.
        end: u64,
        /// Bytes in the torrent's payload space.
        total: u64,
    },
    /// A file's length and the torrent's do not go together, or the part file is no part file of this torrent.
    #[error("{}: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The backend can't do this at all; [`Capabilities`](crate::Capabilities) says so beforehand.
    #[error("this storage can't {what}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
    /// The job was given up, because its pool or its owner went away.
    #[error("cancelled")]
    Cancelled,
    /// The backend panicked: a defect of its code, contained in this job.
    #[error("the storage backend panicked: {message}; please report this")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// Anything else the system said.
    #[error("{}: can't {op} it: {source}; look after the disk or choose another directory", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        op: Op,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// The kind of a [`StorageError`]: small, comparable, with a stable code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`StorageError::DiskFull`].
    DiskFull,
    /// [`StorageError::Permission`].
    Permission,
    /// [`StorageError::ReadOnly`].
    ReadOnly,
    /// [`StorageError::NotFound`].
    NotFound,
    /// [`StorageError::Truncated`].
    Truncated,
    /// [`StorageError::IsDirectory`].
    IsDirectory,
    /// [`StorageError::NotADirectory`].
    NotADirectory,
    /// [`StorageError::Symlink`].
    Symlink,
    /// [`StorageError::NotAFile`].
    NotAFile,
    /// [`StorageError::Exists`].
    Exists,
    /// [`StorageError::BadPath`].
    BadPath,
    /// [`StorageError::FileTooLarge`].
    FileTooLarge,
    /// [`StorageError::TooManyOpenFiles`].
    TooManyOpenFiles,
    /// [`StorageError::OutOfRange`].
    OutOfRange,
    /// [`StorageError::Damaged`].
    Damaged,
    /// [`StorageError::Unsupported`].
    Unsupported,
    /// [`StorageError::Cancelled`].
    Cancelled,
    /// [`StorageError::Panicked`].
    Panicked,
    /// [`StorageError::Io`].
    Io,
}

impl ErrorKind {
    /// A stable name for logs, scripts and APIs.
    pub const fn code(self) -> &'static str {
        match self {
            ErrorKind::DiskFull => "disk_full",
            ErrorKind::Permission => "permission",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Truncated => "truncated",
            ErrorKind::IsDirectory => "is_directory",
            ErrorKind::NotADirectory => "not_a_directory",
            ErrorKind::Symlink => "symlink",
            ErrorKind::NotAFile => "not_a_file",
            ErrorKind::Exists => "exists",
            ErrorKind::BadPath => "bad_path",
            ErrorKind::FileTooLarge => "file_too_large",
            ErrorKind::TooManyOpenFiles => "too_many_open_files",
            ErrorKind::OutOfRange => "out_of_range",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Panicked => "panicked",
            ErrorKind::Io => "io",
        }
    }

    /// Whether the same call may succeed later without anybody changing the torrent: the cause lies in the machine and
    /// goes away by itself or by its owner's hand. Such a torrent tries again now and then.
    pub const fn is_retryable(self) -> bool {
        !matches!(
            self,
            ErrorKind::OutOfRange
                | ErrorKind::BadPath
                | ErrorKind::Unsupported
                | ErrorKind::Cancelled
                | ErrorKind::Panicked
        )
    }

    /// Whether a failed *read* of this kind says that data which was believed to be there is not: its pieces are to be
    /// checked again.
    pub const fn is_data_lost(self) -> bool {
        matches!(
            self,
            ErrorKind::NotFound
                | ErrorKind::Truncated
                | ErrorKind::IsDirectory
                | ErrorKind::NotADirectory
                | ErrorKind::Symlink
                | ErrorKind::NotAFile
                | ErrorKind::Damaged
        )
    }
}

impl StorageError {
    /// Which kind of error this is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            StorageError::DiskFull { .. } => ErrorKind::DiskFull,
            StorageError::Permission { .. } => ErrorKind::Permission,
            StorageError::ReadOnly { .. } => ErrorKind::ReadOnly,
            StorageError::NotFound { .. } => ErrorKind::NotFound,
            StorageError::Truncated { .. } => ErrorKind::Truncated,
            StorageError::IsDirectory { .. } => ErrorKind::IsDirectory,
            StorageError::NotADirectory { .. } => ErrorKind::NotADirectory,
            StorageError::Symlink { .. } => ErrorKind::Symlink,
            StorageError::NotAFile { .. } => ErrorKind::NotAFile,
            StorageError::Exists { .. } => ErrorKind::Exists,
            StorageError::BadPath { .. } => ErrorKind::BadPath,
            StorageError::FileTooLarge { .. } => ErrorKind::FileTooLarge,
            StorageError::TooManyOpenFiles { .. } => ErrorKind::TooManyOpenFiles,
            StorageError::OutOfRange { .. } => ErrorKind::OutOfRange,
            StorageError::Damaged { .. } => ErrorKind::Damaged,
            StorageError::Unsupported { .. } => ErrorKind::Unsupported,
            StorageError::Cancelled => ErrorKind::Cancelled,
            StorageError::Panicked { .. } => ErrorKind::Panicked,
            StorageError::Io { .. } => ErrorKind::Io,
        }
    }

    /// See [`ErrorKind::is_retryable`].
    pub const fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// The path it concerns, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            StorageError::DiskFull { path }
            | StorageError::Permission { path, .. }
            | StorageError::ReadOnly { path }
            | StorageError::NotFound { path }
            | StorageError::Truncated { path, .. }
            | StorageError::IsDirectory { path }
            | StorageError::NotADirectory { path }
            | StorageError::Symlink { path }
            | StorageError::NotAFile { path }
            | StorageError::Exists { path }
            | StorageError::BadPath { path, .. }
            | StorageError::FileTooLarge { path }
            | StorageError::TooManyOpenFiles { path }
            | StorageError::Damaged { path, .. }
            | StorageError::Io { path, .. } => Some(path),
            StorageError::OutOfRange { .. }
            | StorageError::Unsupported { .. }
            | StorageError::Cancelled
            | StorageError::Panicked { .. } => None,
        }
    }

    /// Sorts what the system said about `path`.
    pub fn from_io(path: impl Into<PathBuf>, op: Op, error: io::Error) -> StorageError {
        use io::ErrorKind as K;
        let path = path.into();
        if is_handle_shortage(&error) {
            return StorageError::TooManyOpenFiles { path };
        }
        match error.kind() {
            K::StorageFull | K::QuotaExceeded => StorageError::DiskFull { path },
            K::PermissionDenied => StorageError::Permission { path, op },
            K::ReadOnlyFilesystem => StorageError::ReadOnly { path },
            K::NotFound => StorageError::NotFound { path },
            K::IsADirectory => StorageError::IsDirectory { path },
            K::NotADirectory => StorageError::NotADirectory { path },
            K::AlreadyExists | K::DirectoryNotEmpty => StorageError::Exists { path },
            K::FileTooLarge => StorageError::FileTooLarge { path },
            _ => StorageError::Io { path, op, source: Arc::new(error) },
        }
    }
}

#[cfg(unix)]
fn is_handle_shortage(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::MFILE.raw_os_error())
        || code == Some(rustix::io::Errno::NFILE.raw_os_error())
}

#[cfg(not(unix))]
fn is_handle_shortage(error: &io::Error) -> bool {
    /// ERROR_TOO_MANY_OPEN_FILES.
    const TOO_MANY: i32 = 4;
    error.raw_os_error() == Some(TOO_MANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_sorted_and_names_the_path() {
        let make = |kind: io::ErrorKind| StorageError::from_io("/data/a", Op::Write, kind.into());
        let full = make(io::ErrorKind::StorageFull);
        assert_eq!((full.kind(), full.is_retryable()), (ErrorKind::DiskFull, true));
        assert_eq!(
            full.to_string(),
            "/data/a: the disk is full; free some space or choose another directory"
        );
        assert_eq!(make(io::ErrorKind::PermissionDenied).kind(), ErrorKind::Permission);
        assert_eq!(make(io::ErrorKind::ReadOnlyFilesystem).kind(), ErrorKind::ReadOnly);
        let other = make(io::ErrorKind::TimedOut);
        assert_eq!(other.path(), Some(Path::new("/data/a")));
        assert!(other.to_string().starts_with("/data/a: can't write it: "));
        assert!(!ErrorKind::Panicked.is_retryable());
    }

    #[cfg(unix)]
    #[test]
    fn a_shortage_of_handles_is_told_apart() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert_eq!(StorageError::from_io("x", Op::Open, error).kind(), ErrorKind::TooManyOpenFiles);
    }
}
