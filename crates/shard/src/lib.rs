//! The data path of one core: connections, buffers, hash lanes, block table and disk queue.
//!
//! A [`Shard`] owns the brains ([`engine::Torrent`]) of its torrents and moves their bytes. It is a plain
//! value: sockets and disks are the caller's, who hands in what arrived and carries out what comes out. The
//! same value runs on real sockets in `riverrun` and on virtual ones in `sim`.
//!
//! # The loop
//!
//! 1. For each readable socket call [`Shard::recv`] with a closure that reads into the offered slices, until
//!    it says stop; for each writable one [`Shard::send`] with a closure that writes. Hand in finished disk
//!    work with [`Shard::disk_done`], and what the user wants with [`Shard::command`].
//! 2. When the readiness pass ends call [`Shard::end_pass`]: blocks that arrived are hashed together, while
//!    hot. Where very many come in one pass, it is done on the way.
//! 3. Drain [`Shard::poll`] until it answers [`Output::Wait`], then sleep until there is input or the
//!    deadline has come.
//!
//! ```
//! use std::{io::Read, sync::Arc};
//! use riverrun_shard::{Config, Output, RecvOutcome, Shard};
//! use types::{PeerId, Rng, Time};
//!
//! let engine = Arc::new(engine::Config::new(PeerId([7; 20])));
//! let mut shard = Shard::new(Config::new(engine), Time::ZERO, Rng::from_number(1));
//!
//! let mut socket: &[u8] = b"GET / HTTP/1.1";
//! let conn = shard.accept(Time::ZERO, "127.0.0.1:40000".parse()?).expect("there is room");
//! let outcome = shard.recv(Time::ZERO, conn, |slices| socket.read_vectored(slices));
//! assert_eq!(outcome, RecvOutcome::Closed, "no BitTorrent");
//! shard.end_pass(Time::ZERO);
//! assert!(matches!(shard.poll(Time::ZERO), Output::Wait(Time::NEVER, _)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It opens no file and no socket, verifies nothing twice, and knows no piece order: that is the brain's.
//!
//! # The way of a block
//!
//! In: socket -> pooled buffer -> hash while hot -> disk queue. A block ahead of its piece's hash cursor is
//! written at once and stays in memory while the pool allows, else it is read back when the hole fills. Out:
//! the brain names a verified block, the disk fills a buffer of the send pool, the socket takes it; or, through
//! [`Shard::send_parts`], the transport sends it from where it is stored.
//!
//! Three tokens mark a piece's way, each built in one place: [`metainfo::VerifiedPiece`] by the hash
//! comparison, [`StoredPiece`] by the block table when every write has returned, [`DurablePiece`] when a sync
//! that began later has.

#![forbid(unsafe_code)]

mod ahead;
mod blocks;
mod conn;
mod crowd;
mod digests;
mod disk;
mod drain;
mod gates;
mod greet;
mod handshake;
mod inbound;
mod io;
mod lanes;
mod lobby;
mod member;
mod members;
mod outbound;
mod piece;
mod pool;
mod receive;
mod reread;
mod resting;
mod shard;
mod sync;
mod table;
mod trap;
mod upload;
mod valve;

pub use blocks::StoredPiece;
pub use io::{
    Added, Command, DiskDone, DiskError, DiskOp, DiskRequest, Event, Output, Part, RecvOutcome, SendError,
    SendOutcome,
};
pub use outbound::MAX_PARTS;
pub use pool::{Block, Pool};
pub use shard::{Config, Shard};
pub use sync::DurablePiece;
#[cfg(any(test, feature = "traps"))]
pub use trap::Trap;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
