//! Plain values of a BitTorrent engine: time, hashes, pieces, blocks, bitfields and limits.
//!
//! Nothing here reads a clock, opens a socket or asks for entropy. Every machine of the workspace speaks in these
//! values, so that the same code runs on real sockets and in the simulator.
//!
//! It does not know any wire format or file format: those are `wire` and `metainfo`.
//!
//! ```
//! use riverrun_types::{Geometry, PieceIndex};
//!
//! let geometry = Geometry::new(100_000, 32 * 1024).unwrap();
//! assert_eq!(geometry.pieces(), 4);
//! assert_eq!(geometry.piece_len(PieceIndex(3)), 1696);
//! assert_eq!(geometry.blocks_in(PieceIndex(0)), 2);
//! ```

#![forbid(unsafe_code)]

mod announceable;
mod bitfield;
mod geometry;
mod hashes;
pub mod limits;
mod map;
mod ours;
mod peer;
mod rng;
mod scope;
mod shared;
mod time;

pub use announceable::{Announceable, Privacy};
pub use bitfield::{Bitfield, BitfieldError, Ones};
pub use geometry::{BLOCK_LEN, BlockIndex, BlockRef, Geometry, GeometryError, PieceIndex};
pub use hashes::{InfoHash, InfoHashV2, InfoHashes, ParseHashError};
pub use map::{KeyedMap, KeyedState};
pub use ours::{CLIENT_NAME, DEFAULT_MAX_PEERS, PEER_ID_PREFIX};
pub use peer::{PeerId, PeerSource};
pub use rng::{Entropy, Rng};
pub use scope::{Scope, is_nowhere, may_speak_of};
pub use shared::{BytesHolder, SharedBytes};
pub use time::Time;
