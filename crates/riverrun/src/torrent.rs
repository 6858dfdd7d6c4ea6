//! The handle of a torrent.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use metainfo::{FileIndex, Magnet, Metainfo};
use tracker::AnnouncerInput;
use types::{Bitfield, InfoHashes, PeerSource, PieceIndex};

use crate::control;
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::Question;
use crate::{
    Error, Events, File, KnownPeer, Limiter, Peer, Piece, PieceChanges, PieceRun, PieceState, Priority,
    Reader, SeedGoal, Snapshot, TorrentState, TrackerStatus, UploadMode,
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

impl Torrent {
    pub(crate) fn new(inner: Arc<Inner>, entry: Arc<Entry>) -> Torrent {
        Torrent { inner, entry }
    }

    /// Its name: of its only file, or of the directory of its files.
    pub fn name(&self) -> &str {
        self.entry.info().name()
    }

    /// What to call it: the name that it was added with ([`AddTorrent::display_name`]), or that came when it
    /// was added again, with a magnet link's `dn` for one; else [`Torrent::name`]. For people only, and not
    /// kept over restarts.
    ///
    /// [`AddTorrent::display_name`]: crate::AddTorrent::display_name
    pub fn display_name(&self) -> String {
        self.entry.state().display_name.clone().unwrap_or_else(|| self.name().to_owned())
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

    /// The directory that its files are below now.
    pub fn output(&self) -> PathBuf {
        self.entry.home.at()
    }

    /// Its files in order, padding left out. None while only a magnet link is known, see
    /// [`Torrent::wait_metadata`].
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

    /// Reads its whole payload, one file after the other as the metainfo has them, padding as zeros. None
    /// while only a magnet link is known. See [`File::reader`] for one file.
    pub fn reader(&self) -> Option<Reader> {
        let len = self.entry.metainfo()?.info().geometry().total_len();
        Some(Reader::new(self.inner.clone(), self.entry.clone(), 0..len))
    }

    /// The piece of this number.
    pub fn piece(&self, piece: PieceIndex) -> Option<Piece> {
        let known = self.entry.metainfo()?.info().geometry().has_piece(piece);
        known.then(|| Piece::new(self.inner.clone(), self.entry.clone(), piece))
    }

    /// All of its pieces, in runs of those that are alike. Takes as long as there are pieces. None while only a
    /// magnet link is known.
    pub fn piece_runs(&self) -> Vec<PieceRun> {
        if self.entry.metainfo().is_none() {
            return Vec::new();
        }
        let state = self.entry.state();
        let mut runs: Vec<PieceRun> = Vec::new();
        for piece in 0..state.pieces.have().len() {
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

    /// Takes [`Torrent::download_pieces`] and [`Piece::set_priority`] back: the pieces are wanted as their
    /// files are.
    ///
    /// # Errors
    /// As [`Torrent::pause`].
    pub fn cancel_pieces(&self, pieces: std::ops::Range<u32>) -> Result<(), Error> {
        control::prioritize(&self.inner, &self.entry, pieces, Priority::NONE)
    }

    /// Whether every wanted piece is verified and stored.
    pub fn is_complete(&self) -> bool {
        let state = self.entry.state();
        matches!(state.stage, Stage::Running) && state.pieces.missing() == 0
    }

    /// Bytes in verified pieces, wanted or not. Goes down where a check finds a piece bad.
    pub fn bytes_completed(&self) -> u64 {
        self.entry.state().pieces.bytes_have()
    }

    /// Bytes in all other pieces, wanted or not. Those of wanted ones are in [`Snapshot::bytes_left`]. 0 while
    /// only a magnet link is known.
    pub fn bytes_missing(&self) -> u64 {
        let known = self.entry.metainfo();
        known.map_or(0, |known| known.info().geometry().data_len().saturating_sub(self.bytes_completed()))
    }

    /// What it is doing. Cheap.
    pub fn state(&self) -> TorrentState {
        self.entry.state().public()
    }

    /// The pieces that are verified and stored; of no piece while only a magnet link is known.
    pub fn pieces(&self) -> Bitfield {
        match self.entry.metainfo() {
            Some(_) => self.entry.state().pieces.have().clone(),
            None => Bitfield::new(0),
        }
    }

    /// How long a piece is; 0 where there is none of this number, or only a magnet link is known.
    pub fn piece_len(&self, piece: PieceIndex) -> u32 {
        self.entry.metainfo().map_or(0, |known| known.info().geometry().piece_len(piece))
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

    /// The addresses of its swarm that are known, connected or not. A connection that a peer opened is here
    /// only if the peer told where it listens. Cancel safe.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn known_peers(&self) -> Result<Vec<KnownPeer>, Error> {
        let id = self.entry.id;
        let known = self.inner.shard(&self.entry).ask(|to| Question::Known(id, usize::MAX, to)).await;
        Ok(known.ok_or(Error::Closed)?.into_iter().map(KnownPeer::from).collect())
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

    /// Moves all of its data, the part file too, below another directory, which is made if it is missing: by renaming,
    /// or, to another filesystem, by copying (synced before it counts) and deleting. Nothing there is written over.
    ///
    /// Its connections close for that time, and it neither fetches nor serves; readers go on reading what is here. Changes
    /// of what is wanted and of names wait. Progress comes as [`EventKind::Moving`](crate::EventKind::Moving),
    /// [`Torrent::cancel_move`] ends it.
    ///
    /// The place is kept over restarts: a torrent that is added with the same directory as before comes up where its
    /// data is; one that is added with another is looked for there. A process that is killed in a move finds all
    /// of the data at the next start: until the move was whole the old directory holds, and what had gone comes back;
    /// then the new one does. Where the state can't be saved then, that is no error of the move: it is tried again with
    /// the next saving, and a process that is killed before brings the data back to the old directory when it starts.
    ///
    /// Cancel safe: the move goes on in the background.
    ///
    /// # Errors
    /// The old directory holds, and what had gone is back there. As [`Torrent::pause`]; `exists` where something is at the
    /// path of one of the files; [`Error::NotReady`] where the data was never looked for; [`Error::Cancelled`];
    /// `read_only` for a torrent that was added so; what the disk says.
    pub async fn move_data(&self, to: impl Into<PathBuf>) -> Result<(), Error> {
        let (inner, entry, to) = (self.inner.clone(), self.entry.clone(), to.into());
        self.inner.join(control::move_data(inner, entry, to)).await?
    }

    /// Ends a [`Torrent::move_data`] that is under way, unless it is all but done. Whether there was one.
    pub fn cancel_move(&self) -> bool {
        self.entry.data.cancel_transfer()
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

    /// Sends a message of an extension of yours (BEP 10) to the peer at an address, or to all peers where none is
    /// named. Peers that do not understand it, are not connected, or do not read get nothing, which nobody is told.
    ///
    /// # Errors
    /// As [`Torrent::pause`]; [`Error::Config`] for a name that [`ClientBuilder::extension`](crate::ClientBuilder::extension)
    /// was not given, or a payload of more than 64 KiB.
    pub fn send_extension(&self, to: Option<SocketAddr>, name: &str, payload: &[u8]) -> Result<(), Error> {
        self.alive()?;
        let known = self.inner.engine.extensions.iter().find(|known| &***known == name);
        let Some(name) = known.filter(|_| payload.len() <= 64 << 10).cloned() else {
            let allowed = "one that the client was built with, and its message at most 64 KiB";
            return Err(Error::Config { setting: "extension", allowed });
        };
        let command = engine::Command::Extension { to, name, payload: payload.into() };
        self.inner.shard(&self.entry).command(shard::Command::Torrent(self.entry.id, command));
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
        control::set_max_peers(&self.inner, &self.entry, most);
    }

    /// Whether peers are served from now on; the client's own setting is the most. See
    /// [`AddTorrent::upload_mode`](crate::AddTorrent::upload_mode).
    pub fn set_upload_mode(&self, mode: UploadMode) {
        control::set_upload(&self.inner, &self.entry, mode);
    }

    /// Where it stands in the line of torrents that want to be active, from 0; see
    /// [`ClientBuilder::active_downloads`](crate::ClientBuilder::active_downloads). A new one is the last. Not kept over
    /// restarts: the order in which torrents are added then is that of their adding.
    pub fn queue_position(&self) -> usize {
        self.inner.torrents.position(self.entry.id)
    }

    /// Changes its place in the line; one beyond the end is the last.
    pub fn set_queue_position(&self, position: usize) {
        self.inner.torrents.set_position(self.entry.id, position);
    }

    /// Its own limits from now on, in bytes a second received and sent, protocol included; none is no limit.
    /// Those of the client hold besides.
    pub fn set_rates(&self, download: Option<u64>, upload: Option<u64>) {
        control::set_rates(&self.inner, &self.entry, download, upload);
    }

    /// From now on it shares this limit with the other torrents and clients that do, or none; see [`Limiter`].
    /// Its own limits and those of its client hold besides. One limit at a time.
    pub fn set_limiter(&self, limiter: Option<&Limiter>) {
        control::set_limiter(&self.inner, &self.entry, limiter);
    }

    /// As a seed give each piece to one peer first from now on, or no more; see
    /// [`AddTorrent::super_seeding`](crate::AddTorrent::super_seeding). Who is connected already knows what
    /// is here.
    pub fn set_super_seeding(&self, on: bool) {
        control::set_super_seeding(&self.inner, &self.entry, on);
    }

    /// Download only in order to upload from now on, or for its own sake again; see
    /// [`AddTorrent::share_mode`](crate::AddTorrent::share_mode). What was asked for is cancelled; what is here stays,
    /// and is served. What moved before does not count.
    pub fn set_share_mode(&self, on: bool) {
        control::set_share_mode(&self.inner, &self.entry, on);
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
    /// As [`Torrent::pause`]; no such file; the bytes that wait in the part file can't be moved into their
    /// file.
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

    /// Downloads a torrent of which nothing but the metainfo was wanted ([`AddTorrent::metadata_only`]):
    /// these files, by number from 0, or, for None, those that it was added with. Waits for the metainfo, but
    /// not for data. Of another torrent it is [`Torrent::set_wanted`].
    ///
    /// Cancel safe: before the metainfo is known nothing has happened, then it goes on in the background.
    ///
    /// # Errors
    /// As [`Torrent::set_wanted`]; a v2 torrent's hashes can't be had.
    ///
    /// [`AddTorrent::metadata_only`]: crate::AddTorrent::metadata_only
    pub async fn download(&self, files: Option<Vec<u32>>) -> Result<(), Error> {
        self.wait_metadata().await?;
        self.alive()?;
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::download(inner, entry, files)).await?
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

    /// Waits until every wanted piece is verified and stored. A disk that refuses to work is waited for.
    /// Cancel safe.
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

    /// Takes it out of the client, with its saved state, and, with `delete_data`, its files and the
    /// directories that are empty then. Trackers are told `stopped` in the background.
    ///
    /// Cancel safe: removing goes on in the background.
    ///
    /// # Errors
    /// It is removed already; the client is closed; a file can't be deleted (the torrent is gone all the
    /// same).
    pub async fn remove(&self, delete_data: bool) -> Result<(), Error> {
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::remove(inner, entry, delete_data)).await?
    }

    async fn wait(&self, done: impl Fn(&Stage, u32) -> bool) -> Result<(), Error> {
        let mut closed = self.inner.ending.subscribe();
        let ready = self.entry.wait(|state| match &state.stage {
            Stage::Failed(trouble) => Some(Err(Error::Failed((**trouble).clone()))),
            Stage::Removed => Some(Err(Error::Removed)),
            stage => done(stage, state.pieces.missing()).then_some(Ok(())),
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
