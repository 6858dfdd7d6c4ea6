//! BitTorrent peer wire messages: views over bytes, legal-only values, framing.
//!
//! [`Handshake`] opens a connection, [`FrameHeader`] finds where a message ends before any memory is taken for it,
//! [`Message`] is the message itself, borrowed from its bytes.
//! Message ids that are not known here survive decoding and print. Payloads of the extension protocol are in
//! [`extended`]; [`fast`], [`priority`] and [`client_name`] are the small calculations that peers agree on. The BEPs
//! covered are 3, 4, 6, 9, 10, 11, 20, 21, 40, 52, 54 and 55.
//!
//! It holds no state and does no input or output: which message may come when, and what follows from it, is for the
//! engine.
//!
//! ```
//! use riverrun_wire::{FrameHeader, FrameLimits, Message};
//! use types::PieceIndex;
//!
//! let mut out = Vec::new();
//! Message::Have(PieceIndex(7)).encode(&mut out);
//!
//! let limits = FrameLimits { pieces: Some(100), ..FrameLimits::default() };
//! let FrameHeader::Whole { len, .. } = FrameHeader::peek(&out, &limits)? else { unreachable!() };
//! assert_eq!(Message::decode(&out[4..4 + len])?, Message::Have(PieceIndex(7)));
//! # Ok::<(), riverrun_wire::Error>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod error;
pub mod extended;
pub mod fast;
mod frame;
mod handshake;
mod hash_range;
mod message;
mod message_id;
pub mod priority;

pub use client::client_name;
pub use error::{Allowed, Error};
pub use frame::{FrameHeader, FrameLimits, PIECE_HEADER_LEN, PREFIX_LEN, piece_header};
pub use handshake::{Handshake, HandshakePrefix, PROTOCOL, Reserved};
pub use hash_range::{HashRange, HashRangeError};
pub use message::Message;
pub use message_id::MessageId;
