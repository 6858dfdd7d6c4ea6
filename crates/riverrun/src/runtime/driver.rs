//! The poll loop of one shard.

use std::io::{self, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use engine::{ConnId, TorrentId};
use mio::{Events, Poll};
use net::tcp::{Listener, Stream};
use shard::{DiskDone, DiskRequest, Output, RecvOutcome, SendOutcome, Shard};
use tokio::sync::{mpsc, oneshot};
use types::{InfoHash, Rng, Time};

use super::links::{self, Links};
use super::rows::Rows;
use crate::disk::Reply;

use super::{FromShard, PANIC_WINDOW, Question, Seat, ShardHandle, Shared, Start, ToShard, is_blocked};

/// How long a dialed address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls into one socket before the others get their turn: with reads of 64 KiB, 1 MiB.
const CALLS_PER_TURN: usize = 16;
/// Connections taken from a listener before the others get their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Rounds of output and sending before the poller is asked again.
const ROUNDS: usize = 4;

/// Disk work that came back, for the shard it was meant for: a shard that was built anew must not see its predecessor's.
struct Returned {
    generation: u32,
    done: DiskDone,
}

/// The way back from the disk threads.
struct Mailbox {
    returned: Sender<Returned>,
    waker: Arc<mio::Waker>,
}

impl Reply for Mailbox {
    fn done(&self, generation: u32, done: DiskDone) {
        // The driver may have ended meanwhile; then nobody waits for this.
        let _ = self.returned.send(Returned { generation, done });
        let _ = self.waker.wake();
    }
}

/// One shard with its sockets and its thread.
pub(super) struct Driver {
    index: usize,
    poll: Poll,
    config: shard::Config,
    rng: Rng,
    /// None after a panic, until its disk work is back.
    shard: Option<Shard>,
    generation: u32,
    rows: Rows,
    panicked: Option<Time>,
    links: Links,
    listeners: Vec<Listener>,
    /// Listeners that may have a connection waiting.
    ringing: Vec<bool>,
    shared: Arc<Shared>,
    others: Vec<ShardHandle>,
    commands: Receiver<ToShard>,
    /// Commands that came while the shard was broken.
    late: Vec<ToShard>,
    events: mpsc::UnboundedSender<FromShard>,
    returned: Receiver<Returned>,
    mailbox: Arc<Mailbox>,
    disk_work: usize,
    quiet: Vec<oneshot::Sender<()>>,
    usage: engine::Usage,
    deadline: Time,
    stopped: bool,
}

impl Driver {
    pub(super) fn new(seat: Seat, start: Start, others: Vec<ShardHandle>) -> io::Result<Driver> {
        let Start { index, config, mut listeners, mut rng, shared, events } = start;
        for (number, listener) in listeners.iter_mut().enumerate() {
            listener.register(seat.poll.registry(), links::listener_token(number))?;
        }
        let (to, returned) = crossbeam_channel::unbounded();
        let mailbox = Arc::new(Mailbox { returned: to, waker: seat.handle.waker });
        let shard = Shard::new(config.clone(), shared.clock.now(), rng.fork());
        Ok(Driver {
            index,
            poll: seat.poll,
            config,
            rng,
            shard: Some(shard),
            generation: 0,
            rows: Rows::default(),
            panicked: None,
            links: Links::default(),
            ringing: vec![true; listeners.len()],
            listeners,
            shared,
            others,
            commands: seat.from,
            late: Vec::new(),
            events,
            returned,
            mailbox,
            disk_work: 0,
            quiet: Vec::new(),
            usage: engine::Usage::default(),
            deadline: Time::ZERO,
            stopped: false,
        })
    }

    /// Runs until it is told to stop, or nobody is left who could tell it.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        while !self.stopped {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(shard = self.index, %error, "the poller failed; this shard ends");
                    return;
                }
            }
            self.turn(&events);
        }
    }

    /// One readiness pass.
    fn turn(&mut self, events: &Events) {
        self.collect(events);
        self.accept();
        self.read_links();
        self.take_commands();
        self.take_disk();
        self.with_shard(None, |shard, now| shard.end_pass(now));
        for _ in 0..ROUNDS {
            self.outputs();
            if !self.write_links() {
                break;
            }
        }
        self.outputs();
        self.overdue();
        self.revive();
    }

    fn timeout(&self) -> Option<Duration> {
        let ringing = self.ringing.iter().any(|r| *r);
        if self.links.has_work() || ringing || !self.commands.is_empty() || !self.returned.is_empty() {
            return Some(Duration::ZERO);
        }
        let shard = if self.shard.is_some() { self.deadline } else { Time::NEVER };
        self.shared.clock.until(shard.min(self.links.next_timeout()))
    }

    /// Calls into the shard. `None` where it is broken, or breaks now; then `culprit` pays, if it is known.
    fn with_shard<R>(
        &mut self,
        culprit: Option<TorrentId>,
        call: impl FnOnce(&mut Shard, Time) -> R,
    ) -> Option<R> {
        let now = self.shared.clock.now();
        let shard = self.shard.as_mut()?;
        // The shard is thrown away if this unwinds, so nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| call(shard, now))) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.break_down(culprit, panic_message(&*payload));
                None
            }
        }
    }

    /// The shard panicked: throws it away and says who does not come back.
    fn break_down(&mut self, culprit: Option<TorrentId>, message: String) {
        tracing::error!(shard = self.index, torrent = ?culprit, message, "a torrent's engine panicked");
        self.shard = None;
        self.links.clear();
        self.generation += 1;
        let now = self.shared.clock.now();
        let again = self.panicked.is_some_and(|last| now.since(last) < PANIC_WINDOW);
        let failed = match culprit {
            Some(id) => vec![id],
            None if again => self.rows.ids(),
            None => {
                self.panicked = Some(now);
                Vec::new()
            }
        };
        for id in failed {
            self.rows.remove(id);
            self.tell(FromShard::Panicked(id, message.clone()));
        }
    }

    /// Builds the shard anew once the disk work of the broken one is back.
    fn revive(&mut self) {
        if self.shard.is_some() || self.disk_work > 0 {
            return;
        }
        let now = self.shared.clock.now();
        self.shard = Some(Shard::new(self.config.clone(), now, self.rng.fork()));
        self.deadline = Time::ZERO;
        for command in self.rows.commands() {
            self.with_shard(None, |shard, now| shard.command(now, command));
        }
        for late in std::mem::take(&mut self.late) {
            self.obey(late);
        }
        self.outputs();
    }

    fn tell(&self, what: FromShard) {
        // Nobody listens any more when the client is being dropped.
        let _ = self.events.send(what);
    }

    fn collect(&mut self, events: &Events) {
        for event in events {
            if let Some(number) = links::listener_of(event.token()) {
                if let Some(ringing) = self.ringing.get_mut(number) {
                    *ringing = true;
                }
                continue;
            }
            let Some(link) = self.links.by_token(event.token()) else { continue };
            let conn = link.conn;
            link.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            link.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
            if link.connecting.is_some() {
                self.dialed(conn);
            }
            self.links.want_read(conn);
            self.links.want_send(conn);
        }
    }

    /// A dialed socket has news.
    fn dialed(&mut self, conn: ConnId) {
        let Some(link) = self.links.get(conn) else { return };
        match link.stream.is_connected() {
            Ok(false) => {}
            Ok(true) => {
                self.links.opened(conn);
                self.with_shard(None, |shard, now| shard.connected(now, conn));
            }
            Err(_) => self.dial_failed(conn),
        }
    }

    fn dial_failed(&mut self, conn: ConnId) {
        self.links.remove(self.poll.registry(), conn);
        self.with_shard(None, |shard, now| shard.connect_failed(now, conn));
    }

    fn overdue(&mut self) {
        for conn in self.links.overdue(self.shared.clock.now()) {
            self.dial_failed(conn);
        }
    }

    fn accept(&mut self) {
        for number in 0..self.listeners.len() {
            if !self.ringing[number] || self.shard.is_none() {
                continue;
            }
            for _ in 0..ACCEPTS_PER_TURN {
                match self.listeners[number].accept() {
                    Ok(stream) => self.take_in(Box::new(stream), None),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.ringing[number] = false;
                        break;
                    }
                    Err(e) if is_one_connections_fault(&e) => {}
                    Err(error) => {
                        // Out of handles, most likely: the next event tries again.
                        tracing::warn!(%error, "can't accept a connection");
                        self.ringing[number] = false;
                        break;
                    }
                }
            }
        }
    }

    /// Gives an open socket to the shard: one just accepted, or one handed off with what was read from it.
    fn take_in(&mut self, stream: Box<dyn Stream>, bytes: Option<&[u8]>) {
        let addr = stream.peer_addr();
        if is_blocked(self.shared.blocklist.as_ref(), addr) {
            return;
        }
        let conn = self.with_shard(None, |shard, now| match bytes {
            None => shard.accept(now, addr),
            Some(bytes) => shard.adopt(now, addr, bytes),
        });
        let Some(Ok(conn)) = conn else { return };
        if !self.links.insert(self.poll.registry(), conn, addr, stream, None) {
            self.lost(conn);
        } else if let Some(link) = self.links.get(conn) {
            link.adopted = bytes.is_some();
        }
    }

    /// Tells the shard about a socket that can't be used, in the way it learns of every failure.
    fn lost(&mut self, conn: ConnId) {
        self.with_shard(None, |shard, now| {
            shard.recv(now, conn, |_| Err(io::ErrorKind::ConnectionAborted.into()));
        });
    }

    fn read_links(&mut self) {
        for conn in self.links.take_reads() {
            self.read_link(conn);
        }
    }

    fn read_link(&mut self, conn: ConnId) {
        for _ in 0..CALLS_PER_TURN {
            let Some(link) = self.links.get(conn) else { return };
            if link.connecting.is_some() || !link.readable {
                return;
            }
            let Some(shard) = self.shard.as_mut() else { return };
            let now = self.shared.clock.now();
            let stream = &mut link.stream;
            let call = || shard.recv(now, conn, |bufs| read(stream.as_mut(), bufs));
            let outcome = match catch_unwind(AssertUnwindSafe(call)) {
                Ok(outcome) => outcome,
                Err(payload) => {
                    let culprit = self.links.torrent_of(conn);
                    return self.break_down(culprit, panic_message(&*payload));
                }
            };
            match outcome {
                RecvOutcome::More => {}
                RecvOutcome::Empty => {
                    link.readable = false;
                    return;
                }
                RecvOutcome::Paused => return,
                RecvOutcome::Closed => {
                    self.links.remove(self.poll.registry(), conn);
                    return;
                }
            }
        }
        self.links.want_read(conn);
    }

    /// Sends what can be sent. True if anything was.
    fn write_links(&mut self) -> bool {
        let line = self.links.take_sends();
        let mut any = false;
        for conn in line {
            any |= self.write_link(conn);
        }
        any
    }

    fn write_link(&mut self, conn: ConnId) -> bool {
        for call in 0..CALLS_PER_TURN {
            let Some(link) = self.links.get(conn) else { return call > 0 };
            if link.connecting.is_some() || !link.writable {
                return call > 0;
            }
            let Some(shard) = self.shard.as_mut() else { return false };
            let now = self.shared.clock.now();
            let stream = &mut link.stream;
            let send = || shard.send(now, conn, |bufs| write(stream.as_mut(), bufs));
            let outcome = match catch_unwind(AssertUnwindSafe(send)) {
                Ok(outcome) => outcome,
                Err(payload) => {
                    let culprit = self.links.torrent_of(conn);
                    self.break_down(culprit, panic_message(&*payload));
                    return false;
                }
            };
            match outcome {
                SendOutcome::More => {}
                SendOutcome::Idle => return true,
                SendOutcome::Paused => return call > 0,
                SendOutcome::Full => {
                    link.writable = false;
                    return call > 0;
                }
                SendOutcome::Closed => {
                    self.links.remove(self.poll.registry(), conn);
                    return true;
                }
            }
        }
        self.links.want_send(conn);
        true
    }

    fn take_commands(&mut self) {
        // At most what waits now: a caller in a loop must not keep the sockets from their turn.
        for _ in 0..self.commands.len() {
            let Ok(command) = self.commands.try_recv() else { return };
            self.obey(command);
        }
    }

    fn obey(&mut self, command: ToShard) {
        match command {
            ToShard::Stop => self.stopped = true,
            ToShard::StopListening => {
                self.listeners.clear();
                self.ringing.clear();
            }
            ToShard::Ask(Question::Quiet(answer)) => self.quiet.push(answer),
            command if self.shard.is_none() => self.late.push(command),
            ToShard::Command(command) => {
                self.rows.note(&command);
                let culprit = torrent_of(&command);
                self.with_shard(culprit, |shard, now| shard.command(now, command));
            }
            ToShard::Adopt { stream, bytes } => self.take_in(stream, Some(&bytes)),
            ToShard::Ask(question) => self.answer(question),
            #[cfg(test)]
            ToShard::Panic(culprit) => {
                self.with_shard(culprit, |_, _| panic!("a panic on purpose"));
            }
        }
    }

    fn answer(&mut self, question: Question) {
        // Whoever asked may have gone meanwhile; then the answer is dropped.
        match question {
            Question::Usage(to) => {
                self.usage = self.with_shard(None, |shard, now| shard.usage(now)).unwrap_or_default();
                let _ = to.send(self.usage);
            }
            Question::Rates(to) => drop(to.send(self.usage)),
            Question::Snapshot(id, to) => {
                let snapshot = self.with_shard(Some(id), |shard, now| shard.snapshot(now, id));
                let _ = to.send(snapshot.flatten());
            }
            Question::Peers(id, to) => {
                let peers = self.with_shard(Some(id), |shard, now| shard.peers(now, id));
                let _ = to.send(peers.unwrap_or_default());
            }
            Question::Unhashed(id, to) => {
                let blocks = self.with_shard(Some(id), |shard, _| shard.unhashed(id));
                let _ = to.send(blocks.unwrap_or_default());
            }
            Question::Quiet(to) => self.quiet.push(to),
        }
    }

    fn take_disk(&mut self) {
        for _ in 0..self.returned.len() {
            let Ok(Returned { generation, done }) = self.returned.try_recv() else { break };
            self.disk_work -= 1;
            if generation == self.generation {
                let culprit = done.torrent;
                self.with_shard(Some(culprit), |shard, now| shard.disk_done(now, done));
            }
        }
    }

    /// Drains the shard.
    fn outputs(&mut self) {
        while let Some(output) = self.with_shard(None, |shard, now| shard.poll(now)) {
            match output {
                Output::Wait(deadline, _) => {
                    self.deadline = deadline;
                    break;
                }
                Output::Dial { conn, addr } => self.dial(conn, addr),
                Output::Close { conn } => {
                    self.links.remove(self.poll.registry(), conn);
                }
                Output::Handoff { conn, info_hash, bytes } => self.hand_off(conn, info_hash, bytes),
                Output::WantSend { conn } => self.links.want_send(conn),
                Output::Resume { conn } => self.links.want_read(conn),
                Output::Disk(request) => self.submit(request),
                Output::Event(id, event) => self.event(id, event),
                other => tracing::debug!(?other, "an output that this driver does not know"),
            }
        }
        if self.disk_work == 0 {
            for asked in self.quiet.drain(..) {
                let _ = asked.send(());
            }
        }
    }

    fn dial(&mut self, conn: ConnId, addr: std::net::SocketAddr) {
        let blocked = is_blocked(self.shared.blocklist.as_ref(), addr);
        let stream = if blocked { None } else { net::tcp::dial(addr, &self.shared.dial).ok() };
        let until = self.shared.clock.now() + CONNECT_TIMEOUT;
        let registry = self.poll.registry();
        let polled =
            stream.is_some_and(|s| self.links.insert(registry, conn, addr, Box::new(s), Some(until)));
        if !polled {
            self.with_shard(None, |shard, now| shard.connect_failed(now, conn));
        }
    }

    /// Gives a connection to the shard of the torrent it asks for. Nobody's connection is dropped, and so is one that was
    /// handed on before: its torrent is being removed.
    fn hand_off(&mut self, conn: ConnId, info_hash: InfoHash, bytes: Vec<u8>) {
        let Some(link) = self.links.remove(self.poll.registry(), conn) else { return };
        // A panic in another thread can't leave a session half changed: it is only read and written whole.
        let found = self.shared.session.lock().unwrap_or_else(|e| e.into_inner()).find(info_hash);
        match found {
            Some((_, shard)) if !link.adopted => {
                if let Some(other) = self.others.get(shard) {
                    other.tell(ToShard::Adopt { stream: link.stream, bytes });
                }
            }
            _ => {
                tracing::debug!(addr = %link.addr, %info_hash, "a peer asked for a torrent that is not here")
            }
        }
    }

    fn submit(&mut self, request: DiskRequest) {
        self.disk_work += 1;
        self.shared.disk.submit(request, self.generation, self.mailbox.clone());
    }

    fn event(&mut self, id: TorrentId, event: shard::Event) {
        if let shard::Event::Engine(event) = &event {
            match event {
                engine::Event::PieceCompleted(piece) => self.rows.completed(id, *piece),
                engine::Event::PeerConnected { addr } => self.links.joined(*addr, id),
                engine::Event::PeerDisconnected { addr, .. } => self.links.left(*addr),
                _ => {}
            }
        }
        self.tell(FromShard::Event(id, event));
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

/// Whether an error of `accept` concerns only the connection that was to be accepted.
fn is_one_connections_fault(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}

fn torrent_of(command: &shard::Command) -> Option<TorrentId> {
    match command {
        shard::Command::Add(added) => Some(added.id),
        shard::Command::Remove(id)
        | shard::Command::Torrent(id, _)
        | shard::Command::Addresses(id, ..)
        | shard::Command::Sync(id) => Some(*id),
        _ => None,
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
