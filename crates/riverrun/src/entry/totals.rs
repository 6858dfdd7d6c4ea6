//! How much of a torrent came and went.

use engine::Figures;

/// Payload bytes over all runs that state was kept of.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// What its shard told last.
    live: Figures,
    downloaded_before: u64,
    uploaded_before: u64,
}

impl Totals {
    /// Earlier runs moved so much.
    pub(crate) fn resume(&mut self, downloaded: u64, uploaded: u64) {
        (self.downloaded_before, self.uploaded_before) = (downloaded, uploaded);
    }

    /// Its shard tells new figures. Whether bytes moved.
    pub(crate) fn note(&mut self, live: Figures) -> bool {
        let before = std::mem::replace(&mut self.live, live);
        (before.downloaded, before.uploaded) != (live.downloaded, live.uploaded)
    }

    /// Its shard lost it: what was told counts as of an earlier run.
    pub(crate) fn bank(&mut self) {
        let live = std::mem::take(&mut self.live);
        self.downloaded_before += live.downloaded;
        self.uploaded_before += live.uploaded;
    }

    /// Received and sent before this run.
    pub(crate) fn before(&self) -> (u64, u64) {
        (self.downloaded_before, self.uploaded_before)
    }

    /// Sent over all runs, as far as the shard told.
    pub(crate) fn uploaded(&self) -> u64 {
        self.uploaded_before + self.live.uploaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_shard_loses_no_byte() {
        let (mut totals, mut live) = (Totals::default(), Figures::default());
        totals.resume(100, 10);
        (live.downloaded, live.uploaded) = (5, 3);
        assert!(totals.note(live) && !totals.note(live));
        assert_eq!(totals.uploaded(), 13);
        totals.bank();
        assert_eq!((totals.before(), totals.uploaded()), ((105, 13), 13));
    }
}
