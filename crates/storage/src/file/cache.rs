//! Open files, at most so many at a time.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Files kept open, shared by all the storages of a client. The one that was used longest ago makes room for the next.
///
/// The limit holds for what is kept; a file in use by a call stays open until the call ends.
#[derive(Debug)]
pub struct HandleCache {
    inner: Mutex<Inner>,
    next_owner: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    open: HashMap<(u64, u32), Handle>,
    limit: usize,
    clock: u64,
}

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    writable: bool,
    used: u64,
}

impl HandleCache {
    /// How many files [`HandleCache::default`] keeps open.
    pub const DEFAULT_LIMIT: usize = 128;

    /// Keeps at most `limit` files open; at least one.
    pub fn new(limit: usize) -> HandleCache {
        let inner = Inner { open: HashMap::new(), limit: limit.max(1), clock: 0 };
        HandleCache { inner: Mutex::new(inner), next_owner: AtomicU64::new(0) }
    }

    /// How many files are kept open now.
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether none is kept open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A name for a storage, under which it keeps its files.
    pub(crate) fn owner(&self) -> u64 {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    /// The open file, if it is open for this access.
    pub(crate) fn get(&self, owner: u64, file: u32, writable: bool) -> Option<Arc<File>> {
        self.lock().get(owner, file, writable)
    }

    /// As [`HandleCache::get`] for reading, without waiting for anybody.
    pub(crate) fn try_get(&self, owner: u64, file: u32) -> Option<Arc<File>> {
        match self.inner.try_lock() {
            Ok(mut inner) => inner.get(owner, file, false),
            Err(TryLockError::Poisoned(inner)) => inner.into_inner().get(owner, file, false),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Keeps a file open.
    pub(crate) fn put(&self, owner: u64, file: u32, handle: Arc<File>, writable: bool) {
        let mut inner = self.lock();
        inner.clock += 1;
        let used = inner.clock;
        let old = inner.open.insert((owner, file), Handle { file: handle, writable, used });
        let mut gone = None;
        if inner.open.len() > inner.limit {
            let oldest = inner.open.iter().min_by_key(|(_, handle)| handle.used).map(|(key, _)| *key);
            gone = oldest.and_then(|key| inner.open.remove(&key));
        }
        // Closing may wait for the device: not under the lock.
        drop(inner);
        drop((old, gone));
    }

    /// Forgets one file.
    pub(crate) fn forget(&self, owner: u64, file: u32) {
        let gone = self.lock().open.remove(&(owner, file));
        drop(gone);
    }

    /// Forgets all files of a storage.
    pub(crate) fn forget_all(&self, owner: u64) {
        let mut inner = self.lock();
        let gone: Vec<_> = inner.open.extract_if(|key, _| key.0 == owner).collect();
        drop(inner);
        drop(gone);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing under the lock leaves it half changed, so a panic elsewhere does not matter.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn get(&mut self, owner: u64, file: u32, writable: bool) -> Option<Arc<File>> {
        self.clock += 1;
        let handle = self.open.get_mut(&(owner, file)).filter(|handle| handle.writable || !writable)?;
        handle.used = self.clock;
        Some(handle.file.clone())
    }
}

impl Default for HandleCache {
    fn default() -> Self {
        HandleCache::new(HandleCache::DEFAULT_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_used_longest_ago_is_closed_first() {
        let cache = HandleCache::new(2);
        let file = Arc::new(tempfile::tempfile().unwrap());
        cache.put(1, 0, file.clone(), false);
        cache.put(1, 1, file.clone(), true);
        assert!(cache.get(1, 0, false).is_some() && cache.get(1, 0, true).is_none());
        cache.put(2, 0, file.clone(), false);
        assert!(cache.get(1, 1, false).is_none() && cache.try_get(1, 0).is_some());
        cache.forget_all(1);
        assert_eq!(cache.len(), 1);
        cache.forget(2, 0);
        assert!(cache.is_empty());
        assert_eq!(Arc::strong_count(&file), 1);
    }
}
