//! One core's torrents, connections and buffers.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;

use engine::{ConnId, PeerSnapshot, Snapshot, TorrentId, Usage};
use types::{Bitfield, PieceIndex, Rng, Time};

use crate::{Command, DiskDone, Output, RecvOutcome, SendOutcome};

/// Settings of one shard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Settings of its torrents' brains.
    pub engine: Arc<engine::Config>,
    /// Block buffers for arriving data. Default 2,048 (32 MiB).
    pub receive_blocks: usize,
    /// Block buffers for data to be sent. Default 1,024 (16 MiB).
    pub send_blocks: usize,
}

impl Config {
    /// The defaults.
    pub fn new(engine: Arc<engine::Config>) -> Config {
        Config { engine, receive_blocks: 2_048, send_blocks: 1_024 }
    }
}

/// A piece that passed its hash and whose every write has returned. Built by the block table alone.
#[derive(PartialEq, Eq, Debug)]
pub struct StoredPiece(PieceIndex);

/// A stored piece that a later sync has put on the disk for good. Built from a [`StoredPiece`] when the sync returns.
#[derive(PartialEq, Eq, Debug)]
pub struct DurablePiece(PieceIndex);

impl DurablePiece {
    /// Which piece.
    pub fn index(&self) -> PieceIndex {
        self.0
    }
}

/// One core's torrents, connections and buffers. See the crate's front page for its loop.
#[derive(Debug)]
pub struct Shard {}

impl Shard {
    /// A shard without torrents.
    pub fn new(config: Config, now: Time, rng: Rng) -> Shard {
        let _ = (config, now, rng);
        Shard {}
    }

    /// A connection that was accepted. Err where the lease has no room: drop the socket.
    pub fn accept(&mut self, now: Time, addr: SocketAddr) -> Result<ConnId, engine::Disconnect> {
        let _ = (now, addr);
        Err(engine::Disconnect::Full)
    }

    /// A connection that another shard handed off, with what it had read.
    pub fn adopt(&mut self, now: Time, addr: SocketAddr, bytes: &[u8]) -> Result<ConnId, engine::Disconnect> {
        let _ = (now, addr, bytes);
        Err(engine::Disconnect::Full)
    }

    /// A dialed connection is open.
    pub fn connected(&mut self, now: Time, conn: ConnId) {
        let _ = (now, conn);
    }

    /// A dialed connection could not be opened.
    pub fn connect_failed(&mut self, now: Time, conn: ConnId) {
        let _ = (now, conn);
    }

    /// Reads once: `read` fills the offered slices and says how many bytes came, as a socket's vectored read does.
    /// 0 is the end of the stream; `WouldBlock` is an empty socket; `Interrupted` is tried again by the caller's loop.
    pub fn recv(
        &mut self,
        now: Time,
        conn: ConnId,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> RecvOutcome {
        let _ = (now, conn, read);
        RecvOutcome::Closed
    }

    /// Writes once: `write` takes what it can from the offered slices, as a socket's vectored write does.
    pub fn send(
        &mut self,
        now: Time,
        conn: ConnId,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> SendOutcome {
        let _ = (now, conn, write);
        SendOutcome::Closed
    }

    /// The readiness pass is over: hashes what arrived and queues it for the disk.
    pub fn end_pass(&mut self, now: Time) {
        let _ = now;
    }

    /// Disk work has returned.
    pub fn disk_done(&mut self, now: Time, done: DiskDone) {
        let _ = (now, done);
    }

    /// What the client wants.
    pub fn command(&mut self, now: Time, command: Command) {
        let _ = (now, command);
    }

    /// What to do next; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self, now: Time) -> Output {
        let _ = now;
        unreachable!()
    }

    /// What was used since the last call.
    pub fn usage(&mut self, now: Time) -> Usage {
        let _ = now;
        Usage::default()
    }

    /// A torrent at this moment.
    pub fn snapshot(&mut self, now: Time, torrent: TorrentId) -> Option<Snapshot> {
        let _ = (now, torrent);
        None
    }

    /// A torrent's connections at this moment.
    pub fn peers(&mut self, now: Time, torrent: TorrentId) -> Vec<PeerSnapshot> {
        let _ = (now, torrent);
        Vec::new()
    }

    /// The blocks that are stored but not hashed yet, for the resume data.
    pub fn unhashed(&self, torrent: TorrentId) -> Vec<(PieceIndex, Bitfield)> {
        let _ = torrent;
        Vec::new()
    }
}
