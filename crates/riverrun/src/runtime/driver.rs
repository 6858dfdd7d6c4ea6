//! The poll loop of one shard.
//!
//! The loop is here; each thing it handles owns its fields: the shard and the wall around it (`cell`),
//! sockets (`connections`, moved by `traffic`), `listeners`, disk work under way (`disk_work`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;
use mio::{Events, Poll};
use shard::{Output, Shard};
use tokio::sync::mpsc;
use types::Time;

use super::cell::{Broken, Cell};
use super::connections::Connections;
use super::dials::Dials;
use super::disk_work::DiskWork;
use super::listeners::Listeners;
use super::{FromShard, PreparedShard, Question, ShardHandle, Shared, Start, ToKeep, ToShard};

/// Rounds of output and sending before the poller is asked again.
const ROUNDS: usize = 4;

/// What a driver is told.
struct Inbox {
    commands: Receiver<ToShard>,
    /// Who puts something there wakes this thread, unless it is set.
    woken: Arc<AtomicBool>,
    /// What came for the shard that is to be built anew.
    late: Vec<ToShard>,
}

/// Whom a driver tells.
pub(super) struct Outside {
    pub(super) shards: Vec<ShardHandle>,
    events: mpsc::UnboundedSender<FromShard>,
}

/// One shard with its sockets and its thread.
pub(super) struct Driver {
    pub(super) index: usize,
    pub(super) poll: Poll,
    pub(super) shared: Arc<Shared>,
    pub(super) cell: Cell,
    pub(super) connections: Connections,
    pub(super) dials: Dials,
    pub(super) listeners: Listeners,
    disk_work: DiskWork,
    inbox: Inbox,
    pub(super) outside: Outside,
    usage: engine::Usage,
    /// When the shard wants to be called.
    deadline: Time,
    stopped: bool,
}

impl Driver {
    pub(super) fn new(prepared: PreparedShard, start: Start, shards: Vec<ShardHandle>) -> io::Result<Driver> {
        let Start { index, config, listeners, rng, shared, events } = start;
        Ok(Driver {
            index,
            cell: Cell::new(shared.clock, config, rng),
            connections: Connections::default(),
            dials: Dials::new(shared.budget.clone(), prepared.handle.waker.clone()),
            listeners: Listeners::new(listeners, prepared.poll.registry())?,
            disk_work: DiskWork::new(shared.disk.clone(), prepared.handle.waker),
            poll: prepared.poll,
            shared,
            inbox: Inbox { commands: prepared.from, woken: prepared.handle.woken, late: Vec::new() },
            outside: Outside { shards, events },
            usage: engine::Usage::default(),
            deadline: Time::ZERO,
            stopped: false,
        })
    }

