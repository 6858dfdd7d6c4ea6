//! Windows, through the standard library's positioned calls. They move the file's cursor, which nothing here uses.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::windows::fs::FileExt;

use crate::storage::DeviceId;

/// One positioned read into the first buffer that is not empty.
pub(crate) fn read_at(file: &File, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    match bufs.iter_mut().find(|buf| !buf.is_empty()) {
        None => Ok(0),
        Some(buf) => match file.seek_read(buf, offset) {
            // ERROR_HANDLE_EOF: reading beyond the end.
            Err(e) if e.raw_os_error() == Some(38) => Ok(0),
            other => other,
        },
    }
}

/// One positioned write of the first buffer that is not empty.
pub(crate) fn write_at(file: &File, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    bufs.iter().find(|buf| !buf.is_empty()).map_or(Ok(0), |buf| file.seek_write(buf, offset))
}

/// Whether [`read_resident`] and [`is_resident`] ever answer.
pub(crate) const RESIDENT_READS: bool = false;

/// A read that takes what is in memory only: this system has none.
pub(crate) fn read_resident(
    _file: &File,
    _offset: u64,
    _bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Whether a read would wait for no device: this system does not say.
pub(crate) fn is_resident(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Has the system begin to fetch what will be read soon: there is no such hint.
pub(crate) fn will_read(_file: &File, _offset: u64, _len: u64) {}

/// Reserves space: left to the setting of the length, which reserves on NTFS.
pub(crate) fn allocate(_file: &File, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Whether a file can be known to have several names.
pub(crate) const LINKS: bool = false;

/// Nobody says.
pub(crate) fn has_other_names(_file: &File) -> bool {
    false
}

/// There is no such call.
pub(crate) fn clone_file(_from: &File, _to: &File) -> bool {
    false
}

/// Whether an open file has been deleted: the system does not let it happen.
pub(crate) fn is_deleted(_file: &File) -> bool {
    false
}

/// All paths share one queue here.
pub(crate) fn device_of(_path: &std::path::Path) -> DeviceId {
    DeviceId::default()
}

/// There is no such call.
pub(crate) fn sync_filesystem(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Directory entries are journalled; there is no call for it.
pub(crate) fn sync_dir(_path: &std::path::Path) -> io::Result<()> {
    Ok(())
}

/// No such time is known here.
pub(crate) fn ctime(_meta: &std::fs::Metadata) -> i64 {
    0
}

/// A file that is open keeps its name here.
pub(crate) fn is_at(_file: &File, _path: &std::path::Path) -> io::Result<bool> {
    Ok(true)
}

/// Whether a file that somebody has open can lose its name.
pub(crate) const UNLINKS_OPEN_FILES: bool = false;
