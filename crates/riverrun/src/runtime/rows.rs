//! What a driver knows of its torrents outside of the shard, so that a shard can be built anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::TorrentId;
use metainfo::Info;
use shard::{Added, Command};
use types::PieceIndex;

#[derive(Debug)]
struct Row {
    info: Arc<Info>,
    params: engine::Params,
    started: bool,
    max_peers: Option<u32>,
}

/// One row for each torrent of a shard.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<TorrentId, Row>,
}

impl Rows {
    /// Notes what a command changes.
    pub(super) fn note(&mut self, command: &Command) {
        match command {
            Command::Add(added) => {
                let mut params = added.params.clone();
                // After a panic it is not known any more which blocks lie there unhashed: they are fetched again.
                params.unhashed = Vec::new();
                let row = Row { info: added.info.clone(), params, started: false, max_peers: None };
                self.rows.insert(added.id, row);
            }
            Command::Remove(id) => {
                self.rows.remove(id);
            }
            Command::Torrent(id, command) => {
                if let Some(row) = self.rows.get_mut(id) {
                    row.note(command);
                }
            }
            _ => {}
        }
    }

    /// Notes a piece that was verified and stored.
    pub(super) fn completed(&mut self, id: TorrentId, piece: PieceIndex) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.params.have.insert(piece.0);
        }
    }

    /// Forgets a torrent.
    pub(super) fn remove(&mut self, id: TorrentId) {
        self.rows.remove(&id);
    }

    /// Every torrent.
    pub(super) fn ids(&self) -> Vec<TorrentId> {
        self.rows.keys().copied().collect()
    }

    /// The commands that bring every torrent back, as far as the rows know it.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut out = Vec::new();
        for (&id, row) in &self.rows {
            out.push(Command::Add(Box::new(Added::new(id, row.info.clone(), row.params.clone()))));
            out.extend(row.max_peers.map(|n| Command::Torrent(id, engine::Command::MaxPeers(n))));
            if row.started {
                out.push(Command::Torrent(id, engine::Command::Start));
            }
        }
        out
    }
}

impl Row {
    fn note(&mut self, command: &engine::Command) {
        match command {
            engine::Command::Start => self.started = true,
            engine::Command::Pause => self.started = false,
            engine::Command::Want(wanted) => self.params.wanted = wanted.clone(),
            engine::Command::Have(have) => self.params.have = have.clone(),
            engine::Command::AllowUpload(allow) => self.params.upload = *allow,
            engine::Command::MaxPeers(n) => self.max_peers = Some(*n),
            _ => {}
        }
    }
}
