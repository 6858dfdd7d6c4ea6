//! Where a message ends, known before memory is taken for it.

use types::{BlockRef, PieceIndex, limits};

use crate::{Allowed, Error, HashRange, MessageId};

/// Length of the number that every message begins with, in bytes.
pub const PREFIX_LEN: usize = 4;
/// Bytes of a piece message before its payload: length, id, piece, begin.
pub const PIECE_HEADER_LEN: usize = 13;

/// How long the messages of one peer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameLimits {
    /// How many pieces the torrent has, where that is known. A bitfield must then have exactly the bytes they take;
    /// before, it may have what [`limits::PIECES`] take.
    pub pieces: Option<u32>,
    /// Longest payload of a piece message, in bytes.
    pub block_len: u32,
    /// Longest message of any other kind, in bytes: extended, hashes, unknown.
    pub message_len: u32,
}

impl Default for FrameLimits {
    /// The pieces are not known; [`limits::REQUEST_LEN`]; [`limits::MESSAGE_LEN`].
    fn default() -> FrameLimits {
        FrameLimits { pieces: None, block_len: limits::REQUEST_LEN, message_len: limits::MESSAGE_LEN }
    }
}

impl FrameLimits {
    /// The lengths that a message of this type may have, its id included.
    pub fn allowed(&self, id: MessageId) -> Allowed {
        match id {
            MessageId::BITFIELD => match self.pieces {
                Some(pieces) => Allowed::Exactly(1 + pieces.div_ceil(8)),
                None => Allowed::Between { min: 1, max: 1 + limits::PIECES.div_ceil(8) },
            },
            MessageId::PIECE => Allowed::Between { min: 9, max: self.block_len.saturating_add(9) },
            _ => lengths(id, self.message_len),
        }
    }
}

/// The lengths that a message of this type may have whatever the torrent, its id included, where `max` is the bound
/// of those that have none of their own.
pub(crate) fn lengths(id: MessageId, max: u32) -> Allowed {
    const HASH_RANGE: u32 = HashRange::LEN as u32;
    match id {
        MessageId::CHOKE
        | MessageId::UNCHOKE
        | MessageId::INTERESTED
        | MessageId::NOT_INTERESTED
        | MessageId::HAVE_ALL
        | MessageId::HAVE_NONE => Allowed::Exactly(1),
        MessageId::PORT => Allowed::Exactly(3),
        MessageId::HAVE | MessageId::SUGGEST | MessageId::ALLOWED_FAST => Allowed::Exactly(5),
        MessageId::REQUEST | MessageId::CANCEL | MessageId::REJECT => Allowed::Exactly(13),
        MessageId::PIECE => Allowed::Between { min: 9, max },
        MessageId::EXTENDED => Allowed::Between { min: 2, max },
        MessageId::HASH_REQUEST | MessageId::HASH_REJECT => Allowed::Exactly(1 + HASH_RANGE),
        MessageId::HASHES => Allowed::Steps { min: 1 + HASH_RANGE, step: HashRange::HASH_LEN as u32, max },
        _ => Allowed::Between { min: 1, max },
    }
}

/// What the first bytes of a message tell. Nothing is taken from the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameHeader {
    /// It takes at least this many bytes in the buffer to tell: 5, or 13 for a piece.
    NeedMore {
        /// Bytes needed, those already there included.
        len: usize,
    },
    /// Four zero bytes: a whole keep-alive.
    KeepAlive,
    /// Any message but a piece, of a length that is legal for its type: receive it whole, then
    /// [`Message::decode`](crate::Message::decode) what follows the prefix.
    Whole {
        /// The type of the message.
        id: MessageId,
        /// Bytes that follow the four of the prefix.
        len: usize,
    },
    /// A piece message. Its `block.len` bytes of payload follow the header and can be received where they belong.
    Piece {
        /// What the payload is. Not yet checked against the torrent.
        block: BlockRef,
        /// Bytes before the payload: [`PIECE_HEADER_LEN`].
        header_len: usize,
    },
}

impl FrameHeader {
    /// Looks at the beginning of a message: up to 13 bytes, more are ignored.
    ///
    /// # Errors
    /// [`Error::Len`] as soon as length and type are known and do not go together.
    pub fn peek(buf: &[u8], limits: &FrameLimits) -> Result<FrameHeader, Error> {
        let Some((prefix, rest)) = buf.split_first_chunk::<PREFIX_LEN>() else {
            return Ok(FrameHeader::NeedMore { len: PREFIX_LEN });
        };
        let len = u32::from_be_bytes(*prefix);
        if len == 0 {
            return Ok(FrameHeader::KeepAlive);
        }
        let Some((&id, rest)) = rest.split_first() else {
            return Ok(FrameHeader::NeedMore { len: PREFIX_LEN + 1 });
        };
        let id = MessageId(id);
        let allowed = limits.allowed(id);
        if !allowed.contains(len) {
            return Err(Error::Len { id, len, allowed });
        }
        if id != MessageId::PIECE {
            return Ok(FrameHeader::Whole { id, len: len as usize });
        }
        let Some((&[a, b, c, d, e, f, g, h], _)) = rest.split_first_chunk::<8>() else {
            return Ok(FrameHeader::NeedMore { len: PIECE_HEADER_LEN });
        };
        let block = BlockRef {
            piece: PieceIndex(u32::from_be_bytes([a, b, c, d])),
            begin: u32::from_be_bytes([e, f, g, h]),
            len: len - 9,
        };
        Ok(FrameHeader::Piece { block, header_len: PIECE_HEADER_LEN })
    }

