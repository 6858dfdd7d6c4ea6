//! The messages themselves (BEP 3, 5, 6, 10, 52).

use types::{BlockRef, PieceIndex};

use crate::frame::{self, PREFIX_LEN};
use crate::{Error, HashRange, MessageId};

/// A message of the peer wire, borrowed from its bytes.
///
/// Every value that is decoded has the length its type demands. Numbers are as the peer sent them: whether there is such
/// a piece is for [`types::Geometry`] to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// No content; keeps the connection open (BEP 3).
    KeepAlive,
    /// Requests are no longer served (BEP 3).
    Choke,
    /// Requests are served (BEP 3).
    Unchoke,
    /// The sender wants what we have (BEP 3).
    Interested,
    /// The sender wants nothing we have (BEP 3).
    NotInterested,
    /// The sender now has this piece (BEP 3).
    Have(PieceIndex),
    /// The pieces that the sender has, as [`types::Bitfield::from_bytes`] reads them (BEP 3).
    Bitfield(&'a [u8]),
    /// The sender wants these bytes (BEP 3).
    Request(BlockRef),
    /// Bytes that were asked for (BEP 3).
    Piece {
        /// What they are; its length is that of `data`.
        block: BlockRef,
        /// The bytes.
        data: &'a [u8],
    },
    /// The sender no longer wants these bytes (BEP 3).
    Cancel(BlockRef),
    /// The UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// A piece that the sender would like to serve (BEP 6).
    Suggest(PieceIndex),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// This request won't be served (BEP 6).
    Reject(BlockRef),
    /// A piece that is served even when choked (BEP 6).
    AllowedFast(PieceIndex),
    /// The sender wants hashes of a file's tree (BEP 52).
    HashRequest(HashRange),
    /// Hashes that were asked for (BEP 52).
    Hashes {
        /// Which ones they are, as in the request.
        range: HashRange,
        /// 32 bytes each: the run, then the proof from the bottom up.
        hashes: &'a [u8],
    },
    /// This hash request won't be served (BEP 52).
    HashReject(HashRange),
    /// A message of an extension (BEP 10).
    Extended {
        /// Which extension: 0 is the extended handshake, others as the receiver's own handshake says.
        id: u8,
        /// Its content.
        payload: &'a [u8],
    },
    /// A message of a type that is not known here.
    Unknown {
        /// Its type.
        id: MessageId,
        /// What follows the type.
        payload: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// A piece message of `data`, whose length goes into the block.
    ///
    /// Data over `u32::MAX - 9` bytes fits no frame; there is no such block.
    pub fn piece(piece: PieceIndex, begin: u32, data: &'a [u8]) -> Message<'a> {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        Message::Piece { block: BlockRef { piece, begin, len }, data }
    }

    /// Reads a whole message: what follows the four bytes of its length. No bytes at all are a keep-alive.
    ///
    /// It takes a bitfield, piece or extended message of any length; [`FrameHeader`](crate::FrameHeader) is what bounds
    /// them.
    ///
    /// # Errors
    /// [`Error::Len`] where the length is not one that the type allows.
    pub fn decode(frame: &'a [u8]) -> Result<Message<'a>, Error> {
        let Some((&id, body)) = frame.split_first() else { return Ok(Message::KeepAlive) };
        let id = MessageId(id);
        let bad_len = || {
            let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            Error::Len { id, len, allowed: frame::lengths(id, u32::MAX) }
        };
        decode_body(id, body).ok_or_else(bad_len)
    }

    /// The type; none for a keep-alive.
    pub fn id(&self) -> Option<MessageId> {
        Some(match self {
            Message::KeepAlive => return None,
            Message::Choke => MessageId::CHOKE,
            Message::Unchoke => MessageId::UNCHOKE,
            Message::Interested => MessageId::INTERESTED,
            Message::NotInterested => MessageId::NOT_INTERESTED,
            Message::Have(_) => MessageId::HAVE,
            Message::Bitfield(_) => MessageId::BITFIELD,
            Message::Request(_) => MessageId::REQUEST,
            Message::Piece { .. } => MessageId::PIECE,
            Message::Cancel(_) => MessageId::CANCEL,
            Message::Port(_) => MessageId::PORT,
            Message::Suggest(_) => MessageId::SUGGEST,
            Message::HaveAll => MessageId::HAVE_ALL,
            Message::HaveNone => MessageId::HAVE_NONE,
            Message::Reject(_) => MessageId::REJECT,
            Message::AllowedFast(_) => MessageId::ALLOWED_FAST,
            Message::HashRequest(_) => MessageId::HASH_REQUEST,
            Message::Hashes { .. } => MessageId::HASHES,
            Message::HashReject(_) => MessageId::HASH_REJECT,
            Message::Extended { .. } => MessageId::EXTENDED,
            Message::Unknown { id, .. } => *id,
        })
    }

    /// Length on the wire with the prefix, in bytes.
    pub fn encoded_len(&self) -> usize {
        let body = match self {
            Message::KeepAlive => return PREFIX_LEN,
            Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::HaveAll
            | Message::HaveNone => 0,
            Message::Port(_) => 2,
            Message::Have(_) | Message::Suggest(_) | Message::AllowedFast(_) => 4,
            Message::Request(_) | Message::Cancel(_) | Message::Reject(_) => 12,
            Message::Bitfield(bytes) => bytes.len(),
            Message::Piece { data, .. } => 8 + data.len(),
            Message::HashRequest(_) | Message::HashReject(_) => HashRange::LEN,
            Message::Hashes { hashes, .. } => HashRange::LEN + hashes.len(),
            Message::Extended { payload, .. } => 1 + payload.len(),
            Message::Unknown { payload, .. } => payload.len(),
        };
        PREFIX_LEN + 1 + body
    }

    /// Appends the message with its prefix to `out`.
    ///
    /// A payload over 4 GiB fits no frame; its encoding is none that a peer can read.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let len = self.encoded_len();
        out.reserve(len);
        out.extend_from_slice(&u32::try_from(len - PREFIX_LEN).unwrap_or(u32::MAX).to_be_bytes());
        let Some(id) = self.id() else { return };
        out.push(id.0);
        match self {
            Message::KeepAlive
            | Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::HaveAll
            | Message::HaveNone => {}
            Message::Port(port) => out.extend_from_slice(&port.to_be_bytes()),
            Message::Have(piece) | Message::Suggest(piece) | Message::AllowedFast(piece) => {
                out.extend_from_slice(&piece.0.to_be_bytes());
            }
            Message::Request(run) | Message::Cancel(run) | Message::Reject(run) => {
                write_numbers(out, [run.piece.0, run.begin, run.len]);
            }
            Message::Bitfield(bytes) => out.extend_from_slice(bytes),
            Message::Piece { block, data } => {
                write_numbers(out, [block.piece.0, block.begin]);
                out.extend_from_slice(data);
            }
            Message::HashRequest(range) | Message::HashReject(range) => range.write(out),
            Message::Hashes { range, hashes } => {
                range.write(out);
                out.extend_from_slice(hashes);
            }
            Message::Extended { id, payload } => {
                out.push(*id);
                out.extend_from_slice(payload);
            }
            Message::Unknown { payload, .. } => out.extend_from_slice(payload),
        }
    }

    /// The message with its prefix, in a vector of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn write_numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u32; N]) {
    numbers.iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
}

/// Nothing where the length does not fit the type.
fn decode_body(id: MessageId, body: &[u8]) -> Option<Message<'_>> {
    let empty = |message| body.is_empty().then_some(message);
    let piece = || Some(PieceIndex(u32::from_be_bytes(body.try_into().ok()?)));
    let run = || {
        let &[a, b, c, d, e, f, g, h, i, j, k, l] = body.first_chunk::<12>()?;
        (body.len() == 12).then_some(BlockRef {
            piece: PieceIndex(u32::from_be_bytes([a, b, c, d])),
            begin: u32::from_be_bytes([e, f, g, h]),
            len: u32::from_be_bytes([i, j, k, l]),
        })
    };
    let range = || Some(HashRange::read(body.try_into().ok()?));
    match id {
        MessageId::CHOKE => empty(Message::Choke),
        MessageId::UNCHOKE => empty(Message::Unchoke),
        MessageId::INTERESTED => empty(Message::Interested),
        MessageId::NOT_INTERESTED => empty(Message::NotInterested),
        MessageId::HAVE_ALL => empty(Message::HaveAll),
        MessageId::HAVE_NONE => empty(Message::HaveNone),
        MessageId::HAVE => piece().map(Message::Have),
        MessageId::SUGGEST => piece().map(Message::Suggest),
        MessageId::ALLOWED_FAST => piece().map(Message::AllowedFast),
        MessageId::REQUEST => run().map(Message::Request),
        MessageId::CANCEL => run().map(Message::Cancel),
        MessageId::REJECT => run().map(Message::Reject),
        MessageId::BITFIELD => Some(Message::Bitfield(body)),
        MessageId::PIECE => decode_piece(body),
        MessageId::PORT => body.try_into().ok().map(u16::from_be_bytes).map(Message::Port),
        MessageId::HASH_REQUEST => range().map(Message::HashRequest),
        MessageId::HASH_REJECT => range().map(Message::HashReject),
        MessageId::HASHES => {
            let (range, hashes) = body.split_first_chunk()?;
            let whole = hashes.len().is_multiple_of(HashRange::HASH_LEN);
            whole.then_some(Message::Hashes { range: HashRange::read(range), hashes })
        }
        MessageId::EXTENDED => body.split_first().map(|(&id, payload)| Message::Extended { id, payload }),
        _ => Some(Message::Unknown { id, payload: body }),
    }
}

fn decode_piece(body: &[u8]) -> Option<Message<'_>> {
    let (&[a, b, c, d, e, f, g, h], data) = body.split_first_chunk::<8>()?;
    let (piece, begin) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    Some(Message::piece(PieceIndex(piece), begin, data))
}
