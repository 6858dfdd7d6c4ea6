//! A BitTorrent engine as a library: a [`Client`] holds torrents, each [`Torrent`] downloads, verifies and
//! serves its [`File`]s.
//!
//! The client has threads of its own: it works under any asynchronous runtime, or with none through the
//! `blocking_` calls. Several clients live in one process without knowing of each other. Nothing panics
//! across this interface, and every [`Error`] has a stable [code](Error::code).
//!
//! It makes no torrents and reads no blocklist files: `riverrun-metainfo`, `riverrun-storage` and
//! `riverrun-iplist` do.
//!
//! ```no_run
//! use riverrun::{AddTorrent, Client, EventKind};
//!
//! # async fn f() -> Result<(), riverrun::Error> {
//! let client = Client::builder().download_dir("/srv/files").state_dir("/var/lib/riverrun").build()?;
//! let torrent = client.add(AddTorrent::path("debian.torrent")).await?;
//! let mut events = torrent.events();
//! while let Some(event) = events.recv().await {
//!     match event.kind {
//!         EventKind::PieceCompleted { piece } => println!("piece {piece}"),
//!         EventKind::Completed => break,
//!         _ => {}
//!     }
//! }
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! # How it is built
//! One thread for each shard runs a poll loop over sockets and the pure engine; disk threads read and write;
//! one small control thread announces, saves state and answers handles. A panic in the engine ends one
//! torrent ([`TorrentState::Failed`] with code `internal`), never the client.
//!
//! # Cancellation
//! Every `async` call says what happens when its future is dropped. Calls that change something go on in the
//! background.

#![forbid(unsafe_code)]

mod add;
mod agenda;
mod builder;
mod byte_ranges;
mod client;
mod control;
mod dht;
mod disk;
mod entry;
mod error;
mod events;
mod file;
mod inner;
mod limiter;
mod line;
mod local;
mod park;
mod piece;
mod reader;
mod report;
mod runtime;
mod status;
mod torrent;
mod trackers;
mod transport;

pub use add::{AddTorrent, Existing, GoalAction, SeedGoal, Source};
pub use builder::{AddressFilter, ClientBuilder, OpenStorage, Preallocation};
pub use byte_ranges::ByteRanges;
pub use client::{Client, Stats};
pub use engine::{Priority, Reciprocity, SeedPolicy, SlotPolicy, UploadMode};
pub use error::{Error, Trouble};
pub use events::{Event, EventKind, Events};
pub use file::File;
pub use limiter::Limiter;
pub use local::PortMapping;
pub use metainfo::{Magnet, Metainfo, Node};
pub use piece::{FilePiece, Piece, PieceChange, PieceChanges, PieceRun, PieceState};
pub use reader::{BlockingReader, ReadPosition, Readahead, Reader};
pub use report::{Report, TorrentReport};
pub use status::{KnownPeer, Peer, Snapshot, SourceCount, TorrentState, TrackerStatus, Waste};
pub use storage;
pub use torrent::Torrent;
#[cfg(unix)]
pub use transport::unix_dialer;
pub use transport::{
    DialBudget, DialRequest, Dialer, Dialing, Discovery, Finding, PeerFeed, PeerStream, Reach,
    blocking_dialer,
};
pub use types::{Bitfield, InfoHash, InfoHashV2, InfoHashes, PeerId, PeerSource, PieceIndex};
