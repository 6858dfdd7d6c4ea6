//! Bytes between sockets and the shard: accepting, reading, writing, handing on.

use std::io::{self, IoSlice, IoSliceMut};

use engine::ConnId;
use mio::Events;
use net::tcp::Stream;
use shard::{RecvOutcome, SendOutcome};
use types::InfoHash;

use super::driver::Driver;
use super::{connections, in_place};

/// Calls into one socket before the others get their turn. A read brings up to 512 KiB where blocks come one after the other:
/// 8 MiB at most.
const CALLS_PER_TURN: usize = 16;
/// Connections taken from a listener before the others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

impl Driver {
    /// Notes which sockets are ready.
    pub(super) fn collect(&mut self, events: &Events) {
        for event in events {
            if let Some(number) = connections::listener_of(event.token()) {
                self.listeners.set_ready(number);
                continue;
            }
            let Some(connection) = self.connections.by_token(event.token()) else { continue };
            let conn = connection.id;
            connection.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            connection.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
            if connection.connecting.is_some() {
                self.dialed(conn);
            }
            self.connections.want_read(conn);
            self.connections.want_send(conn);
        }
    }

    /// Takes in who waits at the listeners.
    pub(super) fn accept(&mut self) {
        let now = self.shared.clock.now();
        self.listeners.on_timer(now);
        for number in self.listeners.ready() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.cell.is_whole() {
                    return;
                }
                let Some(stream) = self.listeners.next(now, number) else { break };
                self.take_in(Box::new(stream), None);
            }
        }
    }

    /// Gives an open socket to the shard: one just accepted, or one handed off with what was read from it.
    pub(super) fn take_in(&mut self, stream: Box<dyn Stream>, bytes: Option<&[u8]>) {
        let addr = stream.peer_addr();
        if self.shared.blocklist.blocks(addr) {
            return;
        }
        let conn = self.with_shard(|shard, now| match bytes {
            None => shard.accept(now, addr),
            Some(bytes) => shard.adopt(now, addr, bytes),
        });
        let Some(Ok(conn)) = conn else { return };
        if !self.connections.insert(self.poll.registry(), conn, addr, stream, None) {
            self.with_shard(|shard, now| shard.connection_lost(now, conn));
        } else if let Some(connection) = self.connections.get(conn) {
            connection.adopted = bytes.is_some();
        }
    }

    /// Reads what can be read.
    pub(super) fn read_connections(&mut self) {
        for conn in self.connections.take_reads() {
            self.read_connection(conn);
        }
    }

    fn read_connection(&mut self, conn: ConnId) {
        for _ in 0..CALLS_PER_TURN {
            let Some(connection) = self.connections.get(conn) else { return };
            if connection.connecting.is_some() || !connection.readable {
                return;
            }
            let stream = connection.stream.as_mut();
            match self.cell.call(|shard, now| shard.recv(now, conn, |bufs| read(stream, bufs))) {
                Ok(RecvOutcome::More) => {}
                Ok(RecvOutcome::Empty) => {
                    connection.readable = false;
                    return;
                }
                Ok(RecvOutcome::Paused) => return,
                Ok(RecvOutcome::Closed) => {
                    self.connections.remove(self.poll.registry(), conn);
                    return;
                }
                Err(broken) => return self.broke(broken),
            }
        }
        self.connections.want_read(conn);
    }

    /// Sends what can be sent. True if anything was.
    pub(super) fn write_connections(&mut self) -> bool {
        let line = self.connections.take_sends();
        let mut any = false;
        for conn in line {
            any |= self.write_connection(conn);
        }
        any
    }

    fn write_connection(&mut self, conn: ConnId) -> bool {
        for call in 0..CALLS_PER_TURN {
            let Some(connection) = self.connections.get(conn) else { return call > 0 };
            if connection.connecting.is_some() || !connection.writable {
                return call > 0;
            }
            let (stream, disk) = (connection.stream.as_mut(), &self.shared.disk);
            let sent = self.cell.call(|shard, now| match stream.sends_files() {
                true => shard.send_parts(now, conn, |parts| in_place::send(disk, stream, parts)),
                false => shard.send(now, conn, |bufs| write(stream, bufs)),
            });
            match sent {
                Ok(SendOutcome::More) => {}
                Ok(SendOutcome::Idle) => return true,
                Ok(SendOutcome::Paused) => return call > 0,
                Ok(SendOutcome::Full) => {
                    connection.writable = false;
                    return call > 0;
                }
                Ok(SendOutcome::Closed) => {
                    self.connections.remove(self.poll.registry(), conn);
                    return true;
                }
                Err(broken) => {
                    self.broke(broken);
                    return false;
                }
            }
        }
        self.connections.want_send(conn);
        true
    }

    /// Gives a connection to the shard of the torrent it asks for. Nobody's connection is dropped, and so is
    /// one that was handed on before: its torrent is being removed.
    pub(super) fn hand_off(&mut self, conn: ConnId, info_hash: InfoHash, bytes: Vec<u8>) {
        let Some(connection) = self.connections.remove(self.poll.registry(), conn) else { return };
        // A panic in another thread can't leave a session half changed: it is only read and written whole.
        let found = self.shared.session.lock().unwrap_or_else(|e| e.into_inner()).find(info_hash);
        match found {
            Some((_, shard)) if !connection.adopted => {
                if let Some(other) = self.outside.shards.get(shard) {
                    other.adopt(connection.stream, bytes);
                }
            }
            _ => {
                let addr = connection.addr;
                tracing::debug!(%addr, %info_hash, "a peer asked for a torrent that is not here");
            }
        }
    }
}

fn read(stream: &mut dyn Stream, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    loop {
        match stream.read_vectored(bufs) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn write(stream: &mut dyn Stream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        match stream.write_vectored(bufs) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
