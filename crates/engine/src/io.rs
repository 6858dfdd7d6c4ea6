//! What goes into a torrent's brain and what comes out.

use std::net::SocketAddr;
use std::sync::Arc;

use metainfo::Mismatch;
use types::{BlockRef, PeerId, PeerSource, PieceIndex, Time};
use wire::{Message, Reserved};

use crate::{ConnId, Content, Demand, Disconnect, Order, Priority, UploadMode};

/// Who opened a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// We did.
    Dialed,
    /// The peer did.
    Accepted,
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Addresses of the swarm, to be tried as slots allow.
    Addresses {
        /// Where they were learned.
        source: PeerSource,
        /// Addresses with a port that is not 0.
        addrs: &'a [SocketAddr],
    },
    /// A dialed address did not answer, refused, or failed its handshake before [`Input::Connected`].
    DialFailed {
        /// The address of [`Output::Dial`].
        addr: SocketAddr,
        /// Why; it decides whether the address is worth another try.
        why: Disconnect,
    },
    /// Both handshakes are done and name this torrent.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Its remote end.
        addr: SocketAddr,
        /// Who opened it.
        origin: Origin,
        /// What the peer can do (BEP 4).
        reserved: Reserved,
        /// What the peer calls itself.
        peer_id: PeerId,
    },
    /// The connection is gone, whoever closed it. Not sent for one that [`Output::Disconnect`] named.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why, as far as the data path knows.
        why: Disconnect,
    },
    /// A message other than a piece.
    Message {
        /// The connection.
        conn: ConnId,
        /// The message.
        message: Message<'a>,
    },
    /// A block that [`Torrent::expect_block`](crate::Torrent::expect_block) took has arrived whole.
    BlockReceived {
        /// The connection.
        conn: ConnId,
        /// The block.
        block: BlockRef,
    },
    /// A block of [`Output::SendBlock`] has left through the socket.
    BlockSent {
        /// The connection.
        conn: ConnId,
        /// The block.
        block: BlockRef,
    },
    /// A block of [`Output::SendBlock`] could not be read; it was not sent.
    BlockUnreadable {
        /// The connection.
        conn: ConnId,
        /// The block.
        block: BlockRef,
    },
    /// The piece passed its hash and is stored: it may be announced and served.
    PieceStored {
        /// The piece.
        piece: PieceIndex,
    },
    /// The piece failed its hash; its old writes have drained and it may be picked again.
    PieceFailed {
        /// The piece.
        piece: PieceIndex,
        /// Which hash it failed, or that its torrent can't be right.
        why: Mismatch,
        /// Some of what was hashed was read back from the disk, so that no sender is convicted by it.
        read_back: bool,
    },
    /// A piece that failed before has passed its hash, which tells whose blocks were wrong then.
    /// [`Input::PieceStored`] follows.
    PieceJudged {
        /// The piece.
        piece: PieceIndex,
        /// The connections that sent a block that differs, whether they are still open or not. The other
        /// senders of the piece are cleared.
        guilty: &'a [ConnId],
    },
    /// What is stored of a piece is in doubt: a block of it can't be read, or a sync failed that was to cover
    /// it. The data path hashes it again as soon as that can be done and answers with [`Input::PieceStored`]
    /// or [`Input::PieceFailed`]; until then it is neither served nor fetched.
    PieceDoubtful {
        /// The piece.
        piece: PieceIndex,
        /// What the disk said.
        why: &'a DiskTrouble,
    },
    /// Everything that was queued for a connection before [`Output::Flush`] has left through the socket.
    Flushed {
        /// The connection.
        conn: ConnId,
    },
    /// The disk refuses to work: stop asking the swarm.
    DiskTrouble(&'a DiskTrouble),
    /// The disk works again.
    DiskClear,
    /// What the user wants.
    Command(Command),
    /// The deadline of [`Output::Wait`] has come.
    Timer,
}

/// A disk that is full, read-only, gone or broken, in words for the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskTrouble {
    /// A stable code such as `disk_full`, the same in the API, in JSON and behind the exit codes.
    pub code: &'static str,
    /// One sentence that names the path and what to do.
    pub message: Arc<str>,
}

/// What the user wants of a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Connect, download and serve.
    Start,
    /// Close all connections and stay quiet.
    Pause,
    /// Download exactly the pieces set here (the rest is neither asked for nor counted as missing).
    Want(types::Bitfield),
    /// How much these pieces are wanted; [`Priority::NONE`] is not at all. The others stay as they are.
    Prioritize(Arc<[(PieceIndex, Priority)]>),
    /// What a reader waits for. It goes before everything else, and is fetched even where it is not wanted.
    Demand(Demand),
    /// The order of pieces among equals.
    Order(Order),
    /// Whether peers are served.
    Upload(UploadMode),
    /// As a seed look as if nothing were here, and give each piece to one peer first (BEP 16), or no more.
    /// Who is connected knows already what is here.
    SuperSeed(bool),
    /// Download only in order to upload: a few rare pieces at a time, while others want them more than once, or
    /// what is wanted again.
    ShareMode(bool),
    /// Replaces the set of verified pieces, after a recheck. Peers are told only of what is new.
    Have(types::Bitfield),
    /// Most connections of this torrent.
    MaxPeers(u32),
    /// A private torrent went to another tracker: every peer goes, and every address that the user did not
    /// name is forgotten, dials under way included, so that no bridge is left between the two swarms
    /// (BEP 27).
    ForgetPeers,
    /// The torrent's files are known now: everything that waited for that begins. Peers stay connected. A
    /// torrent that has its content already ignores it.
    Content(Box<Content>),
    /// Sends a message of a user's extension (BEP 10). Peers that don't understand it, or have no room, get
    /// nothing.
    Extension {
        /// To this peer; to everyone where none is named.
        to: Option<SocketAddr>,
        /// One of [`Config::extensions`](crate::Config::extensions).
        name: Arc<str>,
        /// At most 64 KiB; a longer one is not sent.
        payload: Arc<[u8]>,
    },
}

