//! What a driver knows of its torrents outside of the shard, so that a shard can be built anew.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use engine::{Figures, Order, Snapshot, TorrentId};
use metainfo::Info;
use shard::{Added, Command};
use types::{PeerSource, PieceIndex};

/// Most addresses that are kept of those a user named.
const MANUAL_PEERS: usize = 200;

#[derive(Debug)]
struct Row {
    /// None while its content is not known.
    info: Option<Arc<Info>>,
    params: engine::Params,
    started: bool,
    max_peers: Option<u32>,
    order: Option<Order>,
    /// What readers wait for.
    demands: BTreeMap<engine::ReaderId, engine::Demand>,
    /// How much pieces are wanted.
    graded: Option<Arc<[(PieceIndex, engine::Priority)]>>,
    /// Addresses that the user named: no tracker will bring them again.
    manual: BTreeSet<SocketAddr>,
    totals: Totals,
}

/// Bytes moved, over all shards that the torrent lived on.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    /// On those before this one.
    downloaded: u64,
    uploaded: u64,
    /// What was told last, all of them together.
    told: Option<Figures>,
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
                if let Some(content) = &mut params.content {
                    content.unhashed = Vec::new();
                }
                let row = Row::new(added.info.clone(), params);
                self.rows.insert(added.id, row);
            }
            Command::Content(id, info, content) => {
                if let Some(row) = self.rows.get_mut(id).filter(|row| row.info.is_none()) {
                    let mut content = (**content).clone();
                    content.unhashed = Vec::new();
                    (row.info, row.params.content) = (Some(info.clone()), Some(content));
                }
            }
            Command::Remove(id) => {
                self.rows.remove(id);
            }
            Command::Torrent(id, command) => {
                if let Some(row) = self.rows.get_mut(id) {
                    row.note(command);
                }
            }
            Command::Addresses(id, PeerSource::Manual, addrs) => {
                if let Some(row) = self.rows.get_mut(id) {
                    let room = MANUAL_PEERS.saturating_sub(row.manual.len());
                    row.manual.extend(addrs.iter().take(room));
                }
            }
            _ => {}
        }
    }

    /// Figures over all shards that the torrent lived on, if they are news.
    pub(super) fn figures(&mut self, id: TorrentId, mut now: Figures) -> Option<Figures> {
        let totals = &mut self.rows.get_mut(&id)?.totals;
        now.downloaded += totals.downloaded;
        now.uploaded += totals.uploaded;
        (totals.told.replace(now) != Some(now)).then_some(now)
    }

    /// A snapshot over all shards that the torrent lived on.
    pub(super) fn snapshot(&self, id: TorrentId, mut snapshot: Snapshot) -> Snapshot {
        if let Some(Row { totals, .. }) = self.rows.get(&id) {
            snapshot.downloaded += totals.downloaded;
            snapshot.uploaded += totals.uploaded;
        }
        snapshot
    }

    /// The shard is gone: what it had counted, as far as it was told, counts on.
    pub(super) fn bank(&mut self) {
        for Row { totals, .. } in self.rows.values_mut() {
            if let Some(told) = totals.told {
                (totals.downloaded, totals.uploaded) = (told.downloaded, told.uploaded);
            }
        }
    }

    /// Notes a piece that was verified and stored.
    pub(super) fn completed(&mut self, id: TorrentId, piece: PieceIndex) {
        if let Some(content) = self.rows.get_mut(&id).and_then(|row| row.params.content.as_mut()) {
            content.have.insert(piece.0);
        }
    }

    /// Notes a piece that may be lost: a shard built anew must not serve it.
    pub(super) fn doubted(&mut self, id: TorrentId, piece: PieceIndex) {
        if let Some(content) = self.rows.get_mut(&id).and_then(|row| row.params.content.as_mut()) {
            content.have.remove(piece.0);
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
            let added = match &row.info {
                Some(info) => Added::new(id, info.clone(), row.params.clone()),
                None => Added::magnet(id, row.params.clone()),
            };
            out.push(Command::Add(Box::new(added)));
            out.extend(row.max_peers.map(|n| Command::Torrent(id, engine::Command::MaxPeers(n))));
            out.extend(row.order.map(|order| Command::Torrent(id, engine::Command::Order(order))));
            let graded = row.graded.iter().cloned().map(engine::Command::Prioritize);
            let demands = row.demands.values().cloned().map(engine::Command::Demand);
            out.extend(graded.chain(demands).map(|command| Command::Torrent(id, command)));
            if !row.manual.is_empty() {
                let addrs = row.manual.iter().copied().collect();
                out.push(Command::Addresses(id, PeerSource::Manual, addrs));
            }
            if row.started {
                out.push(Command::Torrent(id, engine::Command::Start));
            }
        }
        out
    }
}