    /// Runs until it is told to stop, or nobody is left who could tell it.
    ///
    /// # Errors
    /// The system's poller does not work any more.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        while !self.stopped {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.turn(&events);
        }
        Ok(())
    }

    /// One readiness pass.
    fn turn(&mut self, events: &Events) {
        self.collect(events);
        self.accept();
        self.read_connections();
        self.take_commands();
        self.take_disk();
        self.with_shard(|shard, now| shard.end_pass(now));
        for _ in 0..ROUNDS {
            self.outputs();
            if !self.write_connections() {
                break;
            }
        }
        self.outputs();
        self.overdue();
        self.revive();
    }

    fn timeout(&self) -> Option<Duration> {
        let told = !self.inbox.commands.is_empty() || self.disk_work.waiting() > 0;
        if told || self.connections.has_work() || self.listeners.is_ready() {
            return Some(Duration::ZERO);
        }
        let shard = if self.cell.is_whole() { self.deadline } else { Time::NEVER };
        let others = [self.connections.next_timeout(), self.dials.next_timeout(), self.listeners.wake()];
        self.shared.clock.until(others.into_iter().fold(shard, Time::min))
    }

    /// Calls into the shard. `None` where it is broken, or breaks now.
    pub(super) fn with_shard<R>(&mut self, call: impl FnOnce(&mut Shard, Time) -> R) -> Option<R> {
        self.cell.call(call).map_err(|broken| self.broke(broken)).ok()
    }

    /// The shard panicked: it was thrown away, and the control plane hears whose fault it was.
    pub(super) fn broke(&mut self, broken: Broken) {
        let Broken::Now { culprit, message } = broken else { return };
        tracing::error!(shard = self.index, torrent = ?culprit, message, "a torrent's engine panicked");
        self.connections.clear();
        self.dials.clear();
        self.disk_work.disown();
        self.inbox.late.clear();
        let culprit = self.cell.judge(culprit);
        self.tell(FromShard::Broke { shard: self.index, culprit, message });
    }

    /// Builds the shard anew once the disk work of the broken one is back, and the control plane knows of it.
    fn revive(&mut self) {
        if !self.cell.is_renewed() || !self.disk_work.is_idle() {
            return;
        }
        self.cell.rebuild();
        self.deadline = Time::ZERO;
        for late in std::mem::take(&mut self.inbox.late) {
            self.obey(late);
        }
        self.outputs();
    }

    fn tell(&self, what: FromShard) {
        // Nobody listens any more when the client is being dropped.
        let _ = self.outside.events.send(what);
    }

    /// Tells what happened in a torrent, unless it is one more piece of news about peers than can wait.
    fn report(&self, id: engine::TorrentId, event: shard::Event) {
        if !is_gossip(&event) {
            return self.tell(FromShard::Event(id, event, None));
        }
        match self.shared.gossip.enter() {
            Some(place) => self.tell(FromShard::Event(id, event, Some(place))),
            None => tracing::debug!(untold = self.shared.gossip.refused(), "too much news of peers waits"),
        }
    }

    fn take_commands(&mut self) {
        // Before the look: what comes after it wakes us again.
        self.inbox.woken.store(false, Ordering::SeqCst);
        // At most what waits now: a caller in a loop must not keep the sockets from their turn.
        for _ in 0..self.inbox.commands.len() {
            let Ok(command) = self.inbox.commands.try_recv() else { return };
            self.obey(command);
        }
    }

    fn obey(&mut self, command: ToShard) {
        match command {
            ToShard::Stop => self.stopped = true,
            ToShard::StopListening => self.listeners.close(),
            ToShard::Ask(Question::Quiet(of, answer)) => self.disk_work.when_idle(of, answer),
            // The client's upkeep must not wait for the disk work of a broken shard: without one there are no
            // figures.
            ToShard::Ask(question @ (Question::Usage(_) | Question::Rates(_) | Question::Figures(_))) => {
                self.answer(question);
            }
            ToShard::Blocklist => self.drop_blocked(),
            ToShard::Renew => self.cell.renew(),
            // The dials of a shard that broke were given up.
            ToShard::Dialed { conn, number, result } => self.dial_answered(conn, number, result),
            command if self.cell.is_renewed() => self.inbox.late.push(command),
            // The control plane is about to give the new shard its torrents as they are then.
            ToShard::Command(_) | ToShard::Adopt { .. } | ToShard::Accepted { .. }
                if !self.cell.is_whole() => {}
            ToShard::Command(command) => {
                self.with_shard(|shard, now| shard.command(now, command));
            }
            ToShard::Adopt { stream, bytes, place } => {
                drop(place);
                self.take_in(stream, Some(&bytes));
            }
            ToShard::Accepted { stream, place } => {
                drop(place);
                // Whoever is closing takes nobody in.
                if !self.listeners.is_closed() {
                    self.take_in(stream, None);
                }
            }
            ToShard::Ask(question) => self.answer(question),
            #[cfg(test)]
            ToShard::Panic => {
                self.with_shard(|_, _| panic!("a panic on purpose"));
            }
            #[cfg(test)]
            ToShard::Trap(id, trap) => {
                self.with_shard(|shard, _| shard.set_trap(id, trap));
            }
            #[cfg(test)]
            ToShard::StandStill(until) => drop(until.recv()),
        }
    }

    fn answer(&mut self, question: Question) {
        // Whoever asked may have gone meanwhile; then the answer is dropped.
        match question {
            Question::Usage(to) => {
                self.usage = self.with_shard(|shard, now| shard.usage(now)).unwrap_or_default();
                let _ = to.send(self.usage);
            }
            Question::UsageByTorrent(to) => {
                let all = self.with_shard(|shard, now| shard.usage_by_torrent(now)).unwrap_or_default();
                let _ = to.send(all);
            }
            Question::Rates(to) => drop(to.send(self.usage)),
            Question::Figures(to) => {
                let all = self.with_shard(|shard, _| shard.figures()).unwrap_or_default();
                let _ = to.send(all);
            }
            Question::Snapshot(id, to) => {
                let snapshot = self.with_shard(|shard, now| shard.snapshot(now, id)).flatten();
                let _ = to.send(snapshot);
            }
            Question::Peers(id, to) => {
                let peers = self.with_shard(|shard, now| shard.peers(now, id));
                let _ = to.send(peers.unwrap_or_default());
            }
            Question::Known(id, most, to) => {
                let known = self.with_shard(|shard, now| shard.known_peers(now, id, most));
                let _ = to.send(known.unwrap_or_default());
            }
            Question::ToKeep(ids, to) => {
                let all = ids.into_iter().filter_map(|id| Some((id, self.what_to_keep(id)?))).collect();
                let _ = to.send(all);
            }
            Question::Quiet(of, to) => self.disk_work.when_idle(of, to),
        }
    }

    fn what_to_keep(&mut self, id: engine::TorrentId) -> Option<ToKeep> {
        self.with_shard(|shard, _| ToKeep {
            moved: shard.figures_of(id).map(|live| (live.downloaded, live.uploaded)),
            unhashed: shard.unhashed(id),
            addresses: shard.addresses(id, storage::ResumeData::MAX_PEERS),
        })
    }

    fn take_disk(&mut self) {
        for _ in 0..self.disk_work.waiting() {
            let Some(back) = self.disk_work.next() else { break };
            if let Some(done) = back {
                self.with_shard(|shard, now| shard.disk_done(now, done));
            }
        }
    }

    /// Drains the shard, and begins dials as places for them are free.
    fn outputs(&mut self) {
        self.drain();
        while self.fund_dials() {
            self.drain();
        }
        self.disk_work.answer();
    }

    fn drain(&mut self) {
        while let Some(output) = self.with_shard(|shard, now| shard.poll(now)) {
            match output {
                Output::Wait(deadline, _) => {
                    self.deadline = deadline;
                    break;
                }
                Output::Dial { conn, addr, punch } => self.dial(conn, addr, punch),
                Output::Close { conn } => self.drop_connection(conn),
                Output::Handoff { conn, info_hash, bytes } => self.hand_off(conn, info_hash, bytes),
                Output::WantSend { conn } => self.connections.want_send(conn),
                Output::Resume { conn } => self.connections.want_read(conn),
                Output::Disk(request) => {
                    if let Some(done) = self.disk_work.submit(request) {
                        self.with_shard(|shard, now| shard.disk_done(now, done));
                    }
                }
                Output::Event(id, event) => self.report(id, event),
                other => tracing::debug!(?other, "an output that this driver does not know"),
            }
        }
    }
}

/// Whether peers can make such events as often as they like, and nothing but what users see depends on them.
fn is_gossip(event: &shard::Event) -> bool {
    use engine::Event as E;
    let shard::Event::Engine(event) = event else { return false };
    matches!(
        event,
        E::Extensions { .. }
            | E::Extension { .. }
            | E::PeerConnected { .. }
            | E::PeerDisconnected { .. }
            | E::PeerUseless { .. }
            | E::PeerBanned { .. }
    )
}
