//! How a client ends: politely first, then for good.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Whether a client is closing, and whether it is closed.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    closing: AtomicBool,
    closed: watch::Sender<bool>,
}

impl Ending {
    /// Closing begins. False where it had begun before.
    pub(crate) fn begin(&self) -> bool {
        !self.closing.swap(true, Ordering::AcqRel)
    }

    /// Whether closing has begun: nothing new is taken in.
    pub(crate) fn has_begun(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The client is closed: every handle is dead.
    pub(crate) fn end(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.send_replace(true);
    }

    /// Whether the client is closed.
    pub(crate) fn is_over(&self) -> bool {
        *self.closed.borrow()
    }

    /// Tells when the client is closed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_begins_once_and_comes_before_the_end() {
        let ending = Ending::default();
        let told = ending.subscribe();
        assert!(!ending.has_begun() && ending.begin() && !ending.begin());
        assert!(ending.has_begun() && !ending.is_over());
        ending.end();
        assert!(ending.is_over() && *told.borrow());
    }
}
