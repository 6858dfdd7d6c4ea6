//! The torrents of a client, and the lines they all write to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use engine::TorrentId;
use metainfo::Hints;
use tokio::sync::broadcast;
use types::InfoHashes;

use crate::Event;
use crate::agenda::Agenda;
use crate::entry::Entry;
use crate::events::BACKLOG;

use super::places::Places;
use super::relations::Relations;

/// Every torrent by its number.
pub(crate) struct Torrents {
    /// Held while one gets its name and its place, so that nobody finds the one without the other.
    adding: Mutex<()>,
    entries: Mutex<BTreeMap<TorrentId, Arc<Entry>>>,
    /// The line of those that want to be active.
    line: Mutex<Vec<TorrentId>>,
    /// Those that take part in a limit with others.
    sharing: Mutex<BTreeSet<TorrentId>>,
    /// Which say that they may have the same files.
    relations: Mutex<Relations>,
    /// Where their files are.
    places: Mutex<Places>,
    /// What is to be done for them at a given time.
    pub(crate) agenda: Arc<Agenda>,
    /// What happens in them.
    pub(crate) events: broadcast::Sender<Event>,
}

impl Torrents {
    /// None yet.
    pub(crate) fn new(agenda: Arc<Agenda>) -> Torrents {
        Torrents {
            adding: Mutex::default(),
            entries: Mutex::default(),
            line: Mutex::default(),
            sharing: Mutex::default(),
            relations: Mutex::default(),
            places: Mutex::default(),
            agenda,
            events: broadcast::Sender::new(BACKLOG),
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<TorrentId, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One is being added while this is held. It blocks for no longer than that takes.
    pub(crate) fn adding(&self) -> MutexGuard<'_, ()> {
        self.adding.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn get(&self, id: TorrentId) -> Option<Arc<Entry>> {
        self.entries().get(&id).cloned()
    }

    /// All, in the order they were added.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries().values().cloned().collect()
    }

    fn line(&self) -> MutexGuard<'_, Vec<TorrentId>> {
        self.line.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// All, in the order of the line.
    pub(crate) fn in_line(&self) -> Vec<Arc<Entry>> {
        let line = self.line().clone();
        let entries = self.entries();
        line.iter().filter_map(|id| entries.get(id).cloned()).collect()
    }

    /// A torrent's place in the line, from 0.
    pub(crate) fn position(&self, id: TorrentId) -> usize {
        let line = self.line();
        line.iter().position(|other| *other == id).unwrap_or(line.len())
    }

    /// Puts a torrent somewhere else in the line.
    pub(crate) fn set_position(&self, id: TorrentId, position: usize) {
        let mut line = self.line();
        if let Some(before) = line.iter().position(|other| *other == id) {
            line.remove(before);
            let position = position.min(line.len());
            line.insert(position, id);
        }
    }

    /// Whether a torrent takes part in a limit with others.
    pub(crate) fn set_shares(&self, id: TorrentId, shares: bool) {
        let mut sharing = self.sharing.lock().unwrap_or_else(|e| e.into_inner());
        if shares {
            sharing.insert(id)
        } else {
            sharing.remove(&id)
        };
    }

    /// Those that take part in a limit with others.
    pub(crate) fn sharing(&self) -> Vec<Arc<Entry>> {
        let sharing = self.sharing.lock().unwrap_or_else(|e| e.into_inner());
        let entries = self.entries();
        sharing.iter().filter_map(|id| entries.get(id).cloned()).collect()
    }

    fn relations(&self) -> MutexGuard<'_, Relations> {
        self.relations.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What a torrent says of others that may have its files.
    pub(crate) fn set_hints(&self, id: TorrentId, hints: Hints) {
        self.relations().set(id, hints);
    }

    /// The torrents that say that they may have files of one with these names and hints.
    pub(crate) fn related(&self, names: InfoHashes, hints: &Hints) -> BTreeSet<TorrentId> {
        self.relations().of(names, hints)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A torrent has its files there: those that had some there before.
    pub(crate) fn claim(&self, id: TorrentId, places: &BTreeSet<u64>) -> BTreeSet<TorrentId> {
        self.places().claim(id, places)
    }

    /// The others that have files there.
    pub(crate) fn beside(&self, id: TorrentId, places: &BTreeSet<u64>) -> BTreeSet<TorrentId> {
        self.places().beside(id, places)
    }

    /// A torrent has no files there any more.
    pub(crate) fn unclaim(&self, id: TorrentId, places: &BTreeSet<u64>) {
        self.places().forget(id, places);
    }

    pub(crate) fn insert(&self, entry: Arc<Entry>) {
        self.line().push(entry.id);
        self.entries().insert(entry.id, entry);
    }

    /// Forgets a torrent, and what was to be done for it.
    pub(crate) fn forget(&self, id: TorrentId) {
        self.entries().remove(&id);
        self.set_shares(id, false);
        self.relations().forget(id);
        self.line().retain(|other| *other != id);
        self.agenda.forget(id);
    }
}
