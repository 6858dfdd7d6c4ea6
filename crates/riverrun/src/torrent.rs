//! The handle of a torrent.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Command as Brain, PeerSnapshot};
use metainfo::{FileIndex, Magnet, Metainfo};
use shard::Command;
use tracker::AnnouncerInput;
use types::{Bitfield, InfoHashes, PeerSource, PieceIndex};

use crate::client::Inner;
use crate::control;
use crate::entry::{Entry, Stage};
use crate::runtime::Question;
use crate::{
    Error, Events, File, Piece, PieceChanges, PieceRun, PieceState, Priority, Reader, SeedGoal, Trouble,
};

/// A torrent of a client. Clones are the same torrent.
#[derive(Clone)]
pub struct Torrent {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
}

impl fmt::Debug for Torrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Torrent").field("hashes", &self.entry.hashes).finish_non_exhaustive()
    }
}

/// What a torrent is doing.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum TorrentState {
    /// Only its hash is known: peers are asked for the rest (BEP 9).
    FetchingMetadata {
        /// Bytes of the info dictionary that are here.
        bytes: u32,
        /// How long it is, as peers say; 0 while none has said.
        total: u32,
        /// Connected peers that offer it.
        peers: u32,
    },
    /// Existing data is being looked for and hashed.
    Checking {
        /// Bytes hashed.
        checked: u64,
        /// Bytes to be hashed; 0 while that is not known.
        total: u64,
    },
    /// It rests.
    Paused,
    /// Some wanted piece is missing.
    Downloading,
    /// Every wanted piece is here.
    Seeding,
    /// The disk refuses to work. The swarm is asked for nothing; the disk is tried again now and then, and the download goes
    /// on by itself when it works.
    Stalled(Trouble),
    /// It is broken and rests until it is rechecked or removed.
    Failed(Trouble),
    /// It was removed.
    Removed,
}

impl TorrentState {
    /// One word, the same in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            TorrentState::FetchingMetadata { .. } => "fetching_metadata",
            TorrentState::Checking { .. } => "checking",
            TorrentState::Paused => "paused",
            TorrentState::Downloading => "downloading",
            TorrentState::Seeding => "seeding",
            TorrentState::Stalled(_) => "stalled",
            TorrentState::Failed(_) => "failed",
            TorrentState::Removed => "removed",
        }
    }

    /// Whether both are the same but for progress.
    pub(crate) fn is_like(&self, other: &TorrentState) -> bool {
        match (self, other) {
            (TorrentState::Checking { .. }, TorrentState::Checking { .. })
            | (TorrentState::FetchingMetadata { .. }, TorrentState::FetchingMetadata { .. }) => true,
            (a, b) => a == b,
        }
    }
}

/// A torrent at one moment. All sizes are in bytes of payload.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What it is doing.
    pub state: TorrentState,
    /// Pieces it has in all.
    pub pieces: u32,
    /// Pieces that are verified and stored.
    pub pieces_have: u32,
    /// Pieces that are wanted.
    pub pieces_wanted: u32,
    /// Wanted pieces that are missing.
    pub pieces_missing: u32,
    /// Pieces of which some blocks are here or asked for.
    pub pieces_partial: u32,
    /// Length of all pieces.
    pub bytes: u64,
    /// Length of the verified pieces.
    pub bytes_have: u64,
    /// Length of the wanted pieces.
    pub bytes_wanted: u64,
    /// Length of the wanted pieces that are missing; blocks that are here count as here.
    pub bytes_left: u64,
    /// Received, over all runs that state was kept of, the useless included.
    pub downloaded: u64,
    /// Sent, over all runs that state was kept of.
    pub uploaded: u64,
    /// Received in this run.
    pub session_downloaded: u64,
    /// Sent in this run.
    pub session_uploaded: u64,
    /// Received in vain in this run.
    pub wasted: u64,
    /// Received in a second.
    pub download_rate: u64,
    /// Sent in a second.
    pub upload_rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Dials under way.
    pub half_open: u32,
    /// Addresses known, connected or not.
    pub known_peers: u32,
    /// When it will be complete at this rate.
    pub eta: Option<Duration>,
    /// Connections closed for each kind of fault, as `(code, times)`.
    pub faults: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Sent for each byte of the wanted pieces, over all runs.
    pub fn ratio(&self) -> f64 {
        if self.bytes_wanted == 0 { 0.0 } else { self.uploaded as f64 / self.bytes_wanted as f64 }
    }
}

