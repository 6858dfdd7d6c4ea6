//! Connections on their way out: our own TCP, and those that an embedder's dialer opens.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use engine::ConnId;
use mio::Waker;
use net::tcp::DialOptions;
use tokio::task::AbortHandle;
use types::Time;

use super::ToShard;
use super::driver::Driver;
use crate::transport::{DialBudget, DialRequest, PeerStream, Place, Seat};

/// Connections that are being opened.
#[derive(Debug)]
pub(super) struct Dials {
    budget: DialBudget,
    waker: Arc<Waker>,
    /// Places for dials that begin in this pass.
    funded: Vec<Place>,
    /// For those that wait for places.
    seat: Option<Seat>,
    /// The places of connections that are not open.
    places: BTreeMap<ConnId, Place>,
    /// Dials of the embedder that have not been answered.
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
    /// None yet. `waker` is called when a place is free.
    pub(super) fn new(budget: DialBudget, waker: Arc<Waker>) -> Dials {
        let (funded, places, under_way) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Dials { budget, waker, funded, seat: None, places, under_way, next: 0 }
    }

    /// A dial has ended, well or not: its place is free. What is under way of it is dropped, which ends its task.
    fn ended(&mut self, conn: ConnId) {
        self.places.remove(&conn);
        self.under_way.remove(&conn);
    }

    /// All of them are given up.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.places.clear();
        self.funded.clear();
        self.seat = None;
    }

    /// Gets places for so many dials, and gives back what was not used. Where there are fewer it waits in line.
    fn fund(&mut self, wanted: usize) -> usize {
        self.funded.clear();
        if let Some(seat) = self.seat.take().filter(|_| wanted > 0) {
            match seat.claim() {
                Ok(place) => self.funded.push(place),
                Err(seat) => {
                    self.seat = Some(seat);
                    return 0;
                }
            }
        }
        let missing = wanted - self.funded.len();
        self.funded.extend(std::iter::from_fn(|| self.budget.take()).take(missing));
        if self.funded.len() < wanted {
            self.seat = Some(self.budget.line_up(self.waker.clone()));
        }
        self.funded.len()
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
    /// Allows the dials for which there are places. False where none begins by that.
    pub(super) fn fund_dials(&mut self) -> bool {
        let waiting = self.with_shard(|shard, _| shard.dials_waiting()).unwrap_or(0);
        let funded = self.dials.fund(waiting);
        self.with_shard(|shard, _| shard.allow_dials(funded));
        funded > 0
    }

    /// The shard wants a connection.
    pub(super) fn dial(&mut self, conn: ConnId, addr: SocketAddr, punch: bool) {
        if let Some(place) = self.dials.funded.pop() {
            self.dials.places.insert(conn, place);
        }
        let mut options = self.shared.dial;
        options.from_port = self.shared.listen_port.filter(|_| punch);
        let begun = match () {
            () if self.shared.blocklist.blocks(addr) => Ok(false),
            () if self.shared.dialer.is_some() => Ok(self.dial_own(conn, addr, options)),
            () => net::tcp::dial(addr, &options)
                .map(|stream| self.connecting(conn, addr, PeerStream::begun(stream), self.patience())),
        };
        self.begun(conn, addr, begun);
    }

    /// Ends a dial that could not begin. What we lacked ourselves is not held against the address.
    fn begun(&mut self, conn: ConnId, addr: SocketAddr, begun: io::Result<bool>) {
        match begun {
            Ok(true) => {}
            Ok(false) => self.dial_failed(conn),
            Err(error) => {
                tracing::debug!(%addr, %error, "can't dial");
                if !net::tcp::is_our_lack(&error) {
                    return self.dial_failed(conn);
                }
                self.drop_connection(conn);
                self.with_shard(|shard, now| shard.connect_postponed(now, conn));
            }
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
        let open = result.map(|stream| self.connecting(conn, addr, stream, until));
        self.begun(conn, addr, open);
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
                self.dials.ended(conn);
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
        self.dials.ended(conn);
    }

    /// The blocklist has changed: whoever is on it goes.
    pub(super) fn drop_blocked(&mut self) {
        let under_way = self.dials.under_way.iter().map(|(conn, dial)| (*conn, dial.addr, true));
        let all: Vec<_> = self.connections.iter().chain(under_way).collect();
        for (conn, addr, dialing) in all {
            match dialing {
                _ if !self.shared.blocklist.blocks(addr) => {}
                true => self.dial_failed(conn),
                false => {
                    self.drop_connection(conn);
                    self.with_shard(|shard, now| shard.connection_lost(now, conn));
                }
            }
        }
    }

    /// Gives up dials that take too long.
    pub(super) fn overdue(&mut self) {
        let now = self.shared.clock.now();
        for conn in self.connections.overdue(now).into_iter().chain(self.dials.overdue(now)) {
            self.dial_failed(conn);
        }
    }
}
