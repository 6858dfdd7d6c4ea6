//! Which torrents say that they may have the same files (BEP 38).

use std::collections::{BTreeMap, BTreeSet};

use engine::TorrentId;
use metainfo::Hints;
use types::InfoHashes;

/// What the torrents of a client say of others: of most nothing is here.
#[derive(Debug, Default)]
pub(crate) struct Relations(BTreeMap<TorrentId, Hints>);

impl Relations {
    /// What a torrent says.
    pub(crate) fn set(&mut self, id: TorrentId, hints: Hints) {
        self.0.insert(id, hints);
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, id: TorrentId) {
        self.0.remove(&id);
    }

    /// The torrents that name this one, or are in a collection with it.
    pub(crate) fn of(&self, names: InfoHashes, hints: &Hints) -> BTreeSet<TorrentId> {
        let related = |other: &Hints| {
            names.wire_names().any(|name| other.similar.contains(&name))
                || hints.collections.iter().any(|name| other.collections.contains(name))
        };
        self.0.iter().filter(|(_, other)| related(other)).map(|(id, _)| *id).collect()
    }
}
