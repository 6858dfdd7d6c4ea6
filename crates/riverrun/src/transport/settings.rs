//! The settings by which an embedder puts parts of its own in place of ours.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{DialBudget, Dialer, Discovery, is_good_name};
use crate::{ClientBuilder, Error};

/// How long a dialed address may take to answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes included, a connection has this time (`engine::Config::handshake_timeout`).
const LONGEST_DIAL: Duration = Duration::from_secs(20);

/// Connections of one client that may be half-open, where it shares no budget.
pub(crate) const HALF_OPEN: usize = 100;

/// What an embedder replaces.
#[derive(Clone)]
pub(crate) struct Seams {
    pub(crate) dialer: Option<Arc<dyn Dialer>>,
    pub(crate) discoveries: Vec<Arc<dyn Discovery>>,
    pub(crate) extensions: Vec<Arc<str>>,
    pub(crate) dial_budget: Option<DialBudget>,
    pub(crate) dial_timeout: Duration,
    pub(crate) unix: Vec<PathBuf>,
}

impl Default for Seams {
    fn default() -> Seams {
        Seams {
            dialer: None,
            discoveries: Vec::new(),
            extensions: Vec::new(),
            dial_budget: None,
            dial_timeout: DIAL_TIMEOUT,
            unix: Vec::new(),
        }
    }
}

impl Seams {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.dial_timeout.is_zero() || self.dial_timeout > LONGEST_DIAL {
            return Err(Error::Config { setting: "dial_timeout", allowed: "more than 0 and at most 20 s" });
        }
        let names: std::collections::BTreeSet<_> = self.discoveries.iter().map(|d| d.name()).collect();
        if names.len() < self.discoveries.len() || !names.iter().all(|name| is_good_name(name)) {
            let allowed = "different names of 1 to 32 of a-z, 0-9, `-`, `_` and `.` that are none of ours";
            return Err(Error::Config { setting: "discovery", allowed });
        }
        Ok(())
    }

    /// Whether code of the embedder is to be run.
    pub(crate) fn has_guests(&self) -> bool {
        self.dialer.is_some() || !self.discoveries.is_empty()
    }
}

impl ClientBuilder {
    /// Opens connections to peers in place of the client's own TCP. Default: none.
    pub fn dialer(mut self, dialer: impl Dialer) -> Self {
        self.seams.dialer = Some(Arc::new(dialer));
        self
    }

    /// Finds peers by means of your own, beside trackers and the others; may be called for several. Default: none.
    pub fn discovery(mut self, discovery: impl Discovery) -> Self {
        self.seams.discoveries.push(Arc::new(discovery));
        self
    }

    /// An extension of your own (BEP 10), by the name that peers know it under; may be called for several, at most 64
    /// of 1 to 64 bytes. Which peers understand it is told by
    /// [`EventKind::PeerExtensions`](crate::EventKind::PeerExtensions), what they send by
    /// [`EventKind::ExtensionMessage`](crate::EventKind::ExtensionMessage); answer with
    /// [`Torrent::send_extension`](crate::Torrent::send_extension). Default: none.
    pub fn extension(mut self, name: impl Into<Arc<str>>) -> Self {
        self.seams.extensions.push(name.into());
        self
    }

    /// How long an address may take to answer a dial, before the handshake: more than 0 and at most 20 s.
    /// Default 10 s.
    pub fn dial_timeout(mut self, most: Duration) -> Self {
        self.seams.dial_timeout = most;
        self
    }

    /// Bounds the connections that are being opened, over all clients that are given a clone of it. Default: one of
    /// its own, of 100. One torrent opens at most 25 at once besides.
    pub fn dial_budget(mut self, budget: &DialBudget) -> Self {
        self.seams.dial_budget = Some(budget.clone());
        self
    }

    /// Accepts peers at a Unix socket too, which is made at this path; may be called for several. A socket that was
    /// left there by a process that is gone is replaced, and ours is removed when the client closes.
    ///
    /// Who comes in through it has no address: it is shown as one of `100::/64`, the network that nobody has
    /// (RFC 6666), which no other peer is told of. The blocklist is asked for that address. Who may connect is a
    /// matter of the directory's permissions. [`unix_dialer`](crate::unix_dialer) is the other end.
    #[cfg(unix)]
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.seams.unix.push(path.into());
        self
    }
}
