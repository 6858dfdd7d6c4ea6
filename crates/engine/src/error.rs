//! Who is to blame, and what follows from it.

use std::fmt;

/// Who made it go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Blame {
    /// The peer broke a rule that honest clients keep.
    Misbehaved,
    /// The peer follows other rules than ours.
    Incompatible,
    /// The bytes are no message.
    InvalidBytes,
    /// Our caller.
    Misuse,
    /// The network, the disk, or time.
    Environment,
}

/// A rule a peer broke.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// No handshake of the BitTorrent protocol.
    NotBitTorrent,
    /// A handshake for a torrent that we don't serve.
    UnknownInfoHash,
    /// A message that does not parse or is over its limit.
    BadMessage,
    /// A bitfield, have-all or have-none that is no first message, or does not fit the torrent.
    BadBitfield,
    /// A piece number beyond the torrent.
    PieceOutOfRange,
    /// A request outside its piece, empty, or too long.
    BadRequest,
    /// Requests without end while choked, or beyond the queue.
    RequestFlood,
    /// Messages without use, over and over.
    MessageFlood,
    /// Data never asked for, over and over.
    UnaskedData,
    /// A message of an extension that was not agreed on.
    NotNegotiated,
    /// Metadata that contradicts what the peer itself said of it (BEP 9).
    BadMetadata,
    /// Data that failed its hash.
    CorruptData,
}

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Disconnect {
    /// The peer broke a rule.
    Fault(Fault),
    /// The other end closed.
    ByPeer,
    /// The socket failed.
    Network,
    /// No handshake in time.
    HandshakeTimeout,
    /// Silence for too long.
    Idle,
    /// It does not read what we send, so that more and more waits for it.
    Unread,
    /// It is ourselves.
    Ourselves,
    /// There is another connection to the same peer.
    Duplicate,
    /// Neither side has anything for the other.
    Useless,
    /// No slot is left, or a better peer took it.
    Full,
    /// The address is banned or on the blocklist.
    Banned,
    /// The torrent is paused, removed, went to another tracker (BEP 27), or the client closes.
    Stopped,
    /// Our disk failed after the header of a block was sent.
    Disk,
}

impl Fault {
    /// Who is to blame.
    pub const fn blame(self) -> Blame {
        match self {
            Fault::NotBitTorrent | Fault::BadMessage => Blame::InvalidBytes,
            Fault::UnknownInfoHash | Fault::NotNegotiated => Blame::Incompatible,
            Fault::BadBitfield
            | Fault::PieceOutOfRange
            | Fault::BadRequest
            | Fault::RequestFlood
            | Fault::MessageFlood
            | Fault::UnaskedData
            | Fault::BadMetadata
            | Fault::CorruptData => Blame::Misbehaved,
        }
    }
}

impl Disconnect {
    /// Who is to blame.
    pub const fn blame(self) -> Blame {
        match self {
            Disconnect::Fault(fault) => fault.blame(),
            _ => Blame::Environment,
        }
    }

    /// Whether the address is worth another try later.
    pub const fn may_retry(self) -> bool {
        !matches!(self, Disconnect::Ourselves | Disconnect::Banned | Disconnect::Duplicate)
            && !matches!(self.blame(), Blame::InvalidBytes | Blame::Incompatible)
    }

    /// A stable code, the same in the API and in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Disconnect::Fault(fault) => match fault {
                Fault::NotBitTorrent => "not_bittorrent",
                Fault::UnknownInfoHash => "unknown_info_hash",
                Fault::BadMessage => "bad_message",
                Fault::BadBitfield => "bad_bitfield",
                Fault::PieceOutOfRange => "piece_out_of_range",
                Fault::BadRequest => "bad_request",
                Fault::RequestFlood => "request_flood",
                Fault::MessageFlood => "message_flood",
                Fault::UnaskedData => "unasked_data",
                Fault::NotNegotiated => "not_negotiated",
                Fault::BadMetadata => "bad_metadata",
                Fault::CorruptData => "corrupt_data",
            },
            Disconnect::ByPeer => "closed_by_peer",
            Disconnect::Network => "network",
            Disconnect::HandshakeTimeout => "handshake_timeout",
            Disconnect::Idle => "idle",
            Disconnect::Unread => "unread",
            Disconnect::Ourselves => "ourselves",
            Disconnect::Duplicate => "duplicate",
            Disconnect::Useless => "useless",
            Disconnect::Full => "full",
            Disconnect::Banned => "banned",
            Disconnect::Stopped => "stopped",
            Disconnect::Disk => "disk",
        }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disconnect::Fault(fault) => return fault.fmt(f),
            Disconnect::ByPeer => "the peer closed the connection",
            Disconnect::Network => "the network failed",
            Disconnect::HandshakeTimeout => "no handshake in time",
            Disconnect::Idle => "silent for too long",
            Disconnect::Unread => "it does not read what we send",
            Disconnect::Ourselves => "it is ourselves",
            Disconnect::Duplicate => "there is another connection to this peer",
            Disconnect::Useless => "neither side has anything for the other",
            Disconnect::Full => "no slot left",
            Disconnect::Banned => "the address is banned",
            Disconnect::Stopped => "the torrent stopped",
            Disconnect::Disk => "our disk failed",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::NotBitTorrent => "it does not speak BitTorrent",
            Fault::UnknownInfoHash => "it named another torrent in its handshake",
            Fault::BadMessage => "it sent a message that does not parse or is too long",
            Fault::BadBitfield => "it sent a bitfield that does not fit",
            Fault::PieceOutOfRange => "it named a piece beyond the torrent",
            Fault::BadRequest => "it asked for bytes outside a piece",
            Fault::RequestFlood => "it flooded us with requests",
            Fault::MessageFlood => "it flooded us with useless messages",
            Fault::UnaskedData => "it keeps sending data never asked for",
            Fault::NotNegotiated => "it used an extension that was not agreed on",
            Fault::BadMetadata => "it sent metadata that contradicts itself",
            Fault::CorruptData => "it sent corrupt data",
        })
    }
}

impl std::error::Error for Fault {}
