//! How much of a torrent came and went.

use engine::Figures;

/// Payload bytes, received and sent.
type Moved = (u64, u64);

/// Payload bytes over all runs that state was kept of.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// In earlier runs.
    before: Moved,
    /// In this run, on shards that were lost.
    banked: Moved,
    /// What its shard told last.
    live: Figures,
}

fn sum(a: Moved, b: Moved) -> Moved {
    (a.0 + b.0, a.1 + b.1)
}

impl Totals {
    /// Earlier runs moved so much.
    pub(crate) fn resume(&mut self, before: Moved) {
        self.before = before;
    }

    /// Its shard tells figures. None where they are no news; else whether bytes moved.
    pub(crate) fn note(&mut self, live: Figures) -> Option<bool> {
        let before = std::mem::replace(&mut self.live, live);
        let moved = (before.downloaded, before.uploaded) != (live.downloaded, live.uploaded);
        (before != live).then_some(moved)
    }

    /// Its shard is lost: what was told counts on.
    pub(crate) fn bank(&mut self) {
        let live = std::mem::take(&mut self.live);
        self.banked = sum(self.banked, (live.downloaded, live.uploaded));
    }

    /// In this run; `live` is what the shard says now, where it was asked.
    pub(crate) fn session(&self, live: Option<Moved>) -> Moved {
        sum(self.banked, live.unwrap_or((self.live.downloaded, self.live.uploaded)))
    }

    /// Over all runs; `live` as above.
    pub(crate) fn over_all(&self, live: Option<Moved>) -> Moved {
        sum(self.before, self.session(live))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_count_on_over_a_lost_shard_and_are_told_once() {
        let (mut totals, mut live) = (Totals::default(), Figures::default());
        totals.resume((100, 10));
        (live.downloaded, live.uploaded) = (5, 3);
        assert_eq!((totals.note(live), totals.note(live)), (Some(true), None));
        live.peers = 1;
        assert_eq!(totals.note(live), Some(false));
        totals.bank();
        assert_eq!((totals.session(None), totals.over_all(None)), ((5, 3), (105, 13)));
        assert_eq!(totals.note(live), Some(true));
        totals.bank();
        assert_eq!((totals.session(Some((1, 1))), totals.over_all(Some((1, 1)))), ((11, 7), (111, 17)));
    }
}
