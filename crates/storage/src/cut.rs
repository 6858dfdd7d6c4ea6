//! Laying a list of buffers over a list of extents.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

use crate::error::StorageError;
use crate::plan::{Extent, Plan};

/// Calls `f` with each extent of `range` and the parts of `bufs` that belong to it. The buffers are as long as the range.
pub(crate) fn each_mut(
    plan: &Plan,
    range: Range<u64>,
    bufs: &mut [IoSliceMut<'_>],
    mut f: impl FnMut(Extent, &mut [IoSliceMut<'_>]) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let len = range.end - range.start;
    let mut rest = bufs.iter_mut().map(|buf| &mut buf[..]);
    let mut open: &mut [u8] = &mut [];
    for extent in plan.extents(range) {
        // One buffer in one place is the common case, and needs no list.
        if let (true, 1) = (extent.len == len, rest.len()) {
            let buf = rest.next().unwrap_or_default();
            return f(extent, &mut [IoSliceMut::new(buf)]);
        }
        let (mut need, mut parts) = (extent.len, Vec::with_capacity(rest.len() + 1));
        while need > 0 {
            if open.is_empty() {
                let Some(next) = rest.next() else { break };
                open = next;
                continue;
            }
            let take = open.len().min(usize::try_from(need).unwrap_or(usize::MAX));
            let (part, left) = std::mem::take(&mut open).split_at_mut(take);
            parts.push(IoSliceMut::new(part));
            open = left;
            need -= take as u64;
        }
        f(extent, &mut parts)?;
    }
    Ok(())
}

/// As [`each_mut`], for buffers to write.
pub(crate) fn each(
    plan: &Plan,
    range: Range<u64>,
    bufs: &[IoSlice<'_>],
    mut f: impl FnMut(Extent, &mut [IoSlice<'_>]) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let len = range.end - range.start;
    let mut rest = bufs.iter().map(|buf| &buf[..]);
    let mut open: &[u8] = &[];
    for extent in plan.extents(range) {
        if let (true, 1) = (extent.len == len, rest.len()) {
            let buf = rest.next().unwrap_or_default();
            return f(extent, &mut [IoSlice::new(buf)]);
        }
        let (mut need, mut parts) = (extent.len, Vec::with_capacity(rest.len() + 1));
        while need > 0 {
            if open.is_empty() {
                let Some(next) = rest.next() else { break };
                open = next;
                continue;
            }
            let (part, left) = open.split_at(open.len().min(usize::try_from(need).unwrap_or(usize::MAX)));
            parts.push(IoSlice::new(part));
            open = left;
            need -= part.len() as u64;
        }
        f(extent, &mut parts)?;
    }
    Ok(())
}

/// How many bytes some buffers hold.
pub(crate) fn len_mut(bufs: &[IoSliceMut<'_>]) -> u64 {
    bufs.iter().map(|buf| buf.len() as u64).sum()
}
