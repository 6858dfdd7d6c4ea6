//! The addresses that are not talked to.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use crate::AddressFilter;

/// A client's blocklist, which may be changed while it is used.
///
/// It is code of others that runs on shards and the control thread, for it is asked too often to be asked elsewhere. What
/// it can't do there is to end them: its panics stay here.
#[derive(Default)]
pub(crate) struct Blocklist(RwLock<Option<List>>);

#[derive(Clone)]
struct List {
    filter: Arc<dyn AddressFilter>,
    /// Whether it was told that this one panics.
    told: Arc<AtomicBool>,
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocklist")
    }
}

impl Blocklist {
    pub(crate) fn new(filter: Option<Arc<dyn AddressFilter>>) -> Blocklist {
        let list = Blocklist::default();
        list.set(filter);
        list
    }

    /// Whether an address must not be talked to. What the list panics at is blocked.
    pub(crate) fn blocks(&self, addr: SocketAddr) -> bool {
        // Nobody panics while he holds the lock. It is not held over a call: a list that sets another one would wait for
        // itself.
        let list = self.0.read().unwrap_or_else(|e| e.into_inner()).clone();
        let Some(List { filter, told }) = list else { return false };
        // Whatever a panic leaves half done is the list's own, and only it will see it. One that was replaced meanwhile may
        // be dropped in here.
        catch_unwind(AssertUnwindSafe(move || filter.blocks(addr.ip()))).unwrap_or_else(|_| {
            if !told.swap(true, Ordering::Relaxed) {
                tracing::error!(%addr, "the blocklist panicked; addresses at which it does are blocked");
            }
            true
        })
    }

    /// Another list from now on.
    pub(crate) fn set(&self, filter: Option<Arc<dyn AddressFilter>>) {
        let list = filter.map(|filter| List { filter, told: Arc::default() });
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(|e| e.into_inner()), list);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_panics_blocks_and_is_told_once() {
        let list = Blocklist::new(Some(Arc::new(|addr: std::net::IpAddr| match addr.is_loopback() {
            true => panic!("on purpose"),
            false => addr.is_ipv6(),
        })));
        let blocks = |addr: &str| list.blocks(addr.parse().unwrap());
        let told = || list.0.read().unwrap().as_ref().unwrap().told.load(Ordering::Relaxed);
        assert!(!blocks("10.0.0.1:1") && blocks("[2001:db8::1]:1") && !told());
        for _ in 0..2 {
            assert!(blocks("127.0.0.1:1") && told(), "it fails closed");
        }
        assert!(!blocks("10.0.0.1:1"), "it is asked again");
        list.set(None);
        assert!(!blocks("127.0.0.1:1"));
    }
}
