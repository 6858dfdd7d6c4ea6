//! Carrying out jobs, with a net below them.

use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::device::Batch;
use super::{Outcome, Work};
use crate::error::StorageError;
use crate::storage::Storage;

/// Runs something that may panic. The backend answers for its own state; our buffers are merely bytes.
fn guarded(work: impl FnOnce() -> Result<(), StorageError>) -> Result<(), StorageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(StorageError::Panicked { message: message.unwrap_or_else(|| "no message".into()) })
    })
}

/// Calls a sink: a panic there must not take a disk thread with it.
pub(super) fn quietly(work: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(work)));
}

/// The buffers of work that is not to be done, or was done already.
pub(super) fn give_back<B>(work: Work<B>) -> Outcome<B> {
    match work {
        Work::Write { bufs, .. } => Outcome::Write(bufs),
        Work::Read { len, buf, .. } => Outcome::Read(buf, len),
        Work::Sync { .. } | Work::Run(_) | Work::Fence(_) => Outcome::Other,
    }
}

/// Carries out one job.
pub(super) fn one<B: AsRef<[u8]> + AsMut<[u8]>>(
    storage: &dyn Storage,
    work: Work<B>,
) -> (Outcome<B>, Result<(), StorageError>) {
    match work {
        Work::Write { offset, bufs } => {
            let slices: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf.as_ref())).collect();
            let result = guarded(|| storage.write(offset, &slices));
            drop(slices);
            (Outcome::Write(bufs), result)
        }
        Work::Read { offset, len, mut buf } => {
            let result = match buf.as_mut().get_mut(..len) {
                Some(part) => guarded(|| storage.read(offset, &mut [IoSliceMut::new(part)])),
                None => Err(StorageError::Unsupported { what: "read more than the buffer holds" }),
            };
            (Outcome::Read(buf, len), result)
        }
        Work::Sync { ranges } => (Outcome::Other, guarded(|| storage.sync(&ranges))),
        Work::Run(work) | Work::Fence(work) => (Outcome::Other, guarded(|| work(storage))),
    }
}

/// Carries out writes that follow each other as one. After an error each is to be tried alone.
pub(super) fn joined<B: AsRef<[u8]>, T>(batch: &Batch<B, T>) -> Result<(), ()> {
    let mut slices = Vec::new();
    let mut start = None;
    for (_, job) in &batch.jobs {
        let Work::Write { offset, bufs } = &job.work else { return Err(()) };
        start.get_or_insert((*offset, &job.storage));
        slices.extend(bufs.iter().map(|buf| IoSlice::new(buf.as_ref())));
    }
    let Some((offset, storage)) = start else { return Err(()) };
    guarded(|| storage.write(offset, &slices)).map_err(drop)
}
