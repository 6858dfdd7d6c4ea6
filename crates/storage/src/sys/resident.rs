//! Linux: what of a file is in memory.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use rustix::io::{Errno, ReadWriteFlags};

/// `struct cachestat_range` of `<linux/mman.h>`.
#[repr(C)]
struct CacheStatRange {
    offset: u64,
    len: u64,
}

/// `struct cachestat` of `<linux/mman.h>`, in pages.
#[repr(C)]
#[derive(Default)]
struct CacheStat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// A read that takes what is in memory only; `None` where it would have to wait.
pub(crate) fn read_resident(
    file: &File,
    offset: u64,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Option<usize>> {
    match rustix::io::preadv2(file, &mut *bufs, offset, ReadWriteFlags::NOWAIT) {
        Ok(n) => Ok(Some(n)),
        // A file in memory (tmpfs) does not know the flag, but whether it would wait can be asked.
        Err(Errno::OPNOTSUPP) if all_cached(file, offset, bufs.iter().map(|buf| buf.len() as u64).sum()) => {
            Ok(Some(rustix::io::preadv(file, bufs, offset)?))
        }
        Err(error) => no_answer(error).map(|()| None),
    }
}

/// Whether a read of bytes `offset..offset + len` would wait for no device. Where the file ends before that, where the
/// system does not say (before Linux 6.5, or for files of others on some systems), and of a filesystem with a cache of
/// its own, the answer is no.
pub(crate) fn is_resident(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    if len == 0 || !all_cached(file, offset, len) {
        return Ok(false);
    }
    // A page that is just being read counts as cached. Pages are read in their order: where the last one is here, so are
    // the others.
    let mut byte = [0];
    let last = offset.saturating_add(len - 1);
    match rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], last, ReadWriteFlags::NOWAIT) {
        Ok(n) => Ok(n == 1),
        // There is no device behind a file in memory.
        Err(Errno::OPNOTSUPP) => Ok(true),
        Err(error) => no_answer(error).map(|()| false),
    }
}

/// Errors that say that a question has no answer without waiting: network and FUSE filesystems may not know the flag, old
/// kernels not the call.
fn no_answer(error: Errno) -> io::Result<()> {
    match error {
        Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL => Ok(()),
        error => Err(error.into()),
    }
}

/// Whether the page cache has every page of this range. It has none beyond the end of the file.
fn all_cached(file: &File, offset: u64, len: u64) -> bool {
    let page = rustix::param::page_size() as u64;
    let Some(end) = offset.checked_add(len).filter(|_| len > 0) else { return false };
    let range = CacheStatRange { offset, len };
    let mut stat = CacheStat::default();
    // SAFETY: the kernel reads one `range` and writes one `stat`; both have its layout (`repr(C)`), are whole, live longer
    // than the call, and nobody else has them. The descriptor is open as long as `file` is borrowed. No flags are
    // defined.
    let result = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut stat, 0 as libc::c_uint)
    };
    result == 0 && stat.cached == end.div_ceil(page) - offset / page
}

/// The same on every architecture that Rust knows.
const SYS_CACHESTAT: libc::c_long = 451;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_just_written_is_in_memory_and_what_is_beyond_the_end_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        if !all_cached(&file, 0, 1) {
            // A kernel or a filesystem that does not say: then nothing is ever sent in place.
            assert!(!is_resident(&file, 0, 1).unwrap());
            return;
        }
        for (offset, len) in [(0, 1), (0, 100_000), (4_095, 2), (99_999, 1), (12_345, 16_384)] {
            assert!(is_resident(&file, offset, len).unwrap(), "{offset} {len}");
        }
        let beyond = [(0, 0), (0, 200_000), (200_000, 1), (u64::MAX, 2), (u64::MAX - 1, 1)];
        assert!(beyond.iter().all(|(offset, len)| !is_resident(&file, *offset, *len).unwrap_or(false)));
        file.set_len(50_000).unwrap();
        assert!(is_resident(&file, 0, 50_000).unwrap() && !is_resident(&file, 40_000, 16_384).unwrap());
        let mut buf = [0; 10];
        let read = read_resident(&file, 49_995, &mut [IoSliceMut::new(&mut buf)]).unwrap();
        assert_eq!((read, buf), (Some(5), [7, 7, 7, 7, 7, 0, 0, 0, 0, 0]));
    }
}