    /// Length of the whole message with its prefix, in bytes, where it is known.
    pub fn total_len(&self) -> Option<usize> {
        match *self {
            FrameHeader::NeedMore { .. } => None,
            FrameHeader::KeepAlive => Some(PREFIX_LEN),
            FrameHeader::Whole { len, .. } => Some(PREFIX_LEN + len),
            FrameHeader::Piece { block, header_len } => Some(header_len + block.len as usize),
        }
    }
}

/// What goes before the payload of a piece message, for senders that never hold the whole message.
/// A `block.len` over `u32::MAX - 9` bytes is cut: no frame can say it.
pub fn piece_header(block: BlockRef) -> [u8; PIECE_HEADER_LEN] {
    let mut out = [0; PIECE_HEADER_LEN];
    out[..4].copy_from_slice(&block.len.saturating_add(9).to_be_bytes());
    out[4] = MessageId::PIECE.0;
    out[5..9].copy_from_slice(&block.piece.0.to_be_bytes());
    out[9..].copy_from_slice(&block.begin.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: FrameLimits = FrameLimits { pieces: Some(10), block_len: 16384, message_len: 1000 };

    fn peek(len: u32, id: u8) -> Result<FrameHeader, Error> {
        let mut buf = len.to_be_bytes().to_vec();
        buf.extend([id, 0, 0, 0, 1, 0, 0, 0x40, 0]);
        FrameHeader::peek(&buf, &LIMITS)
    }

    #[test]
    fn a_header_grows_byte_by_byte() {
        let bytes = piece_header(BlockRef { piece: PieceIndex(5), begin: 16384, len: 16384 });
        assert_eq!(bytes, [0, 0, 0x40, 9, 7, 0, 0, 0, 5, 0, 0, 0x40, 0]);
        for n in 0..13 {
            let needed = [4, 5, 13][usize::from(n >= 4) + usize::from(n >= 5)];
            let header = FrameHeader::peek(&bytes[..n], &LIMITS).unwrap();
            assert_eq!(header, FrameHeader::NeedMore { len: needed });
            assert_eq!(header.total_len(), None);
        }
        let header = FrameHeader::peek(&bytes, &LIMITS).unwrap();
        let block = BlockRef { piece: PieceIndex(5), begin: 16384, len: 16384 };
        assert_eq!(header, FrameHeader::Piece { block, header_len: 13 });
        assert_eq!(header.total_len(), Some(16397));
    }

    #[test]
    fn a_keep_alive_needs_no_fifth_byte() {
        assert_eq!(FrameHeader::peek(&[0; 4], &LIMITS), Ok(FrameHeader::KeepAlive));
        assert_eq!(FrameHeader::KeepAlive.total_len(), Some(4));
    }

    #[test]
    fn lengths_are_checked_by_type() {
        let fixed =
            [(0, 1), (1, 1), (2, 1), (3, 1), (4, 5), (5, 3), (6, 13), (8, 13), (9, 3), (13, 5), (14, 1)];
        let more = [(15, 1), (16, 13), (17, 5), (21, 49), (23, 49)];
        for (id, len) in fixed.into_iter().chain(more) {
            assert_eq!(peek(len, id), Ok(FrameHeader::Whole { id: MessageId(id), len: len as usize }));
            for wrong in [len - 1, len + 1, u32::MAX] {
                let allowed = Allowed::Exactly(len);
                if wrong > 0 {
                    assert_eq!(peek(wrong, id), Err(Error::Len { id: MessageId(id), len: wrong, allowed }));
                }
            }
        }
    }

    #[test]
    fn open_lengths_are_bounded() {
        for (id, good, bad) in [
            (20, vec![2, 1000], vec![1, 1001, u32::MAX]),
            (22, vec![49, 81, 977], vec![1, 48, 50, 80, 1009, u32::MAX]),
            (99, vec![1, 1000], vec![1001, u32::MAX]),
            (7, vec![9, 10, 16393], vec![1, 8, 16394, u32::MAX]),
        ] {
            assert!(good.iter().all(|&len| peek(len, id).is_ok()), "{id}");
            assert!(bad.iter().all(|&len| peek(len, id).is_err()), "{id}");
        }
    }

    #[test]
    fn a_bitfield_has_bounds_before_the_pieces_are_known() {
        let limits = FrameLimits { pieces: None, ..LIMITS };
        let peek = |len: u32| FrameHeader::peek(&[&len.to_be_bytes()[..], &[5]].concat(), &limits);
        assert!(peek(1 + 0x20_0000 / 8).is_ok());
        let error = peek(2 + 0x20_0000 / 8).unwrap_err();
        assert_eq!(error.to_string(), "bitfield message of 262146 bytes, allowed: 1 to 262145");
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(buf: [u8; 13], n in 0usize..=13, pieces: Option<u32>, block_len: u32, message_len: u32) {
            let limits = FrameLimits { pieces, block_len, message_len };
            if let Ok(FrameHeader::NeedMore { len }) = FrameHeader::peek(&buf[..n], &limits) {
                prop_assert!(len > n);
            }
        }
    }
}
