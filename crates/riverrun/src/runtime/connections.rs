//! The sockets of one shard.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use engine::ConnId;
use mio::{Registry, Token};
use net::tcp::Stream;
use types::Time;

/// The token of the thread's waker.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Listeners have the tokens below the waker's.
const LISTENERS: usize = 16;

/// The token of a listener.
pub(super) fn listener_token(number: usize) -> Token {
    Token(usize::MAX - 1 - number.min(LISTENERS - 1))
}

/// Which listener a token is of.
pub(super) fn listener_of(token: Token) -> Option<usize> {
    (token.0 >= usize::MAX - LISTENERS && token != WAKER).then(|| usize::MAX - 1 - token.0)
}

/// A socket and how far it is.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) stream: Box<dyn Stream>,
    pub(super) addr: SocketAddr,
    /// A dial under way, until when it may take.
    pub(super) connecting: Option<Time>,
    /// It came from another shard; it is not handed on again.
    pub(super) adopted: bool,
    pub(super) readable: bool,
    pub(super) writable: bool,
    in_reads: bool,
    in_sends: bool,
}

/// All connections of one shard by their slot, and those that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Option<Connection>>,
    reads: VecDeque<ConnId>,
    sends: VecDeque<ConnId>,
    dials: BTreeSet<(Time, ConnId)>,
}

impl Connections {
    /// Takes a socket in and begins to poll it. False where the poller refuses it: it is dropped.
    pub(super) fn insert(
        &mut self,
        registry: &Registry,
        conn: ConnId,
        addr: SocketAddr,
        mut stream: Box<dyn Stream>,
        connecting: Option<Time>,
    ) -> bool {
        if stream.register(registry, Token(conn.slot())).is_err() {
            return false;
        }
        if self.slots.len() <= conn.slot() {
            self.slots.resize_with(conn.slot() + 1, || None);
        }
        // The shard may have given the slot on before its word to close came.
        if let Some(Connection { id, connecting: Some(until), .. }) = self.slots[conn.slot()].take() {
            self.dials.remove(&(until, id));
        }
        if let Some(until) = connecting {
            self.dials.insert((until, conn));
        }
        self.slots[conn.slot()] = Some(Connection {
            id: conn,
            stream,
            addr,
            connecting,
            adopted: false,
            readable: false,
            writable: false,
            in_reads: false,
            in_sends: false,
        });
        true
    }

    /// A connection's socket, unless it is gone.
    pub(super) fn get(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.slots.get_mut(conn.slot())?.as_mut().filter(|connection| connection.id == conn)
    }

    /// The socket that an event's token means.
    pub(super) fn by_token(&mut self, token: Token) -> Option<&mut Connection> {
        self.slots.get_mut(token.0)?.as_mut()
    }

    /// Lets a socket go. It closes when dropped.
    pub(super) fn remove(&mut self, registry: &Registry, conn: ConnId) -> Option<Connection> {
        self.get(conn)?;
        let mut connection = self.slots[conn.slot()].take()?;
        if let Some(until) = connection.connecting {
            self.dials.remove(&(until, conn));
        }
        // A descriptor that closes leaves its poller anyway.
        let _ = connection.stream.deregister(registry);
        Some(connection)
    }

    /// All of them, with where they lead and whether they are still being dialed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, SocketAddr, bool)> {
        self.slots.iter().flatten().map(|c| (c.id, c.addr, c.connecting.is_some()))
    }

    /// Lets all sockets go.
    pub(super) fn clear(&mut self) {
        *self = Connections::default();
    }

    /// A dialed socket is open.
    pub(super) fn opened(&mut self, conn: ConnId) {
        let Some(connection) = self.get(conn) else { return };
        if let Some(until) = connection.connecting.take() {
            self.dials.remove(&(until, conn));
        }
    }

    /// Puts a connection in the line of those to be read.
    pub(super) fn want_read(&mut self, conn: ConnId) {
        if let Some(connection) = self.get(conn)
            && !std::mem::replace(&mut connection.in_reads, true)
        {
            self.reads.push_back(conn);
        }
    }

    /// Puts a connection in the line of those to be written.
    pub(super) fn want_send(&mut self, conn: ConnId) {
        if let Some(connection) = self.get(conn)
            && !std::mem::replace(&mut connection.in_sends, true)
        {
            self.sends.push_back(conn);
        }
    }

    /// Everyone in the line of those to be read; whoever is not done joins the next one.
    pub(super) fn take_reads(&mut self) -> VecDeque<ConnId> {
        let line = std::mem::take(&mut self.reads);
        line.iter().for_each(|conn| {
            if let Some(connection) = self.get(*conn) {
                connection.in_reads = false;
            }
        });
        line
    }

    /// Everyone in the line of those to be written.
    pub(super) fn take_sends(&mut self) -> VecDeque<ConnId> {
        let line = std::mem::take(&mut self.sends);
        line.iter().for_each(|conn| {
            if let Some(connection) = self.get(*conn) {
                connection.in_sends = false;
            }
        });
        line
    }

    /// Whether somebody waits for a turn.
    pub(super) fn has_work(&self) -> bool {
        !self.reads.is_empty() || !self.sends.is_empty()
    }

    /// The dials whose time is over.
    pub(super) fn overdue(&self, now: Time) -> Vec<ConnId> {
        self.dials.iter().take_while(|(until, _)| until.is_due(now)).map(|(_, conn)| *conn).collect()
    }

    /// When the next dial's time is over.
    pub(super) fn next_timeout(&self) -> Time {
        self.dials.first().map_or(Time::NEVER, |(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_tokens_are_apart_from_the_waker_and_from_slots() {
        for number in 0..4 {
            assert_eq!(listener_of(listener_token(number)), Some(number));
        }
        assert_eq!(listener_of(WAKER), None);
        assert_eq!(listener_of(Token(70_000)), None);
    }
}