/// A connection at one moment.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// The remote end.
    pub addr: SocketAddr,
    /// What it calls itself, cleaned for printing.
    pub client: String,
    /// Whether we opened the connection.
    pub dialed: bool,
    /// Pieces it has.
    pub pieces: u32,
    /// We want something it has.
    pub interesting: bool,
    /// It does not serve us.
    pub chokes_us: bool,
    /// It wants something we have.
    pub interested: bool,
    /// We don't serve it.
    pub choked: bool,
    /// It owes us blocks for too long.
    pub snubbed: bool,
    /// Blocks asked of it and not here yet.
    pub requests: u32,
    /// Received from it.
    pub downloaded: u64,
    /// Sent to it.
    pub uploaded: u64,
    /// Received from it in a second.
    pub download_rate: u64,
    /// Sent to it in a second.
    pub upload_rate: u64,
}

impl From<PeerSnapshot> for Peer {
    fn from(peer: PeerSnapshot) -> Peer {
        Peer {
            addr: peer.addr,
            client: peer.client,
            dialed: peer.origin == engine::Origin::Dialed,
            pieces: peer.pieces,
            interesting: peer.we_are_interested,
            chokes_us: peer.chokes_us,
            interested: peer.is_interested,
            choked: peer.we_choke,
            snubbed: peer.snubbed,
            requests: peer.requests,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            download_rate: peer.download_rate,
            upload_rate: peer.upload_rate,
        }
    }
}

/// A tracker of a torrent, and how it last answered.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct TrackerStatus {
    /// Its address.
    pub url: String,
    /// Its tier, from 0; lower ones are asked first (BEP 12).
    pub tier: usize,
    /// Whether it counts us as a member of the swarm.
    pub announced: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Why the last announce failed; none when it did not.
    pub last_error: Option<String>,
    /// When it is asked next, from now, as far as it is known.
    pub next_announce: Option<Duration>,
    /// Peers that have everything, at its last answer.
    pub seeders: Option<u32>,
    /// Peers that have not, at its last answer.
    pub leechers: Option<u32>,
}

impl Torrent {
    pub(crate) fn new(inner: Arc<Inner>, entry: Arc<Entry>) -> Torrent {
        Torrent { inner, entry }
    }

    /// Its name: of its only file, or of the directory of its files.
    pub fn name(&self) -> &str {
        self.entry.info().name()
    }

    /// What names it in the network.
    pub fn info_hashes(&self) -> InfoHashes {
        self.entry.hashes
    }

    /// Its metainfo, as it was added or came from peers; none while only a magnet link is known.
    pub fn metainfo(&self) -> Option<&Metainfo> {
        self.entry.metainfo()
    }

    /// Its metainfo with the trackers as they are known now, those that were added later included.
    pub fn metainfo_now(&self) -> Option<Metainfo> {
        let mut metainfo = self.entry.metainfo()?.clone();
        metainfo.set_tiers(&self.entry.state().tiers);
        Some(metainfo)
    }

    /// Its magnet link, with the trackers of its metainfo.
    pub fn magnet(&self) -> Magnet {
        self.entry.metainfo().map_or_else(|| Magnet::new(self.entry.hashes), Metainfo::magnet)
    }

    /// The directory that its files go below.
    pub fn output(&self) -> &std::path::Path {
        &self.entry.output
    }

    /// Its files in order, padding left out. None while only a magnet link is known, see [`Torrent::wait_metadata`].
    pub fn files(&self) -> Vec<File> {
        if self.entry.metainfo().is_none() {
            return Vec::new();
        }
        let stored = self.entry.info().files().iter().enumerate().filter(|(_, file)| file.is_stored());
        stored.map(|(n, _)| File::new(self.inner.clone(), self.entry.clone(), FileIndex(n as u32))).collect()
    }

    /// The file of this number, as it stands in the metainfo; none for padding.
    pub fn file(&self, number: u32) -> Option<File> {
        let index = FileIndex(number);
        let file = self.entry.metainfo()?.info().file(index)?;
        file.is_stored().then(|| File::new(self.inner.clone(), self.entry.clone(), index))
    }

    /// Reads its whole payload, one file after the other as the metainfo has them, padding as zeros. None while only a
    /// magnet link is known. See [`File::reader`] for one file.
    pub fn reader(&self) -> Option<Reader> {
        let len = self.entry.metainfo()?.info().geometry().total_len();
        Some(Reader::new(self.inner.clone(), self.entry.clone(), 0..len))
    }

    /// The piece of this number.
    pub fn piece(&self, piece: PieceIndex) -> Option<Piece> {
        let known = self.entry.metainfo()?.info().geometry().has_piece(piece);
        known.then(|| Piece::new(self.inner.clone(), self.entry.clone(), piece))
    }

    /// All of its pieces, in runs of those that are alike. Takes as long as there are pieces.
    pub fn piece_runs(&self) -> Vec<PieceRun> {
        let state = self.entry.state();
        let mut runs: Vec<PieceRun> = Vec::new();
        for piece in 0..state.have.len() {
            let next = PieceState::of(&self.entry, &state, piece);
            match runs.last_mut() {
                Some(run) if run.state == next => run.pieces.end = piece + 1,
                _ => runs.push(PieceRun { pieces: piece..piece + 1, state: next }),
            }
        }
        runs
    }

