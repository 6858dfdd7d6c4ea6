//! Messages of the extension protocol (BEP 10): the payloads of [`Message::Extended`](crate::Message::Extended).
//!
//! Id 0 is the [`ExtendedHandshake`], which says by what ids its sender wants the others: each has a name in [`name`].
//!
//! ```
//! use riverrun_wire::extended::{ExtendedHandshake, name};
//!
//! let handshake = ExtendedHandshake::decode(b"d1:md11:ut_metadatai3e6:ut_pexi0ee1:v8:riverrune")?;
//! assert_eq!(handshake.extensions.id(name::UT_METADATA), Some(3));
//! assert_eq!(handshake.extensions.id(name::UT_PEX), None);
//! # Ok::<(), riverrun_wire::extended::Error>(())
//! ```

mod handshake;
mod holepunch;
mod metadata;
mod pex;
mod small;

use bencode::{Document, Node, Options};

pub use handshake::{ExtendedHandshake, Extensions};
pub use holepunch::{Holepunch, HolepunchError};
pub use metadata::{METADATA_PIECE_LEN, Metadata, metadata_piece_len, metadata_pieces};
pub use pex::{Pex, PexFlags, PexPeer};
pub use small::{DontHave, UploadOnly};

use crate::Allowed;

/// The id of the extended handshake; every other id is for the receiver to choose (BEP 10).
pub const HANDSHAKE_ID: u8 = 0;

/// What extensions are called in the extended handshake.
pub mod name {
    /// Fetching the info dictionary (BEP 9).
    pub const UT_METADATA: &str = "ut_metadata";
    /// Peer exchange (BEP 11).
    pub const UT_PEX: &str = "ut_pex";
    /// Giving up a piece (BEP 54).
    pub const LT_DONTHAVE: &str = "lt_donthave";
    /// Meeting through a third peer (BEP 55).
    pub const UT_HOLEPUNCH: &str = "ut_holepunch";
    /// Changes of `upload_only` after the handshake (BEP 21).
    pub const UPLOAD_ONLY: &str = "upload_only";
}

/// Why a payload is not what its extension says. The connection itself is still sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It should be bencoded and is not, or breaks a limit.
    #[error("{what}: {source}")]
    Bencode {
        /// Which message.
        what: &'static str,
        /// Where the decoder stopped.
        source: bencode::Error,
    },
    /// It is bencoded, but no dictionary.
    #[error("{what}: no dictionary")]
    NotADict {
        /// Which message.
        what: &'static str,
    },
    /// A key is missing or has a value that it can't have.
    #[error("{what}: key `{key}` is missing or has no legal value")]
    Key {
        /// Which message.
        what: &'static str,
        /// Which key.
        key: &'static str,
    },
    /// It has a length that it can't have.
    #[error("{what} of {len} bytes, allowed: {allowed}")]
    Len {
        /// Which message.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The lengths it may have.
        allowed: Allowed,
    },
    /// The kind of an address is neither IPv4 nor IPv6.
    #[error("{what}: address type {kind}, expected 0 for IPv4 or 1 for IPv6")]
    AddressKind {
        /// Which message.
        what: &'static str,
        /// The kind that came.
        kind: u8,
    },
}

/// Reads a dictionary, lenient about its form, strict about its size.
fn dict<'a>(what: &'static str, payload: &'a [u8], options: &Options) -> Result<Document<'a>, Error> {
    let document = bencode::parse(payload, options).map_err(|source| Error::Bencode { what, source })?;
    match document.root().as_dict() {
        Some(_) => Ok(document),
        None => Err(Error::NotADict { what }),
    }
}

/// A non-negative number that fits `T`.
fn number<T: TryFrom<i64>>(node: Option<Node<'_, '_>>) -> Option<T> {
    node?.as_int().filter(|n| *n >= 0)?.try_into().ok()
}

/// Fails with [`Error::Len`] where `len` is not allowed.
fn check_len(what: &'static str, len: usize, allowed: Allowed) -> Result<(), Error> {
    if u32::try_from(len).is_ok_and(|len| allowed.contains(len)) {
        return Ok(());
    }
    Err(Error::Len { what, len, allowed })
}
