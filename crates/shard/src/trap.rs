//! Panics on purpose, for tests of what follows from one.

/// Where a torrent's code is to panic, for `Shard::set_trap`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    not(any(test, feature = "traps")),
    expect(unreachable_pub, reason = "it is seen with the feature")
)]
pub enum Trap {
    /// With its next command.
    Command,
    /// At the end of a batch, when its blocks are judged.
    EndPass,
    /// When its outputs are drained.
    Poll,
    /// When its timer fires, which is at once.
    Timer,
}

/// The trap of one torrent. Without the feature `traps` it holds nothing and does nothing.
#[derive(Debug, Default)]
pub(crate) struct Trapped {
    #[cfg(any(test, feature = "traps"))]
    at: Option<Trap>,
}

impl Trapped {
    /// Sets it.
    #[cfg(any(test, feature = "traps"))]
    pub(crate) fn set(&mut self, at: Trap) {
        self.at = Some(at);
    }

    /// Whether it is set there.
    pub(crate) fn is_at(&self, _at: Trap) -> bool {
        #[cfg(any(test, feature = "traps"))]
        return self.at == Some(_at);
        #[cfg(not(any(test, feature = "traps")))]
        false
    }

    /// Panics where it is set there.
    pub(crate) fn spring(&self, at: Trap) {
        assert!(!self.is_at(at), "a panic on purpose");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use engine::TorrentId;
    use types::{PeerId, Rng, Time};

    use super::*;
    use crate::support::{Kind, info, payload};
    use crate::{Added, Command, Config, Output, Shard};

    const TORRENTS: [TorrentId; 3] = [TorrentId(1), TorrentId(2), TorrentId(3)];

    fn shard(now: Time) -> Shard {
        let engine = Arc::new(engine::Config::new(PeerId([1; 20])));
        let mut shard = Shard::new(Config::new(engine.clone()), now, Rng::from_number(1));
        for id in TORRENTS {
            let info = Arc::new(info(Kind::V1, &payload(u64::from(id.0), 100), 16_384));
            let content = engine::Content::new(info.geometry().clone());
            let params = engine::Params::new(engine.clone(), info.info_hashes(), content);
            shard.command(now, Command::Add(Box::new(Added::new(id, info, params))));
            shard.command(now, Command::Torrent(id, engine::Command::Start));
        }
        shard
    }

    fn turn(shard: &mut Shard, now: Time, at: Trap) {
        match at {
            Trap::Command => {
                for id in TORRENTS {
                    shard.command(now, Command::Torrent(id, engine::Command::Pause));
                }
            }
            Trap::EndPass => shard.end_pass(now),
            Trap::Poll | Trap::Timer => while !matches!(shard.poll(now), Output::Wait(..)) {},
        }
    }

    #[test]
    fn a_panic_tells_whose_it_was_wherever_it_comes() {
        let now = Time::from_secs(1);
        for at in [Trap::Command, Trap::EndPass, Trap::Poll, Trap::Timer] {
            for culprit in TORRENTS {
                let mut shard = shard(now);
                turn(&mut shard, now, at);
                assert_eq!(shard.at_work(), None, "{at:?}: nobody's turn between calls");
                shard.set_trap(culprit, at);
                let call = AssertUnwindSafe(|| turn(&mut shard, now, at));
                assert!(catch_unwind(call).is_err(), "{at:?}");
                assert_eq!(shard.at_work(), Some(culprit), "{at:?}");
            }
        }
    }
}
