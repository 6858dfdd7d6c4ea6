//! What goes into a shard and what comes out.

use std::net::SocketAddr;
use std::sync::Arc;

use engine::{ConnId, DiskTrouble, TorrentId, WaitReason};
use metainfo::Info;
use types::{Bitfield, InfoHash, PieceIndex, Time};

use crate::{Block, DurablePiece};

/// A torrent that joins a shard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Added {
    /// Its number in the client.
    pub id: TorrentId,
    /// Names, files, hashes; none where only the torrent's names are known.
    pub info: Option<Arc<Info>>,
    /// What its brain begins with.
    pub params: engine::Params,
}

impl Added {
    /// A torrent for [`Command::Add`].
    pub fn new(id: TorrentId, info: Arc<Info>, params: engine::Params) -> Added {
        Added { id, info: Some(info), params }
    }

    /// A torrent of which nothing but its names is known: `params` have no content.
    pub fn magnet(id: TorrentId, params: engine::Params) -> Added {
        Added { id, info: None, params }
    }
}

/// What the client wants of a shard.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Takes a torrent in, at rest.
    Add(Box<Added>),
    /// Closes its connections, lets its writes end, and forgets it. Ends with [`Event::Removed`].
    Remove(TorrentId),
    /// For the torrent's brain.
    Torrent(TorrentId, engine::Command),
    /// The content of a torrent that was added without it.
    Content(TorrentId, Arc<Info>, Box<engine::Content>),
    /// Addresses of its swarm.
    Addresses(TorrentId, types::PeerSource, Vec<SocketAddr>),
    /// Writes what is stored through to the disk and reports it with [`Event::Durable`], which is empty where
    /// there is nothing to write. By itself this happens within seconds, and when the download is complete.
    Sync(TorrentId),
    /// Whether to tell with [`Event::Blocks`] what lies on the disk of unfinished pieces, from now on. What lies there
    /// already is told at once.
    Watch(TorrentId, bool),
    /// What this shard may use from now on.
    Lease(engine::Lease),
    /// What one torrent may use of that, in bytes a second, protocol included. None is no limit of its own.
    Rates {
        /// The torrent.
        id: TorrentId,
        /// Bytes received.
        download: Option<u64>,
        /// Bytes sent.
        upload: Option<u64>,
    },
}

impl Command {
    /// The torrent that it is about.
    pub fn torrent(&self) -> Option<TorrentId> {
        match self {
            Command::Add(added) => Some(added.id),
            Command::Remove(id)
            | Command::Torrent(id, _)
            | Command::Content(id, ..)
            | Command::Addresses(id, ..)
            | Command::Watch(id, _)
            | Command::Sync(id)
            | Command::Rates { id, .. } => Some(*id),
            Command::Lease(_) => None,
        }
    }
}

/// Disk work, positioned in a torrent's payload. It may be done in any order: the shard asks for nothing that
/// depends on work that has not returned.
#[derive(Debug)]
pub struct DiskRequest {
    /// The torrent.
    pub torrent: TorrentId,
    /// The work.
    pub op: DiskOp,
}

/// Disk work, with the buffers it needs; they come back with [`DiskDone`].
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskOp {
    /// Write these adjacent blocks, the first at payload byte `offset`.
    Write {
        /// Where the first block goes, in bytes of the payload.
        offset: u64,
        /// The blocks, each following the one before.
        blocks: Vec<Block>,
    },
    /// Fill `block` from payload byte `offset`. For `conn` when it is to be sent, else to be hashed.
    Read {
        /// Where the block lies, in bytes of the payload.
        offset: u64,
        /// The buffer; its length is what to read.
        block: Block,
        /// The connection that waits for it.
        conn: Option<ConnId>,
    },
    /// Write everything of these pieces, which have all been written, through to the disk.
    Sync {
        /// The pieces.
        pieces: Vec<PieceIndex>,
    },
}

/// Disk work that has returned.
#[derive(Debug)]
pub struct DiskDone {
    /// The torrent.
    pub torrent: TorrentId,
    /// The work, with its buffers.
    pub op: DiskOp,
    /// How it went.
    pub result: Result<(), DiskError>,
}

