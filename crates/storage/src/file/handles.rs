//! The open files of a torrent, and what was seen of their lengths.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::homes::Homes;
use super::{Access, FileStorage, Preallocate};
use crate::error::{Op, StorageError};
use crate::plan::{FileIndex, FileKind};
use crate::sys;

impl FileStorage {
    /// The file open for reading.
    pub(super) fn readable(&self, homes: &Homes, file: FileIndex) -> Result<Arc<File>, StorageError> {
        if let Some(handle) = self.handles.get(self.owner, file.0, false) {
            return Ok(handle);
        }
        let handle = Arc::new(homes.root.open(self.path_of(homes, file), Access::Read)?.file);
        self.handles.put(self.owner, file.0, handle.clone(), false);
        Ok(handle)
    }

    /// The file open for writing, made if it is missing.
    pub(super) fn writable(&self, homes: &Homes, file: FileIndex) -> Result<Arc<File>, StorageError> {
        if let Some(handle) = self.handles.get(self.owner, file.0, true) {
            return Ok(handle);
        }
        let seen = self.seen(file);
        if seen > 0 {
            // Made anew it would be empty, and what was verified in it would be claimed all the same.
            homes.root.stat(self.path_of(homes, file))?;
        }
        let executable =
            matches!(self.plan.file(file), Some(f) if f.kind == FileKind::Regular { executable: true });
        let opened = homes.root.open(self.path_of(homes, file), Access::Create { executable })?;
        if opened.created {
            self.created.mark(file);
            self.written.mark(file);
            self.reserve(homes, file, &opened.file)?;
        }
        let handle = Arc::new(opened.file);
        if seen == 0 {
            let len = handle.metadata().map_or(0, |meta| meta.len());
            self.saw(file, len.min(self.len_of(file)));
        }
        self.handles.put(self.owner, file.0, handle.clone(), true);
        Ok(handle)
    }

    fn seen(&self, file: FileIndex) -> u64 {
        self.seen.get(file.as_usize()).map_or(0, |seen| seen.load(Ordering::Relaxed))
    }

    pub(super) fn saw(&self, file: FileIndex, len: u64) {
        if let Some(seen) = self.seen.get(file.as_usize()) {
            seen.fetch_max(len, Ordering::Relaxed);
        }
    }

    /// Refuses to write into a file that somebody cut short: the write would make it long again, with a hole where
    /// verified data was.
    pub(super) fn intact(&self, homes: &Homes, file: FileIndex, handle: &File) -> Result<(), StorageError> {
        let seen = self.seen(file);
        let len = handle.metadata().map_or(0, |meta| meta.len());
        if len < seen { Err(self.truncated(homes, file, handle, seen)) } else { Ok(()) }
    }

    /// Gives a file its length, or its space too. Never shortens one.
    pub(super) fn reserve(&self, homes: &Homes, file: FileIndex, handle: &File) -> Result<(), StorageError> {
        let len = self.len_of(file);
        if self.preallocate == Preallocate::None || len == 0 {
            return Ok(());
        }
        let fail = |e| StorageError::from_io(self.full(homes, file), Op::Allocate, e);
        if self.preallocate == Preallocate::Full && sys::allocate(handle, len).map_err(fail)? {
            return Ok(());
        }
        if handle.metadata().map_err(fail)?.len() < len {
            handle.set_len(len).map_err(fail)?;
        }
        Ok(())
    }

    /// A file that ends too early. It may be another one by now: the next call opens it afresh.
    pub(super) fn truncated(
        &self,
        homes: &Homes,
        file: FileIndex,
        handle: &File,
        expected: u64,
    ) -> StorageError {
        self.handles.forget(self.owner, file.0);
        let found = handle.metadata().map_or(0, |meta| meta.len());
        StorageError::Truncated { path: self.full(homes, file), expected, found }
    }
}
