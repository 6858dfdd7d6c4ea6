//! Bencode: a borrowing decoder with limits, a canonical encoder, serde both ways.
//!
//! [`parse`] turns bytes into a [`Document`], a flat table of tokens over the untouched input: nothing is copied, every
//! value knows its raw bytes, and no depth of nesting uses the machine's stack. [`Options`] bounds depth, size, tokens
//! and integer width, and chooses strict or lenient. [`Encoder`] and [`Value`] write canonical bencode.
//! [`Stream`] and [`Reader`] read values that follow each other, and [`from_bytes`] and [`to_vec`] are serde's two ways.
//!
//! It does no input or output, and knows nothing of torrents: what keys mean is for the crates above.
//!
//! ```
//! use riverrun_bencode::{Options, parse};
//!
//! let document = parse(b"d5:filesl1:a1:be4:sizei42ee", &Options::strict())?;
//! let root = document.root();
//! assert_eq!(root.get(b"size").and_then(|n| n.as_int()), Some(42));
//! for file in root.get(b"files").and_then(|n| n.as_list()).into_iter().flatten() {
//!     println!("{:?} at byte {}", file.as_str(), file.offset());
//! }
//! # Ok::<(), riverrun_bencode::Error>(())
//! ```
#![forbid(unsafe_code)]

mod document;
mod encoder;
mod error;
mod options;
mod parser;
pub mod serde;
mod stream;
mod value;

pub use self::serde::{from_bytes, to_vec};
pub use document::{Dict, Document, List, Node, parse};
pub use encoder::{EncodeError, Encoder};
pub use error::{Error, ErrorKind, Warning, WarningKind, Warnings};
pub use options::{IntWidth, Mode, Options};
pub use parser::Kind;
pub use stream::{ReadError, Reader, Stream};
pub use value::Value;
