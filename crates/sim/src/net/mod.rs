//! The network: hosts with links, and connections as ordered bounded pipes with faults.
//!
//! A lost segment of a stream arrives late, never damaged. What a sender has written waits in its send buffer until the
//! receiver's window has room; segments are cut at random places, so that every message is split at every byte in some
//! run. A path that is cut holds its segments back, and the sender tries again with growing pauses until it gives up.

mod link;
mod pipe;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use types::{Rng, Time};

use crate::queue::{Event, HostId, Queue};
pub(crate) use link::{Door, Link};
use pipe::Pipe;

/// The port every host listens on.
pub(crate) const PORT: u16 = 6881;
/// How long a dial to an address that never answers takes to fail.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a segment is sent again over a cut path before the sender gives up: two minutes in all.
const MAX_TRIES: u32 = 9;

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Sock {
    conn: u64,
    end: u8,
}

impl Sock {
    /// As one number, for the trace.
    pub(crate) const fn number(self) -> u64 {
        self.conn * 2 + self.end as u64
    }

    const fn other(self) -> Sock {
        Sock { conn: self.conn, end: 1 - self.end }
    }
}

/// Something that happens in the network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NetEvent {
    /// A dial reaches the other host.
    Syn { sock: Sock, tries: u32 },
    /// A dial has succeeded.
    Opened(Sock),
    /// A dial has failed.
    Failed(Sock),
    /// A segment from this end reaches the other host's line.
    Arrive { from: Sock, len: usize, tries: u32 },
    /// A segment from this end is there.
    Deliver { from: Sock, len: usize },
    /// The end of this end's stream is there.
    Fin { from: Sock, tries: u32 },
    /// The connection is dead for this end.
    Reset(Sock),
}

/// What a host is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    /// A dial has succeeded.
    Opened(Sock),
    /// A dial has failed; the socket is gone.
    Failed(Sock),
    /// Somebody connected.
    Incoming(Sock, SocketAddr),
    /// There is something to read: bytes, the end, or an error.
    Readable(Sock),
    /// There is room again after a write that was cut short.
    Writable(Sock),
}

#[derive(Debug)]
struct End {
    host: HostId,
    open: bool,
    closed: bool,
    reset: bool,
    /// What this end sends.
    out: Pipe,
}

#[derive(Debug)]
struct Conn {
    ends: [End; 2],
}

/// All links and connections.
#[derive(Debug)]
pub(crate) struct Net {
    links: Vec<Link>,
    /// Who, behind a NAT, has sent to whom from the port that he listens on.
    holes: BTreeSet<(HostId, HostId)>,
    conns: BTreeMap<u64, Conn>,
    opened: u64,
    rng: Rng,
    /// Told to the hosts by the world after each event.
    pub(crate) notices: Vec<(HostId, Notice)>,
    /// Bytes delivered.
    pub(crate) delivered: u64,
    /// Dials begun, by the address they were for.
    pub(crate) dials: BTreeMap<SocketAddr, u32>,
}

/// The address of a host.
pub(crate) fn address(host: HostId) -> SocketAddr {
    let [_, _, hi, lo] = host.0.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, hi, lo)), PORT)
}

fn host_of(addr: SocketAddr) -> Option<HostId> {
    match addr.ip() {
        IpAddr::V4(ip) if addr.port() == PORT && ip.octets()[..2] == [10, 0] => {
            let [_, _, hi, lo] = ip.octets();
            Some(HostId(u32::from_be_bytes([0, 0, hi, lo])))
        }
        _ => None,
    }
}

impl Net {
    pub(crate) fn new(rng: Rng) -> Net {
        Net {
            links: Vec::new(),
            holes: BTreeSet::new(),
            conns: BTreeMap::new(),
            opened: 0,
            rng,
            notices: Vec::new(),
            delivered: 0,
            dials: BTreeMap::new(),
        }
    }

    pub(crate) fn add_host(&mut self, link: Link) {
        self.links.push(link);
    }

    pub(crate) fn link(&mut self, host: HostId) -> &mut Link {
        &mut self.links[host.index()]
    }

    /// Heals every link: no loss, no partition.
    pub(crate) fn heal(&mut self) {
        self.links.iter_mut().for_each(|link| (link.loss, link.group) = (0.0, 0));
    }

    /// A pause before a host notices something, as a poller's would be.
    pub(crate) fn notice_delay(&mut self) -> Duration {
        Duration::from_micros(20 + self.rng.below(200) as u64)
    }

