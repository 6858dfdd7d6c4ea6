//! The brain of a BitTorrent engine: peers, picker, choker, peer book and budgets of one torrent at a time.
//!
//! A [`Torrent`] is a plain value. It has no clock, no socket and no thread, and it never sees payload: the
//! data path (`shard`) moves bytes and tells it block numbers. The same value runs on real sockets and in the
//! simulator.
//!
//! # The loop
//!
//! **Mutate once with [`Torrent::handle`], then drain [`Torrent::poll`] until it answers [`Output::Wait`],
//! then sleep until there is input or the deadline has come.**
//!
//! The one question with an immediate answer is [`Torrent::expect_block`]: whether a block whose header just
//! arrived is to be kept.
//!
//! It does not frame messages, hash, store, announce to trackers or limit rates: `wire`, `hash`, `storage`,
//! `tracker` and `shard` do.

#![forbid(unsafe_code)]

mod book;
mod choker;
mod config;
mod error;
mod extension;
mod host;
mod ids;
mod io;
mod peer;
mod picker;
mod rate;
mod session;
mod share;
mod snapshot;
mod superseed;
mod tellers;
mod torrent;
mod votes;

pub use choker::{Reciprocity, SeedPolicy, SlotPolicy, UploadMode};
pub use config::{Anonymity, Config, ConfigError};
pub use error::{Blame, Disconnect, Fault};
pub use host::Host;
pub use ids::{ConnId, TorrentId};
pub use io::{Arrival, Command, DiskTrouble, Event, Input, Origin, Output, WaitReason};
pub use picker::{Demand, Order, Priority, ReaderId};
pub use rate::{Bucket, Speed};
pub use session::{Lease, Session, Usage};
pub use snapshot::{Figures, KnownPeer, MetadataProgress, PeerSnapshot, Phase, Snapshot, SourceCount, Waste};
pub use torrent::{Content, Params, Torrent, Worth, reserved};