    /// How its pieces change from now on.
    pub fn subscribe_pieces(&self) -> PieceChanges {
        PieceChanges { events: self.events(), entry: self.entry.clone() }
    }

    /// Downloads these pieces, whatever their files are.
    ///
    /// # Errors
    /// As [`Torrent::pause`].
    pub fn download_pieces(&self, pieces: std::ops::Range<u32>) -> Result<(), Error> {
        control::prioritize(&self.inner, &self.entry, pieces, Priority::NORMAL)
    }

    /// Takes [`Torrent::download_pieces`] and [`Piece::set_priority`] back: the pieces are wanted as their files are.
    ///
    /// # Errors
    /// As [`Torrent::pause`].
    pub fn cancel_pieces(&self, pieces: std::ops::Range<u32>) -> Result<(), Error> {
        control::prioritize(&self.inner, &self.entry, pieces, Priority::NONE)
    }

    /// Whether every wanted piece is verified and stored.
    pub fn is_complete(&self) -> bool {
        let state = self.entry.state();
        matches!(state.stage, Stage::Running) && state.missing == 0
    }

    /// Bytes in verified pieces, wanted or not. Goes down where a check finds a piece bad.
    pub fn bytes_completed(&self) -> u64 {
        crate::entry::bytes_of(self.entry.info(), &self.entry.state().have)
    }

    /// Bytes in all other pieces, wanted or not. Those of wanted ones are in [`Snapshot::bytes_left`].
    pub fn bytes_missing(&self) -> u64 {
        self.entry.info().geometry().data_len() - self.bytes_completed()
    }

    /// What it is doing. Cheap.
    pub fn state(&self) -> TorrentState {
        self.entry.state().public()
    }

    /// The pieces that are verified and stored.
    pub fn pieces(&self) -> Bitfield {
        self.entry.state().have.clone()
    }

    /// How long a piece is; 0 where there is none of this number.
    pub fn piece_len(&self, piece: PieceIndex) -> u32 {
        self.entry.info().geometry().piece_len(piece)
    }