    fn cut(&self, a: HostId, b: HostId) -> bool {
        let (a, b) = (&self.links[a.index()], &self.links[b.index()]);
        a.down || b.down || a.group != b.group
    }

    fn delay(&mut self, from: HostId, to: HostId) -> Duration {
        let (from, to) = (&self.links[from.index()], &self.links[to.index()]);
        let most = (from.jitter + to.jitter).as_micros() as usize;
        from.latency + to.latency + Duration::from_micros(self.rng.below(most + 1) as u64)
    }

    /// How much later a segment comes for having been lost: once or twice, each time after a retransmission's wait.
    fn loss_delay(&mut self, from: HostId, to: HostId) -> Duration {
        let loss = self.links[from.index()].loss.max(self.links[to.index()].loss);
        let (mut delay, mut wait) = (Duration::ZERO, Duration::from_millis(200));
        while loss > 0.0 && self.rng.fraction() < loss && delay < Duration::from_secs(10) {
            delay += wait;
            wait *= 2;
        }
        delay
    }

    /// A host sends from the port that it listens on: its NAT lets answers in.
    pub(crate) fn open_nat(&mut self, from: HostId, to: SocketAddr) {
        self.holes.extend(host_of(to).map(|to| (from, to)));
    }

    /// Begins a dial; [`Notice::Opened`] or [`Notice::Failed`] follows unless it is closed before.
    pub(crate) fn dial(&mut self, now: Time, queue: &mut Queue, from: HostId, addr: SocketAddr) -> Sock {
        *self.dials.entry(addr).or_default() += 1;
        let sock = Sock { conn: self.opened, end: 0 };
        self.opened += 1;
        let target = host_of(addr).filter(|host| host.index() < self.links.len());
        let to = target.unwrap_or(from);
        let end = |host| End { host, open: false, closed: false, reset: false, out: Pipe::default() };
        self.conns.insert(sock.conn, Conn { ends: [end(from), end(to)] });
        let delay = self.delay(from, to) + self.loss_delay(from, to);
        let door = target.map_or(Door::Silent, |host| self.links[host.index()].door);
        let (at, event) = match door {
            _ if self.cut(from, to) => (now + DIAL_TIMEOUT, NetEvent::Failed(sock)),
            Door::Open => (now + delay, NetEvent::Syn { sock, tries: 0 }),
            Door::Refuses => (now + delay * 2, NetEvent::Failed(sock)),
            Door::Silent => (now + DIAL_TIMEOUT, NetEvent::Failed(sock)),
        };
        queue.push(at, Event::Net(event));
        sock
    }

    pub(crate) fn handle(&mut self, now: Time, queue: &mut Queue, event: NetEvent) {
        match event {
            NetEvent::Syn { sock, tries } => self.syn(now, queue, sock, tries),
            NetEvent::Opened(sock) => self.dial_opened(now, queue, sock),
            NetEvent::Failed(sock) => self.dial_failed(sock),
            NetEvent::Arrive { from, len, tries } => self.arrive(now, queue, from, len, tries),
            NetEvent::Deliver { from, len } => self.deliver(now, queue, from, len),
            NetEvent::Fin { from, tries } => self.fin(now, queue, from, tries),
            NetEvent::Reset(sock) => self.reset(sock),
        }
    }

    fn syn(&mut self, now: Time, queue: &mut Queue, sock: Sock, tries: u32) {
        let Some([from, to]) = self.hosts(sock) else { return };
        if self.cut(from, to) {
            queue.push(now + DIAL_TIMEOUT, Event::Net(NetEvent::Failed(sock)));
            return;
        }
        if self.links[to.index()].nat && !self.holes.contains(&(to, from)) {
            // Dropped without a word: it is sent again, a few times.
            let (wait, last) = (Duration::from_secs(1 << tries), tries == 3);
            let event = if last { NetEvent::Failed(sock) } else { NetEvent::Syn { sock, tries: tries + 1 } };
            queue.push(now + wait, Event::Net(event));
            return;
        }
        let mut addr = address(from);
        addr.set_port(40_000 + (sock.conn % 20_000) as u16);
        let delay = self.delay(to, from);
        queue.push(now + delay, Event::Net(NetEvent::Opened(sock)));
        if let Some(end) = self.end(sock.other()) {
            end.open = true;
        }
        self.notices.push((to, Notice::Incoming(sock.other(), addr)));
    }