/// What a block whose header arrived is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// Asked for and missing: keep it.
    Take,
    /// Asked for, but no longer of use (another copy came first, or the disk is in trouble): read it past.
    Skip,
    /// Never asked for: read it past; the peer pays for it.
    Unasked,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Open a connection. Answered by [`Input::Connected`] or [`Input::DialFailed`].
    Dial {
        /// Where to.
        addr: SocketAddr,
    },
    /// The same from the port that we listen on, where that can be done: the other end dials us at this
    /// moment, and what we send opens the way through a NAT (BEP 55).
    Punch {
        /// Where to.
        addr: SocketAddr,
    },
    /// Send these framed messages, in order with [`Output::SendBlock`] of the same connection.
    Send {
        /// The connection.
        conn: ConnId,
        /// One or more whole messages.
        bytes: Vec<u8>,
    },
    /// Send a piece message with this verified block. Answered by [`Input::BlockSent`] or
    /// [`Input::BlockUnreadable`], unless the connection closes.
    SendBlock {
        /// The connection.
        conn: ConnId,
        /// The block, inside one piece that we have.
        block: BlockRef,
    },
    /// Say by [`Input::Flushed`] when everything that was queued for this connection so far has left, unless
    /// it closes.
    Flush {
        /// The connection.
        conn: ConnId,
    },
    /// Close the connection and forget it.
    Disconnect {
        /// The connection.
        conn: ConnId,
        /// Why, in typed words.
        why: Disconnect,
    },
    /// Something a user may want to know.
    Event(Event),
    /// Nothing more to do before this moment, unless there is input.
    Wait(Time, WaitReason),
}

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum WaitReason {
    /// Nothing is waited for.
    Idle,
    /// The next look at slots and choking.
    Choke,
    /// A request, a silent peer, or a keep-alive.
    Peer,
    /// The next dial.
    Dial,
    /// A disk that may work again.
    Disk,
    /// Bytes may pass again.
    Rate,
}

/// Something a user may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A piece is verified and stored.
    PieceCompleted(PieceIndex),
    /// A piece failed its hash.
    PieceFailed(PieceIndex),
    /// What is stored of a piece is in doubt and is hashed again; if it was complete, it is not any more
    /// until then.
    PieceDoubtful {
        /// The piece.
        piece: PieceIndex,
        /// What the disk said.
        trouble: DiskTrouble,
    },
    /// The torrent's own hashes contradict each other: it can never be completed, and nothing is asked for
    /// any more. Told again by each [`Command::Start`].
    Contradictory(Mismatch),
    /// Every wanted piece is here.
    Completed,
    /// A peer joined.
    PeerConnected {
        /// Its address.
        addr: SocketAddr,
    },
    /// A peer left.
    PeerDisconnected {
        /// Its address.
        addr: SocketAddr,
        /// Why, where we know.
        why: Disconnect,
    },
    /// A peer that the user named ([`PeerSource::Manual`]) is of no use: it can't be reached, does not let us
    /// in, or broke a rule. It is tried again with a growing wait, but for a peer that speaks something else
    /// or does not have the torrent.
    PeerUseless {
        /// Its address.
        addr: SocketAddr,
        /// Why.
        why: Disconnect,
    },
    /// An address sent corrupt data and is shut out for a while.
    PeerBanned {
        /// Its address.
        addr: SocketAddr,
    },
    /// The info dictionary has come from peers, and its hash is right: whoever added the torrent without it
    /// reads it and answers with [`Command::Content`].
    Metadata(Arc<[u8]>),
    /// A peer's first extended handshake has come: these extensions of the user it understands (BEP 10).
    Extensions {
        /// Its address.
        addr: SocketAddr,
        /// Their names.
        names: Vec<Arc<str>>,
    },
    /// A message of a user's extension (BEP 10).
    Extension {
        /// The sender's address.
        addr: SocketAddr,
        /// One of [`Config::extensions`](crate::Config::extensions).
        name: Arc<str>,
        /// At most 64 KiB, and in a second no more than that from one peer.
        payload: Arc<[u8]>,
    },
    /// The disk stopped the download.
    DiskTrouble(DiskTrouble),
    /// The disk works again.
    DiskRecovered,
}