/// Why disk work failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskError {
    /// What to tell the user: a stable code, and a sentence with the path.
    pub trouble: DiskTrouble,
}

/// How a call of [`Shard::recv`](crate::Shard::recv) ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvOutcome {
    /// Bytes came; there may be more.
    More,
    /// The socket is empty: wait until it is readable.
    Empty,
    /// No buffer or no rate is left: do not read before [`Output::Resume`] names it.
    Paused,
    /// The connection is gone; drop the socket.
    Closed,
}

/// What [`Shard::send_parts`](crate::Shard::send_parts) offers to be sent.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// Bytes of a torrent's payload, to be sent from where they are stored, behind the header that announces them.
    ///
    /// Whoever sends the header promises the payload: it leaves only if the payload can follow at once.
    Stored {
        /// What goes before; empty where it has left.
        header: &'a [u8],
        /// The torrent.
        torrent: TorrentId,
        /// Where they begin, in bytes of the payload.
        offset: u64,
        /// How many; 0 where a rate ends behind the header.
        len: usize,
    },
}

/// Why nothing was sent of what [`Shard::send_parts`](crate::Shard::send_parts) offered.
#[derive(Debug)]
pub enum SendError {
    /// What the socket says, as for [`Shard::send`](crate::Shard::send).
    Socket(std::io::Error),
    /// The first part is not in memory, so that to send it would wait for a disk, or it is not where it should be. The
    /// shard asks the disk for it.
    NotInMemory,
}

/// How a call of [`Shard::send`](crate::Shard::send) ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOutcome {
    /// Bytes left; there are more.
    More,
    /// Nothing is left to send: wait for [`Output::WantSend`].
    Idle,
    /// The socket is full: wait until it is writable.
    Full,
    /// No rate is left: do not send before [`Output::WantSend`] names it.
    Paused,
    /// The connection is gone; drop the socket.
    Closed,
}

/// What to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Open a connection; answer with [`Shard::connected`](crate::Shard::connected) or
    /// [`Shard::connect_failed`](crate::Shard::connect_failed).
    Dial {
        /// Its name from now on.
        conn: ConnId,
        /// Where to.
        addr: SocketAddr,
        /// From the port that is listened on, where that can be done (BEP 55).
        punch: bool,
    },
    /// Drop the socket. What it had queued is not sent.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// An accepted connection asks for a torrent that is not here: give its socket and these bytes to the
    /// shard that has it ([`Shard::adopt`](crate::Shard::adopt)), or drop it where none has. The call of
    /// [`Shard::recv`](crate::Shard::recv) that read them has answered [`RecvOutcome::Paused`].
    Handoff {
        /// The connection; this shard has forgotten it.
        conn: ConnId,
        /// The torrent's name.
        info_hash: InfoHash,
        /// What was read from it.
        bytes: Vec<u8>,
    },
    /// There is something to send: call [`Shard::send`](crate::Shard::send).
    WantSend {
        /// The connection.
        conn: ConnId,
    },
    /// There are buffers or rate again: call [`Shard::recv`](crate::Shard::recv).
    Resume {
        /// The connection.
        conn: ConnId,
    },
    /// Work for the disk.
    Disk(DiskRequest),
    /// Something happened in a torrent.
    Event(TorrentId, Event),
    /// Nothing more to do before this moment, unless there is input.
    Wait(Time, WaitReason),
}

/// Something that happened in a torrent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// From its brain.
    Engine(engine::Event),
    /// These pieces are on the disk for good: resume data may claim them.
    Durable(Vec<DurablePiece>),
    /// These blocks of unfinished pieces lie on the disk, and nothing has verified them: of each piece all that lie there.
    /// Told of torrents that are watched ([`Command::Watch`]). A piece that fails its hash takes that back
    /// ([`engine::Event::PieceFailed`]).
    Blocks(Vec<(PieceIndex, Bitfield)>),
    /// It is gone from this shard and its writes have ended.
    Removed,
}