    fn dial_opened(&mut self, now: Time, queue: &mut Queue, sock: Sock) {
        let Some(end) = self.end(sock) else { return };
        let (host, closed) = (end.host, end.closed);
        end.open = true;
        if closed {
            // It was given up while the answer was on its way.
            self.shut_write(now, queue, sock);
            return;
        }
        self.notices.push((host, Notice::Opened(sock)));
        self.notices.push((host, Notice::Readable(sock)));
    }

    fn dial_failed(&mut self, sock: Sock) {
        let Some(conn) = self.conns.remove(&sock.conn) else { return };
        let end = &conn.ends[usize::from(sock.end)];
        if !end.closed {
            self.notices.push((end.host, Notice::Failed(sock)));
        }
    }

    /// Writes what fits into the send buffer.
    pub(crate) fn write(
        &mut self,
        now: Time,
        queue: &mut Queue,
        sock: Sock,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let Some(end) = self.end(sock) else { return Err(io::ErrorKind::ConnectionReset.into()) };
        if end.reset || end.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = end.out.push(slices);
        if taken == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.pump(now, queue, sock);
        Ok(taken)
    }

    /// Reads up to `most` bytes.
    pub(crate) fn read(
        &mut self,
        now: Time,
        queue: &mut Queue,
        sock: Sock,
        slices: &mut [IoSliceMut<'_>],
        most: usize,
    ) -> io::Result<usize> {
        let Some(end) = self.end(sock) else { return Err(io::ErrorKind::ConnectionReset.into()) };
        if end.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let Some(peer) = self.end(sock.other()) else { return Err(io::ErrorKind::ConnectionReset.into()) };
        let taken = peer.out.pull(slices, most);
        if taken == 0 {
            let ended = peer.out.ended();
            return if ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        self.pump(now, queue, sock.other());
        Ok(taken)
    }

    /// Ends this end's stream; it may still read.
    pub(crate) fn shut_write(&mut self, now: Time, queue: &mut Queue, sock: Sock) {
        if let Some(end) = self.end(sock) {
            end.out.shut();
        }
        self.pump(now, queue, sock);
    }

    /// Closes this end. Bytes that nobody read make it a reset, as TCP does.
    pub(crate) fn close(&mut self, now: Time, queue: &mut Queue, sock: Sock) {
        let unread = self.end(sock.other()).is_some_and(|peer| peer.out.ready() > 0);
        let Some(end) = self.end(sock) else { return };
        if std::mem::replace(&mut end.closed, true) {
            return;
        }
        let (open, host) = (end.open, end.host);
        if !open {
            return;
        }
        if unread {
            self.send_reset(now, queue, sock, host);
        } else {
            self.shut_write(now, queue, sock);
        }
        self.sweep(sock);
    }

    fn send_reset(&mut self, now: Time, queue: &mut Queue, from: Sock, host: HostId) {
        let Some(peer) = self.end(from.other()).map(|end| end.host) else { return };
        let delay = self.delay(host, peer);
        queue.push(now + delay, Event::Net(NetEvent::Reset(from.other())));
    }

    /// A host goes: its sockets close by themselves where the system lives on, else nobody is told.
    pub(crate) fn abandon(&mut self, now: Time, queue: &mut Queue, host: HostId, power: bool) {
        let mine: Vec<Sock> = self
            .conns
            .iter()
            .flat_map(|(conn, c)| [(*conn, 0u8, c.ends[0].host), (*conn, 1, c.ends[1].host)])
            .filter(|(.., owner)| *owner == host)
            .map(|(conn, end, _)| Sock { conn, end })
            .collect();
        for sock in mine {
            if power {
                if let Some(end) = self.end(sock) {
                    end.closed = true;
                }
                self.sweep(sock);
            } else {
                self.close(now, queue, sock);
            }
        }
    }

    fn end(&mut self, sock: Sock) -> Option<&mut End> {
        self.conns.get_mut(&sock.conn).map(|conn| &mut conn.ends[usize::from(sock.end)])
    }

    /// The host of this end and that of the other.
    fn hosts(&mut self, sock: Sock) -> Option<[HostId; 2]> {
        let conn = self.conns.get(&sock.conn)?;
        Some([conn.ends[usize::from(sock.end)].host, conn.ends[1 - usize::from(sock.end)].host])
    }

    /// Puts as many segments on the line as the window allows.
    fn pump(&mut self, now: Time, queue: &mut Queue, from: Sock) {
        let Some([host, to]) = self.hosts(from) else { return };
        loop {
            let want = match self.rng.below(8) {
                0 => 1 + self.rng.below(40),
                1 => 1 + self.rng.below(1_460),
                _ => 4_096 + self.rng.below(12_288),
            };
            let Some(end) = self.end(from) else { return };
            let len = end.out.launch(want);
            if len == 0 {
                break;
            }
            let delay = self.delay(host, to) + self.loss_delay(host, to);
            let left = self.links[host.index()].send(now, len);
            let Some(end) = self.end(from) else { return };
            let at = end.out.in_order(left + delay);
            queue.push(at, Event::Net(NetEvent::Arrive { from, len, tries: 0 }));
        }
        let delay = self.delay(host, to);
        let Some(end) = self.end(from) else { return };
        if end.out.launch_fin() {
            let at = end.out.in_order(now + delay);
            queue.push(at, Event::Net(NetEvent::Fin { from, tries: 0 }));
        }
    }

    /// Whether the path is cut: then the event happens again later, or the sender gives up.
    fn held(&mut self, now: Time, queue: &mut Queue, from: Sock, tries: u32, again: NetEvent) -> bool {
        let Some([host, to]) = self.hosts(from) else { return true };
        if !self.cut(host, to) {
            return false;
        }
        let event = if tries >= MAX_TRIES { NetEvent::Reset(from) } else { again };
        let wait = Duration::from_millis(200) * (1 << tries.min(MAX_TRIES));
        queue.push(now + wait, Event::Net(event));
        true
    }

    fn arrive(&mut self, now: Time, queue: &mut Queue, from: Sock, len: usize, tries: u32) {
        let again = NetEvent::Arrive { from, len, tries: tries + 1 };
        if self.held(now, queue, from, tries, again) {
            return;
        }
        let Some([_, to]) = self.hosts(from) else { return };
        let at = self.links[to.index()].receive(now, len);
        if at <= now {
            self.deliver(now, queue, from, len);
        } else {
            queue.push(at, Event::Net(NetEvent::Deliver { from, len }));
        }
    }

    fn deliver(&mut self, now: Time, queue: &mut Queue, from: Sock, len: usize) {
        let Some([host, to]) = self.hosts(from) else { return };
        let Some(end) = self.end(from) else { return };
        end.out.land(len);
        let writable = end.out.has_room_again() && !end.closed;
        self.delivered += len as u64;
        if self.end(from.other()).is_some_and(|end| end.closed) {
            self.send_reset(now, queue, from.other(), to);
            return;
        }
        self.notices.push((to, Notice::Readable(from.other())));
        if writable {
            self.notices.push((host, Notice::Writable(from)));
        }
        self.pump(now, queue, from);
    }

    fn fin(&mut self, now: Time, queue: &mut Queue, from: Sock, tries: u32) {
        if self.held(now, queue, from, tries, NetEvent::Fin { from, tries: tries + 1 }) {
            return;
        }
        let Some(end) = self.end(from) else { return };
        if !end.out.land_fin() {
            // Segments that were sent again are still behind it.
            queue.push(now + Duration::from_millis(20), Event::Net(NetEvent::Fin { from, tries }));
            return;
        }
        let Some([_, to]) = self.hosts(from) else { return };
        self.notices.push((to, Notice::Readable(from.other())));
        self.sweep(from);
    }

    fn reset(&mut self, sock: Sock) {
        let Some(end) = self.end(sock) else { return };
        end.reset = true;
        end.out.clear();
        if !end.closed {
            let host = end.host;
            self.notices.push((host, Notice::Readable(sock)));
        }
        self.sweep(sock);
    }

    /// Forgets a connection that neither end needs: both closed, with nothing left to deliver.
    fn sweep(&mut self, sock: Sock) {
        let Some(conn) = self.conns.get(&sock.conn) else { return };
        let over = conn.ends.iter().all(|end| end.closed && (end.reset || end.out.is_done()));
        if over {
            self.conns.remove(&sock.conn);
        }
    }

    /// Bytes that wait in buffers, and the most they may be.
    pub(crate) fn buffered(&self) -> (usize, usize) {
        let held = self.conns.values().flat_map(|c| &c.ends).map(|end| end.out.len()).sum();
        (held, self.conns.len() * 2 * pipe::MAX_HELD)
    }
}

#[cfg(test)]
mod tests;
