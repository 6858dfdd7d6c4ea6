//! Unix: `preadv`, `pwritev`, `fallocate`.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::MetadataExt;

use crate::storage::DeviceId;

/// One positioned vectored read; may be short.
pub(crate) fn read_at(file: &File, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    Ok(rustix::io::preadv(file, bufs, offset)?)
}

/// Has the system begin to fetch what will be read soon, where it takes such hints.
pub(crate) fn will_read(file: &File, offset: u64, len: u64) {
    // To ask for what is here costs as much as a look at each page of it.
    if len == 0 || super::is_resident(file, offset + len - 1, 1).unwrap_or(false) {
        return;
    }
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    // A hint that is not taken changes nothing.
    let _ = rustix::fs::fadvise(file, offset, std::num::NonZero::new(len), rustix::fs::Advice::WillNeed);
}

/// One positioned vectored write; may be short.
pub(crate) fn write_at(file: &File, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, bufs, offset)?)
}

/// Whether the system says what is in memory.
pub(crate) const RESIDENT_READS: bool = cfg!(target_os = "linux");

/// A read that takes what is in memory only: this system has none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_resident(
    _file: &File,
    _offset: u64,
    _bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Whether a read would wait for no device: this system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_resident(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Reserves space for the first `len` bytes. `false` where the filesystem can't.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<bool> {
    use rustix::io::Errno;
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Reserves space: this system has no call for it.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
pub(crate) fn allocate(_file: &File, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Whether a file can be known to have several names.
pub(crate) const LINKS: bool = true;

/// Whether an open file has more names than one.
pub(crate) fn has_other_names(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() > 1)
}

/// Makes a file one of the same blocks as another, which are copied when either is written. False where that can't be.
#[cfg(target_os = "linux")]
pub(crate) fn clone_file(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// This system has no such call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn clone_file(_from: &File, _to: &File) -> bool {
    false
}

/// Whether an open file has been deleted.
pub(crate) fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() == 0)
}

/// The device of the nearest existing directory at or above `path`.
pub(crate) fn device_of(path: &std::path::Path) -> DeviceId {
    let mut found = path.ancestors().filter_map(|dir| {
        let dir = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir };
        std::fs::metadata(dir).ok()
    });
    DeviceId(found.next().map_or(0, |meta| meta.dev()))
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &std::path::Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes durable what was written to the filesystem that an open directory is on.
#[cfg(target_os = "linux")]
pub(crate) fn sync_filesystem(dir: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(dir)?)
}

/// Other systems only begin to.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_filesystem(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// When a file was last changed in any way, in nanoseconds since 1970.
pub(crate) fn ctime(meta: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec())
}

/// Whether an open file is the one that has this name now; false where none has it.
pub(crate) fn is_at(file: &File, path: &std::path::Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a file that somebody has open can lose its name.
pub(crate) const UNLINKS_OPEN_FILES: bool = true;
