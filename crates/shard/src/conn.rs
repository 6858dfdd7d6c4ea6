//! One connection.

use std::net::SocketAddr;

use engine::{ConnId, Origin, TorrentId};
use types::Time;
use wire::Handshake;

use crate::gates::Turns;
use crate::handshake::State;
use crate::inbound::Inbound;
use crate::lobby::Guest;
use crate::outbound::Outbound;

/// One connection: what it is for, what comes in, what goes out.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) addr: SocketAddr,
    pub(crate) origin: Origin,
    pub(crate) stage: Stage,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    /// When its handshake has to be done.
    pub(crate) deadline: Time,
    /// What is left of its turns where rates are limited.
    pub(crate) download_turns: Turns,
    pub(crate) upload_turns: Turns,
    /// It waits in line for a buffer or for rate.
    pub(crate) recv_parked: bool,
    /// How many blocks the next read may bring, by what the last one brought.
    pub(crate) reach: usize,
    pub(crate) sender: Sender,
    /// Whether its blocks leave from where they are stored.
    pub(crate) in_place: bool,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Handshake(State),
    Open(TorrentId),
}

/// Who moves next on the sending side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    /// There was nothing to send.
    Idle,
    /// The caller knows that there is something, or that the socket is full.
    Told,
    /// It waits in line for rate.
    Parked,
}

impl Conn {
    pub(crate) fn new(addr: SocketAddr, origin: Origin, state: State, deadline: Time) -> Conn {
        Conn {
            addr,
            origin,
            stage: Stage::Handshake(state),
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            deadline,
            download_turns: Turns::default(),
            upload_turns: Turns::default(),
            recv_parked: false,
            // As after a read that brought nothing.
            reach: 2,
            sender: Sender::Idle,
            in_place: false,
        }
    }

    /// The torrent, where it is known.
    pub(crate) fn torrent(&self) -> Option<TorrentId> {
        match self.stage {
            Stage::Handshake(state) => state.torrent(),
            Stage::Open(id) => Some(id),
        }
    }

    /// How the lobby knows it.
    pub(crate) fn guest(&self, conn: ConnId) -> Guest {
        Guest { conn, addr: self.addr, origin: self.origin, deadline: self.deadline }
    }

    /// Whether it is not through its handshake.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Handshake(_))
    }

    /// Whether it is not open yet.
    pub(crate) fn is_dialing(&self) -> bool {
        matches!(self.stage, Stage::Handshake(State::Dialing(_)))
    }

    /// How much may be read beyond the block in arrival: no byte beyond a handshake, so that a connection can
    /// be handed to another shard with all it said.
    pub(crate) fn read_limit(&self) -> usize {
        match self.stage {
            // Any byte is one too many.
            Stage::Handshake(State::Ourselves(_)) => 1,
            Stage::Handshake(_) => Handshake::LEN.saturating_sub(self.inbound.gathered_len()),
            Stage::Open(_) => usize::MAX,
        }
    }
}
