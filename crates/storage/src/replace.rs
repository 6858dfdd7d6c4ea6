//! Writing a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Op, StorageError};
use crate::sys;

/// Where a replacement may be cut short, for tests of what a crash leaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "some are crashes that tests ask for"))]
pub(crate) enum Step {
    Half,
    Written,
    FileSynced,
    Renamed,
    Whole,
}

/// What went wrong with which file.
#[derive(Debug)]
pub(crate) struct Failed {
    path: PathBuf,
    op: Op,
    error: io::Error,
}

impl From<Failed> for StorageError {
    fn from(failed: Failed) -> StorageError {
        StorageError::from_io(failed.path, failed.op, failed.error)
    }
}

fn fail(path: &Path, op: Op, error: io::Error) -> Failed {
    Failed { path: path.to_owned(), op, error }
}

/// Numbers the temporary files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Replaces a file, or makes it, in a directory that is there. Whenever the process or the machine dies, either the old or
/// the new file is there, whole; when this returns it is the new one, and durable. It keeps the permissions of the old one.
///
/// # Errors
/// It can't be written: the old file stays. If its directory can't be synced the new one is there, but not surely durable.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    put(path, temporary.as_ref(), bytes, Step::Whole).map_err(|failed| failed.error)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sys::sync_dir(dir)
}

/// Writes the temporary file and renames it; `until` cuts that short. The directory is the caller's to sync.
pub(crate) fn put(path: &Path, temporary: &Path, bytes: &[u8], until: Step) -> Result<(), Failed> {
    let result = write_new(path, temporary, bytes, until).and_then(|()| {
        if until < Step::Renamed {
            return Ok(());
        }
        fs::rename(temporary, path).map_err(|e| fail(path, Op::Rename, e))
    });
    if result.is_err() {
        // What is left of it is of no use, and on a full disk in the way.
        let _ = fs::remove_file(temporary);
    }
    result
}

/// From so many files on they are synced together: a system that waits for the device once for each takes long.
const MANY: usize = 32;

/// A file that is to be replaced.
pub(crate) struct Replacement {
    pub(crate) path: PathBuf,
    pub(crate) temporary: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// Replaces many files of one directory as [`put`] does each. The directory is the caller's to sync.
///
/// # Errors
/// The first error; the other files are replaced all the same.
pub(crate) fn put_all(dir: &Path, all: Vec<Replacement>) -> Result<(), Failed> {
    let mut result = Ok(());
    if all.len() < MANY {
        for file in all {
            result = result.and(put(&file.path, &file.temporary, &file.bytes, Step::Whole));
        }
        return result;
    }
    // Opened before anything is written: it tells of the errors that come after that.
    let filesystem = File::open(dir);
    let mut written = Vec::with_capacity(all.len());
    for Replacement { path, temporary, bytes } in all {
        match write_new(&path, &temporary, &bytes, Step::Written) {
            Ok(()) => written.push((path, temporary)),
            Err(failed) => {
                let _ = fs::remove_file(&temporary);
                result = result.and(Err(failed));
            }
        }
    }
    let together = filesystem.and_then(|dir| sys::sync_filesystem(&dir)).is_ok();
    for (path, temporary) in written {
        let sync = || File::open(&temporary)?.sync_all();
        let synced = if together { Ok(()) } else { sync().map_err(|e| fail(&temporary, Op::Sync, e)) };
        let renamed =
            synced.and_then(|()| fs::rename(&temporary, &path).map_err(|e| fail(&path, Op::Rename, e)));
        if renamed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result = result.and(renamed);
    }
    result
}

fn write_new(path: &Path, temporary: &Path, bytes: &[u8], until: Step) -> Result<(), Failed> {
    let mut file = File::create(temporary).map_err(|e| fail(temporary, Op::Create, e))?;
    let part = if until == Step::Half { &bytes[..bytes.len() / 2] } else { bytes };
    file.write_all(part).map_err(|e| fail(temporary, Op::Write, e))?;
    if let Ok(old) = path.metadata() {
        let kept = file.set_permissions(old.permissions());
        kept.map_err(|e| fail(temporary, Op::Write, e))?;
    }
    if until >= Step::FileSynced {
        file.sync_all().map_err(|e| fail(temporary, Op::Sync, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_replaced_and_left_alone_by_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for text in ["one", "another"] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(replace_file(&dir.path().join("taken"), b"x").is_err());
        assert!(replace_file(&dir.path().join("none/file"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing temporary stays");
    }

    #[test]
    fn many_files_are_replaced_whatever_becomes_of_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("7")).unwrap();
        let file = |n: usize| {
            let (path, temporary) = (dir.path().join(n.to_string()), dir.path().join(format!("{n}.new")));
            Replacement { path, temporary, bytes: vec![n as u8; n] }
        };
        for count in [MANY - 1, MANY * 2] {
            assert!(put_all(dir.path(), (0..count).map(file).collect()).is_err(), "one is a directory");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), count, "nothing temporary stays");
            let right =
                |n: usize| n == 7 || fs::read(dir.path().join(n.to_string())).unwrap() == vec![n as u8; n];
            assert!((0..count).all(right));
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
