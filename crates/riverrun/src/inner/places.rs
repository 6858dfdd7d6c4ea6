//! Which torrents may have files at the same paths.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use engine::TorrentId;

use crate::entry::Entry;

/// Every torrent by the first names below its directory, which most have one of, as numbers: paths take room. Torrents with
/// such a number in common are compared file by file. Paths that meet further down, since one torrent's directory is within
/// another's, go unnoticed.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeSet<(u64, TorrentId)>);

impl Places {
    /// A torrent has its files at these places. Those that had files at one of them before.
    pub(crate) fn claim(&mut self, id: TorrentId, places: &BTreeSet<u64>) -> BTreeSet<TorrentId> {
        self.0.extend(places.iter().map(|place| (*place, id)));
        self.beside(id, places)
    }

    /// The other torrents with files at one of these places.
    pub(crate) fn beside(&self, id: TorrentId, places: &BTreeSet<u64>) -> BTreeSet<TorrentId> {
        let at = |place: &u64| self.0.range((*place, TorrentId(0))..=(*place, TorrentId(u32::MAX)));
        places.iter().flat_map(at).map(|(_, other)| *other).filter(|other| *other != id).collect()
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, id: TorrentId, places: &BTreeSet<u64>) {
        places.iter().for_each(|place| _ = self.0.remove(&(*place, id)));
    }
}

/// The places of a torrent. Looks at the disk for where its directory really is.
pub(crate) fn of(entry: &Entry) -> BTreeSet<u64> {
    let root = entry.home.at();
    let root = root.canonicalize().unwrap_or(root);
    let plan = entry.plan();
    let top = |path: &Path| {
        let mut hasher = DefaultHasher::new();
        (&root, path.components().next().map(|part| part.as_os_str().to_owned())).hash(&mut hasher);
        hasher.finish()
    };
    plan.iter().map(|(file, _)| top(&entry.home.path_of(plan, file))).collect()
}
