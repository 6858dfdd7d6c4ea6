//! The shard of one thread, behind a wall that a panic does not pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::TorrentId;
use shard::Shard;
use types::{Rng, Time};

use super::clock::Clock;
use super::{Culprit, PANIC_WINDOW};

/// The shard, and what is needed to build it anew without torrents.
pub(super) struct Cell {
    clock: Clock,
    config: shard::Config,
    rng: Rng,
    /// None after a panic, until its disk work is back.
    shard: Option<Shard>,
    /// The control plane knows that there is none: what it says from here on is for the next one.
    renewed: bool,
    panicked: Option<Time>,
}

/// Why a call into the shard has no result.
#[derive(Debug)]
pub(super) enum Broken {
    /// It was broken before.
    Before,
    /// It broke in this call, with these words, while it did this torrent's work, or nobody's.
    Now { culprit: Option<TorrentId>, message: String },
}

impl Cell {
    /// With a shard without torrents.
    pub(super) fn new(clock: Clock, config: shard::Config, mut rng: Rng) -> Cell {
        let shard = Shard::new(config.clone(), clock.now(), rng.fork());
        Cell { clock, config, rng, shard: Some(shard), renewed: false, panicked: None }
    }

    /// Whether there is a shard to be called.
    pub(super) fn is_whole(&self) -> bool {
        self.shard.is_some()
    }

    /// Calls into the shard.
    pub(super) fn call<R>(&mut self, call: impl FnOnce(&mut Shard, Time) -> R) -> Result<R, Broken> {
        let now = self.clock.now();
        let shard = self.shard.as_mut().ok_or(Broken::Before)?;
        // The shard is thrown away if this unwinds: nobody sees what it left half done, but whose work it was
        // at.
        catch_unwind(AssertUnwindSafe(|| call(shard, now))).map_err(|payload| {
            let culprit = self.shard.take().and_then(|shard| shard.at_work());
            Broken::Now { culprit, message: panic_message(&*payload) }
        })
    }

    /// After a panic: who pays for it.
    pub(super) fn judge(&mut self, culprit: Option<TorrentId>) -> Culprit {
        let now = self.clock.now();
        match culprit {
            Some(id) => Culprit::Torrent(id),
            None if self.panicked.is_some_and(|last| now.since(last) < PANIC_WINDOW) => Culprit::Everyone,
            None => {
                self.panicked = Some(now);
                Culprit::Unknown
            }
        }
    }

    /// The control plane has heard of the panic.
    pub(super) fn renew(&mut self) {
        self.renewed = self.shard.is_none();
    }

    /// Whether the next shard may be built, and be told things.
    pub(super) fn is_renewed(&self) -> bool {
        self.renewed
    }

    /// Builds the shard anew, without torrents.
    pub(super) fn rebuild(&mut self) {
        self.renewed = false;
        self.shard = Some(Shard::new(self.config.clone(), self.clock.now(), self.rng.fork()));
    }
}

pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
