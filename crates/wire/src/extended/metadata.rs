//! `ut_metadata`: the info dictionary in pieces of 16 KiB (BEP 9).

use bencode::{Options, Value};
use types::limits;

use super::{Error, check_len, number};
use crate::Allowed;

const WHAT: &str = "ut_metadata";

/// Length of every piece of the metadata but the last, in bytes (BEP 9).
pub const METADATA_PIECE_LEN: u32 = 16 * 1024;

/// How many pieces metadata of `total` bytes has.
pub const fn metadata_pieces(total: u32) -> u32 {
    total.div_ceil(METADATA_PIECE_LEN)
}

/// Length of one piece of metadata of `total` bytes; 0 where there is no such piece.
pub fn metadata_piece_len(total: u32, piece: u32) -> u32 {
    let begin = piece.saturating_mul(METADATA_PIECE_LEN).min(total);
    (total - begin).min(METADATA_PIECE_LEN)
}

/// A message of `ut_metadata` (BEP 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metadata<'a> {
    /// The sender wants a piece.
    Request {
        /// Which one, from 0.
        piece: u32,
    },
    /// A piece.
    Data {
        /// Which one, from 0.
        piece: u32,
        /// Length of the whole metadata as the sender has it, in bytes; at most [`limits::METADATA_LEN`].
        total_size: Option<u32>,
        /// The piece; at most [`METADATA_PIECE_LEN`] bytes. Whether it is as long as it must be is for
        /// [`metadata_piece_len`] to say.
        data: &'a [u8],
    },
    /// The sender does not have the piece, or won't send it.
    Reject {
        /// Which one, from 0.
        piece: u32,
    },
    /// A message of another kind; to be ignored (BEP 9).
    Unknown {
        /// Its kind.
        kind: i64,
    },
}

impl<'a> Metadata<'a> {
    /// Longest dictionary read before the data, in bytes.
    const MAX_DICT: usize = 4096;

    /// Reads the payload of a message.
    ///
    /// # Errors
    /// It is no dictionary, `msg_type` or `piece` is missing, or the data is too long.
    pub fn decode(payload: &'a [u8]) -> Result<Metadata<'a>, Error> {
        let options =
            Options::lenient().max_len(Metadata::MAX_DICT).max_tokens(128).max_depth(8).trailing(true);
        let document = super::dict(WHAT, payload, &options)?;
        let root = document.root();
        let missing = |key| Error::Key { what: WHAT, key };
        let kind = root.get(b"msg_type").and_then(|n| n.as_int()).ok_or(missing("msg_type"))?;
        if !(0..=2).contains(&kind) {
            return Ok(Metadata::Unknown { kind });
        }
        let piece = number(root.get(b"piece")).ok_or(missing("piece"))?;
        Ok(match kind {
            0 => Metadata::Request { piece },
            1 => {
                let data = document.rest();
                check_len(WHAT, data.len(), Allowed::Between { min: 0, max: METADATA_PIECE_LEN })?;
                let legal = |len: &u32| *len as usize <= limits::METADATA_LEN;
                let total_size = number(root.get(b"total_size")).filter(legal);
                Metadata::Data { piece, total_size, data }
            }
            _ => Metadata::Reject { piece },
        })
    }

    /// The payload of the message.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece) = match *self {
            Metadata::Request { piece } => (0, Some(piece)),
            Metadata::Data { piece, .. } => (1, Some(piece)),
            Metadata::Reject { piece } => (2, Some(piece)),
            Metadata::Unknown { kind } => (kind, None),
        };
        let mut dict = Value::dict();
        dict.insert("msg_type", kind);
        if let Some(piece) = piece {
            dict.insert("piece", piece);
        }
        if let Metadata::Data { total_size: Some(total), .. } = *self {
            dict.insert("total_size", total);
        }
        let mut out = dict.encode();
        if let Metadata::Data { data, .. } = self {
            out.extend_from_slice(data);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_bep_9() {
        let data = Metadata::Data { piece: 0, total_size: Some(34256), data: b"xx" };
        for (message, bytes) in [
            (Metadata::Request { piece: 0 }, &b"d8:msg_typei0e5:piecei0ee"[..]),
            (data, b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexx"),
            (Metadata::Reject { piece: 7 }, b"d8:msg_typei2e5:piecei7ee"),
            (Metadata::Unknown { kind: 9 }, b"d8:msg_typei9ee"),
        ] {
            assert_eq!(message.encode(), bytes);
            assert_eq!(Metadata::decode(bytes), Ok(message));
        }
    }

    #[test]
    fn bad_messages_say_what_is_wrong() {
        let key = |key| Err(Error::Key { what: WHAT, key });
        assert_eq!(Metadata::decode(b"de"), key("msg_type"));
        assert_eq!(Metadata::decode(b"d8:msg_typei0ee"), key("piece"));
        assert_eq!(Metadata::decode(b"d8:msg_typei0e5:piecei-1ee"), key("piece"));
        assert_eq!(Metadata::decode(b"d8:msg_typei0e5:piecei4294967296ee"), key("piece"));
        let long = [&b"d8:msg_typei1e5:piecei0ee"[..], &[0; 16385]].concat();
        let error = Metadata::decode(&long).unwrap_err();
        assert_eq!(error.to_string(), "ut_metadata of 16385 bytes, allowed: 0 to 16384");
        let whole = b"d8:msg_typei1e5:piecei0e10:total_sizei34256ee";
        for n in 0..whole.len() {
            assert!(Metadata::decode(&whole[..n]).is_err());
        }
    }

    #[test]
    fn pieces_add_up() {
        for total in [0, 1, 16383, 16384, 16385, 31235, 30 << 20] {
            let sum: u32 = (0..metadata_pieces(total)).map(|piece| metadata_piece_len(total, piece)).sum();
            assert_eq!(sum, total);
            assert_eq!(metadata_piece_len(total, metadata_pieces(total)), 0);
        }
        assert_eq!(metadata_piece_len(100, u32::MAX), 0);
    }

    proptest! {
        #[test]
        fn data_survives(piece: u32, total in proptest::option::of(0u32..=30 << 20), data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let message = Metadata::Data { piece, total_size: total, data: &data };
            let bytes = message.encode();
            prop_assert_eq!(Metadata::decode(&bytes).unwrap(), message);
        }
    }
}
