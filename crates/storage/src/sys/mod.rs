//! What differs between systems: positioned vectored I/O and reserving space.

#[cfg(target_os = "linux")]
mod resident;
#[cfg(target_os = "linux")]
pub(crate) use resident::*;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The system takes at most 1,024 buffers in one call.
    #[test]
    fn peers_04_a_short_write_is_continued() {
        let file = tempfile::tempfile().unwrap();
        let data: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let mut parts: Vec<IoSlice<'_>> = data.chunks(100).map(IoSlice::new).collect();
        assert!(parts.len() > 2_048);
        write_full(&file, 7, &mut parts).unwrap();
        let mut back = vec![0; data.len()];
        let mut parts: Vec<IoSliceMut<'_>> = back.chunks_mut(100).map(IoSliceMut::new).collect();
        assert_eq!(read_full(&file, 7, &mut parts).unwrap(), data.len() as u64);
        assert_eq!(back, data);
    }
}
