//! The addresses that are not talked to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use crate::AddressFilter;

/// A client's blocklist, which may be changed while it is used.
#[derive(Default)]
pub(crate) struct Blocklist(RwLock<Option<Arc<dyn AddressFilter>>>);

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocklist")
    }
}

impl Blocklist {
    pub(crate) fn new(list: Option<Arc<dyn AddressFilter>>) -> Blocklist {
        Blocklist(RwLock::new(list))
    }

    /// Whether an address must not be talked to.
    pub(crate) fn blocks(&self, addr: SocketAddr) -> bool {
        // A list that panics leaves the lock as it was.
        let list = self.0.read().unwrap_or_else(|e| e.into_inner());
        list.as_ref().is_some_and(|list| list.blocks(addr.ip()))
    }

    /// Another list from now on.
    pub(crate) fn set(&self, list: Option<Arc<dyn AddressFilter>>) {
        *self.0.write().unwrap_or_else(|e| e.into_inner()) = list;
    }
}