impl Row {
    fn new(info: Option<Arc<Info>>, params: engine::Params) -> Row {
        let (manual, totals) = (BTreeSet::new(), Totals::default());
        Row {
            info,
            params,
            started: false,
            max_peers: None,
            order: None,
            demands: BTreeMap::new(),
            graded: None,
            manual,
            totals,
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut engine::Content)) {
        self.params.content.as_mut().map(change);
    }

    fn note(&mut self, command: &engine::Command) {
        match command {
            engine::Command::Start => self.started = true,
            engine::Command::Pause => self.started = false,
            engine::Command::Want(wanted) => self.change(|content| content.wanted = wanted.clone()),
            engine::Command::Have(have) => self.change(|content| content.have = have.clone()),
            engine::Command::AllowUpload(allow) => self.params.upload = *allow,
            engine::Command::MaxPeers(n) => self.max_peers = Some(*n),
            engine::Command::Order(order) => self.order = Some(*order),
            engine::Command::Prioritize(pieces) => self.graded = Some(pieces.clone()),
            engine::Command::Demand(demand) if demand.pieces.is_empty() => {
                self.demands.remove(&demand.reader);
            }
            engine::Command::Demand(demand) => {
                self.demands.insert(demand.reader, demand.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metainfo::{Limits, Metainfo};
    use types::PeerId;

    const ID: TorrentId = TorrentId(7);

    fn rows() -> Rows {
        let bytes = b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let metainfo = Metainfo::from_bytes(bytes, &Limits::default()).unwrap();
        let config = Arc::new(engine::Config::new(PeerId([0; 20])));
        let geometry = metainfo.info().geometry().clone();
        let params = engine::Params::new(config, metainfo.info_hashes(), engine::Content::new(geometry));
        let mut rows = Rows::default();
        rows.note(&Command::Add(Box::new(Added::new(ID, Arc::new(metainfo.info().clone()), params))));
        rows
    }

    #[test]
    fn what_users_said_comes_back() {
        let mut rows = rows();
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        rows.note(&Command::Torrent(ID, engine::Command::Order(Order::Sequential)));
        rows.note(&Command::Addresses(ID, PeerSource::Manual, vec![addr(1), addr(2)]));
        rows.note(&Command::Addresses(ID, PeerSource::Tracker, vec![addr(3)]));
        rows.note(&Command::Addresses(ID, PeerSource::Manual, (10..10_000).map(addr).collect()));
        rows.note(&Command::Torrent(ID, engine::Command::Start));
        let back = rows.commands();
        let ordered =
            |c: &Command| matches!(c, Command::Torrent(_, engine::Command::Order(Order::Sequential)));
        assert!(back.iter().any(ordered));
        let addrs = back.iter().find_map(|c| match c {
            Command::Addresses(ID, PeerSource::Manual, addrs) => Some(addrs),
            _ => None,
        });
        let addrs = addrs.unwrap();
        assert!(addrs.contains(&addr(1)) && addrs.contains(&addr(2)) && !addrs.contains(&addr(3)));
        assert_eq!(addrs.len(), MANUAL_PEERS);
        assert!(matches!(back.last(), Some(Command::Torrent(_, engine::Command::Start))));
    }

    #[test]
    fn totals_count_on_over_a_panic_and_are_told_once() {
        let mut rows = rows();
        let mut figures = Figures::default();
        (figures.downloaded, figures.uploaded) = (100, 10);
        assert_eq!(rows.figures(ID, figures), Some(figures));
        assert_eq!(rows.figures(ID, figures), None);
        rows.bank();
        let mut fresh = Figures::default();
        fresh.downloaded = 5;
        let told = rows.figures(ID, fresh).unwrap();
        assert_eq!((told.downloaded, told.uploaded), (105, 10));
        rows.bank();
        let told = rows.figures(ID, fresh).unwrap();
        assert_eq!((told.downloaded, told.uploaded), (110, 10));
    }
}
