//! Connections on their way out: our own TCP, and those that an embedder's dialer opens.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use engine::ConnId;
use net::tcp::DialOptions;
use tokio::task::AbortHandle;
use types::Time;

use super::driver::Driver;
use super::{ToShard, is_blocked};
use crate::transport::{DialRequest, PeerStream};

/// Dials of the embedder that have not been answered.
#[derive(Debug, Default)]
pub(super) struct Dials {
    under_way: BTreeMap<ConnId, UnderWay>,
    /// The number of the next one: a shard that is built anew uses its connections' names again.
    next: u64,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    until: Time,
    addr: SocketAddr,
    task: AbortHandle,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // One that has ended does not mind.
        self.task.abort();
    }
}

impl Dials {
    /// A dial that nobody wants any more. Dropping it ends its task.
    pub(super) fn cancel(&mut self, conn: ConnId) -> bool {
        self.under_way.remove(&conn).is_some()
    }

    /// All of them are given up.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
    }

    /// The dial of this number, unless it was given up.
    fn take(&mut self, conn: ConnId, number: u64) -> Option<UnderWay> {
        self.under_way.get(&conn).filter(|dial| dial.number == number)?;
        self.under_way.remove(&conn)
    }

    fn overdue(&self, now: Time) -> Vec<ConnId> {
        let overdue = self.under_way.iter().filter(|(_, dial)| dial.until.is_due(now));
        overdue.map(|(conn, _)| *conn).collect()
    }

    /// When the next one's time is over.
    pub(super) fn next_timeout(&self) -> Time {
        self.under_way.values().map(|dial| dial.until).min().unwrap_or(Time::NEVER)
    }
}

impl Driver {
    /// The shard wants a connection.
    pub(super) fn dial(&mut self, conn: ConnId, addr: SocketAddr, punch: bool) {
        let mut options = self.shared.dial;
        options.from_port = self.shared.listen_port.filter(|_| punch);
        let begun = match () {
            () if is_blocked(self.shared.blocklist.as_ref(), addr) => false,
            () if self.shared.dialer.is_some() => self.dial_own(conn, addr, options),
            () => net::tcp::dial(addr, &options)
                .is_ok_and(|stream| self.connecting(conn, addr, PeerStream::begun(stream), self.patience())),
        };
        if !begun {
            self.with_shard(|shard, now| shard.connect_failed(now, conn));
        }
    }

    /// Until when a dial that begins now may take.
    fn patience(&self) -> Time {
        self.shared.clock.now() + self.shared.dial_timeout
    }

    /// Asks the embedder's dialer. False where the address is not to be dialed at all.
    fn dial_own(&mut self, conn: ConnId, addr: SocketAddr, options: DialOptions) -> bool {
        let Some(dialer) = self.shared.dialer.as_ref().filter(|_| options.allow(addr)) else { return false };
        let Some(us) = self.outside.shards.get(self.index).cloned() else { return false };
        let number = self.dials.next;
        let task = dialer.begin(DialRequest::new(addr, options), move |result| {
            us.tell(ToShard::Dialed { conn, number, result });
        });
        self.dials.next += 1;
        let until = self.patience();
        self.dials.under_way.insert(conn, UnderWay { number, until, addr, task });
        true
    }

    /// The embedder's dialer has answered.
    pub(super) fn dial_answered(&mut self, conn: ConnId, number: u64, result: io::Result<PeerStream>) {
        // One that comes too late is closed.
        let Some(dial) = self.dials.take(conn, number) else { return };
        let (addr, until) = (dial.addr, dial.until);
        let open = match result {
            Ok(stream) => self.connecting(conn, addr, stream, until),
            Err(error) => {
                tracing::debug!(%addr, %error, "the dialer gave up");
                false
            }
        };
        if !open {
            self.with_shard(|shard, now| shard.connect_failed(now, conn));
        }
    }

    /// Waits until a socket is open. False where it can't be used.
    fn connecting(&mut self, conn: ConnId, addr: SocketAddr, stream: PeerStream, until: Time) -> bool {
        let Ok(stream) = stream.into_stream(addr) else { return false };
        self.connections.insert(self.poll.registry(), conn, addr, stream, Some(until))
    }

    /// A dialed socket has news.
    pub(super) fn dialed(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get(conn) else { return };
        match connection.stream.is_connected() {
            Ok(false) => {}
            Ok(true) => {
                self.connections.opened(conn);
                self.with_shard(|shard, now| shard.connected(now, conn));
            }
            Err(_) => self.dial_failed(conn),
        }
    }

    fn dial_failed(&mut self, conn: ConnId) {
        self.drop_connection(conn);
        self.with_shard(|shard, now| shard.connect_failed(now, conn));
    }

    /// Nobody wants this connection any more.
    pub(super) fn drop_connection(&mut self, conn: ConnId) {
        self.connections.remove(self.poll.registry(), conn);
        self.dials.cancel(conn);
    }

    /// Gives up dials that take too long.
    pub(super) fn overdue(&mut self) {
        let now = self.shared.clock.now();
        for conn in self.connections.overdue(now).into_iter().chain(self.dials.overdue(now)) {
            self.dial_failed(conn);
        }
    }
}
