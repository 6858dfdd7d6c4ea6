//! Torrent metainfo v1, v2 and hybrid: reading, writing, creating; magnet links, merkle trees, safe paths.
//!
//! [`Metainfo`] reads and writes `.torrent` files (BEP 3, 12, 19, 27, 30, 47, 52). [`Info`] is its info dictionary:
//! what the pieces are, which hashes they must have, and, through [`FileLayout`], in which files their bytes lie.
//! Paths are made safe for any disk on the way in. [`Magnet`] reads and writes magnet links (BEP 9, 53), X
//! makes new torrents from digests, [`merkle`] has the trees of BEP 52.
//!
//! It opens no file and hashes no payload: reading the disk and running the hash lanes are the caller's, who shows the
//! digests to [`Expected::verify`], the one maker of a [`VerifiedPiece`].
//!
//! ```
//! use riverrun_metainfo::{Limits, Metainfo};
//!
//! let bytes = b"d4:infod6:lengthi5e4:name5:hello12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
//! let torrent = Metainfo::from_bytes(bytes, &Limits::default())?;
//! assert_eq!(torrent.info().name(), "hello");
//! assert_eq!(torrent.info().files()[0].len(), 5);
//! println!("{}", torrent.magnet());
//! # Ok::<(), riverrun_metainfo::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod create;
pub mod edit;
mod encoded;
mod error;
mod field;
mod file;
mod files_v1;
mod files_v2;
mod hints;
mod info;
mod layers;
mod layout;
mod limits;
mod links;
pub mod magnet;
pub mod merkle;
mod metainfo;
mod names;
mod outer;
mod packed;
pub mod path;
mod rare;
mod verify;

pub use error::{Error, ErrorKind, Warning, WarningKind, Warnings};
pub use file::{Attributes, File, FileIndex};
pub use hints::Hints;
pub use info::{Info, Obstacle, Version};
pub use layers::LayerError;
pub use layout::{Extent, Extents, FileLayout, Place};
pub use limits::Limits;
pub use magnet::{Magnet, MagnetError};
pub use metainfo::Metainfo;
pub use outer::Node;
pub use verify::{Expected, Mismatch, V2Expected, VerifiedPiece};