    /// Figures of this moment. Cancel safe.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let running = matches!(self.entry.state().stage, Stage::Running | Stage::Metadata);
        let id = self.entry.id;
        let live = if running {
            let ask = self.inner.shard(&self.entry).ask(|to| Question::Snapshot(id, to));
            ask.await.ok_or(Error::Closed)?
        } else {
            None
        };
        Ok(control::snapshot(&self.entry, live))
    }

    /// Its connections. Cancel safe.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn peers(&self) -> Result<Vec<Peer>, Error> {
        let id = self.entry.id;
        let peers = self.inner.shard(&self.entry).ask(|to| Question::Peers(id, to)).await;
        Ok(peers.ok_or(Error::Closed)?.into_iter().map(Peer::from).collect())
    }

    /// Its trackers in the order in which they are asked.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn trackers(&self) -> Result<Vec<TrackerStatus>, Error> {
        self.inner.trackers.status(self.entry.id).await.ok_or(Error::Closed)
    }

    /// What happens from now on in this torrent.
    pub fn events(&self) -> Events {
        self.inner.listen(Some(self.entry.hashes))
    }

    /// Closes its connections and rests. Trackers are told `stopped`.
    ///
    /// # Errors
    /// The torrent failed or was removed, or the client is closed.
    pub fn pause(&self) -> Result<(), Error> {
        self.alive()?;
        control::pause(&self.inner, &self.entry);
        Ok(())
    }

    /// Goes on. The seed goal counts from here anew.
    ///
    /// # Errors
    /// As [`Torrent::pause`].
    pub fn resume(&self) -> Result<(), Error> {
        self.alive()?;
        control::resume(&self.inner, &self.entry);
        Ok(())
    }

    /// Hashes all of its data again, and goes on from what it finds. A failed torrent gets another chance.
    ///
    /// Waits for the end of the check. Cancel safe: the check goes on in the background.
    ///
    /// # Errors
    /// As [`Torrent::pause`], or the data can't be read.
    pub async fn recheck(&self) -> Result<(), Error> {
        if matches!(self.entry.state().stage, Stage::Removed) {
            return Err(Error::Removed);
        }
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::recheck(inner, entry)).await?
    }

    /// Addresses of peers to try.
    ///
    /// # Errors
    /// As [`Torrent::pause`].
    pub fn add_peers(&self, addrs: impl IntoIterator<Item = SocketAddr>) -> Result<(), Error> {
        self.alive()?;
        let addrs = addrs.into_iter().collect();
        control::addresses(&self.inner, &self.entry, PeerSource::Manual, addrs);
        Ok(())
    }

    /// More trackers, each a tier of its own after the others. What is no tracker address is an error.
    ///
    /// # Errors
    /// As [`Torrent::pause`]; [`Error::Fetch`] for an address that can't be one of a tracker.
    pub fn add_trackers(&self, urls: impl IntoIterator<Item = impl Into<String>>) -> Result<(), Error> {
        self.alive()?;
        control::add_trackers(&self.inner, &self.entry, urls.into_iter().map(Into::into).collect())
    }

    /// Announces to its trackers now.
    pub fn announce(&self) {
        self.inner.trackers.tell(self.entry.id, AnnouncerInput::Force);
    }

    /// Most connections of this torrent from now on.
    pub fn set_max_peers(&self, most: u32) {
        let command = Command::Torrent(self.entry.id, Brain::MaxPeers(most));
        self.inner.shard(&self.entry).command(command);
    }

    /// When it pauses after its download.
    pub fn set_seed_goal(&self, goal: Option<SeedGoal>) {
        control::set_goal(&self.inner, &self.entry, goal);
    }

    /// Downloads exactly these files from now on, by number from 0. What is here of others stays.
    ///
    /// Cancel safe: the change goes on in the background.
    ///
    /// # Errors
    /// As [`Torrent::pause`]; no such file; the bytes that wait in the part file can't be moved into their file.
    pub async fn set_wanted(&self, files: impl IntoIterator<Item = u32>) -> Result<(), Error> {
        self.alive()?;
        let wanted = control::wanted_files(self.entry.info(), files)?;
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::set_wanted(inner, entry, wanted)).await?
    }

    /// Downloads everything from now on. As [`Torrent::set_wanted`].
    ///
    /// # Errors
    /// As [`Torrent::set_wanted`].
    pub async fn want_all(&self) -> Result<(), Error> {
        self.set_wanted(0..self.entry.info().files().len() as u32).await
    }

    /// Waits until its metainfo is known: at once but for a magnet link or a bare hash. Cancel safe.
    ///
    /// # Errors
    /// The torrent failed or was removed, or the client is closed.
    pub async fn wait_metadata(&self) -> Result<&Metainfo, Error> {
        self.wait(|stage, _| !matches!(stage, Stage::Metadata)).await?;
        self.entry.metainfo().ok_or(Error::Removed)
    }

    /// Waits until existing data has been looked for and checked. Cancel safe.
    ///
    /// # Errors
    /// The torrent failed or was removed, or the client is closed.
    pub async fn wait_checked(&self) -> Result<(), Error> {
        self.wait(|stage, _| matches!(stage, Stage::Running)).await
    }

    /// Waits until every wanted piece is verified and stored. A disk that refuses to work is waited for. Cancel safe.
    ///
    /// # Errors
    /// The torrent failed or was removed, or the client is closed.
    pub async fn wait_complete(&self) -> Result<(), Error> {
        self.wait(|stage, missing| matches!(stage, Stage::Running) && missing == 0).await
    }

    /// Like [`Torrent::wait_complete`], blocking the thread.
    ///
    /// # Errors
    /// As [`Torrent::wait_complete`].
    pub fn blocking_wait_complete(&self) -> Result<(), Error> {
        crate::park::block_on(self.wait_complete())
    }

    /// Takes it out of the client, with its saved state, and, with `delete_data`, its files and the directories that are
    /// empty then. Trackers are told `stopped` in the background.
    ///
    /// Cancel safe: removing goes on in the background.
    ///
    /// # Errors
    /// It is removed already; the client is closed; a file can't be deleted (the torrent is gone all the same).
    pub async fn remove(&self, delete_data: bool) -> Result<(), Error> {
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::remove(inner, entry, delete_data)).await?
    }

    async fn wait(&self, done: impl Fn(&Stage, u32) -> bool) -> Result<(), Error> {
        let mut closed = self.inner.closed.subscribe();
        let ready = self.entry.wait(|state| match &state.stage {
            Stage::Failed(trouble) => Some(Err(Error::Failed(trouble.clone()))),
            Stage::Removed => Some(Err(Error::Removed)),
            stage => done(stage, state.missing).then_some(Ok(())),
        });
        tokio::select! {
            biased;
            result = ready => result,
            // An error here means that the client is gone, which is the same.
            _ = closed.wait_for(|closed| *closed) => Err(Error::Closed),
        }
    }

    fn alive(&self) -> Result<(), Error> {
        if self.inner.is_closing() {
            return Err(Error::Closed);
        }
        self.entry.obstacle().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
impl Torrent {
    pub(crate) fn entry_for_tests(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn id_for_tests(&self) -> engine::TorrentId {
        self.entry.id
    }
}
