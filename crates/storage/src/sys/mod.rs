//! What differs between systems: positioned vectored I/O and reserving space.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(not(unix))]
mod other;
#[cfg(not(unix))]
pub(crate) use other::*;

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};

/// Reads until every buffer is full or the file ends, and returns how many bytes came.
pub(crate) fn read_full(file: &File, mut offset: u64, mut bufs: &mut [IoSliceMut<'_>]) -> io::Result<u64> {
    let mut done = 0;
    IoSliceMut::advance_slices(&mut bufs, 0);
    while !bufs.is_empty() {
        match read_at(file, offset, bufs) {
            Ok(0) => break,
            Ok(n) => {
                done += n as u64;
                offset += n as u64;
                IoSliceMut::advance_slices(&mut bufs, n);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes every buffer whole: a short write is continued.
pub(crate) fn write_full(file: &File, mut offset: u64, mut bufs: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut bufs, 0);
    while !bufs.is_empty() {
        match write_at(file, offset, bufs) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                offset += n as u64;
                IoSlice::advance_slices(&mut bufs, n);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
