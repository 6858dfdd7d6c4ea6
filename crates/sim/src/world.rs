//! The world: one clock, one heap, one seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use types::{Rng, Time};

use crate::liar::{Liar, Script};
use crate::net::{Door, Link, Net, Notice};
use crate::node::{Ctx, Node, NodeSpec, Totals};
use crate::payload::{Payload, Shape};
use crate::queue::{Event, HostId, Queue};
use crate::report::{Failure, Report, Run};
use crate::trace::Trace;
use crate::tracker::Tracker;

/// Events at one moment; more is a loop without end.
const MAX_AT_ONCE: u32 = 200_000;
/// Way to the tracker and back.
const TRACKER_TRIP: Duration = Duration::from_millis(120);
/// How long a host waits when the tracker does not answer.
const TRACKER_RETRY: Duration = Duration::from_secs(30);

/// Who lives at an address.
enum Actor {
    Node(Box<Node>),
    Liar(Box<Liar>),
    Nobody,
}

/// One simulated world.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) net: Net,
    pub(crate) payload: Arc<Payload>,
    pub(crate) tracker: Tracker,
    pub(crate) rng: Rng,
    queue: Queue,
    actors: Vec<Actor>,
    trace: Trace,
    failure: Option<String>,
    at_once: u32,
    run: Run,
    figures: Vec<(&'static str, f64)>,
}

/// Borrows what an actor needs, apart from the table of actors.
macro_rules! ctx {
    ($world:ident) => {
        Ctx {
            now: $world.now,
            net: &mut $world.net,
            queue: &mut $world.queue,
            payload: &$world.payload,
            trace: &mut $world.trace,
        }
    };
}

impl World {
    pub(crate) fn new(run: &Run, shape: &Shape) -> World {
        let mut rng = Rng::from_number(run.seed);
        let payload = Payload::new(shape, &mut rng.fork());
        World {
            now: Time::ZERO,
            net: Net::new(rng.fork()),
            payload: Arc::new(payload),
            tracker: Tracker::new(rng.fork()),
            rng,
            queue: Queue::default(),
            actors: Vec::new(),
            trace: Trace::new(run.text),
            failure: None,
            at_once: 0,
            run: *run,
            figures: Vec::new(),
        }
    }

    fn next_host(&mut self, link: Link) -> HostId {
        self.net.add_host(link);
        HostId(self.actors.len() as u32)
    }

    /// A host with an engine, not started yet.
    pub(crate) fn add_node(&mut self, spec: NodeSpec, link: Link) -> HostId {
        let id = self.next_host(link);
        let node = Node::new(id, spec, &self.payload, self.rng.fork());
        self.actors.push(Actor::Node(Box::new(node)));
        id
    }

    /// A host that lies, from now on.
    pub(crate) fn add_liar(&mut self, script: Script, link: Link) -> HostId {
        let id = self.next_host(link);
        let mut liar = Liar::new(id, script, self.rng.fork());
        liar.start(&mut ctx!(self));
        self.actors.push(Actor::Liar(Box::new(liar)));
        id
    }

    /// An address where nobody answers.
    pub(crate) fn add_nobody(&mut self, door: Door) -> HostId {
        let mut link = Link::new(Duration::from_millis(20), 0);
        link.door = door;
        let id = self.next_host(link);
        self.actors.push(Actor::Nobody);
        id
    }

    /// Plans a deed.
    pub(crate) fn at(&mut self, at: Time, act: impl FnOnce(&mut World) + 'static) {
        self.queue.push(at, Event::Act(Box::new(act)));
    }

    pub(crate) fn start(&mut self, host: HostId) {
        self.net.link(host).down = false;
        let Actor::Node(node) = &mut self.actors[host.index()] else { return };
        let result = node.start(&mut ctx!(self));
        self.note(host, result);
    }

    /// Tells a node that is running of others.
    pub(crate) fn introduce(&mut self, host: HostId, others: Vec<SocketAddr>) {
        let life = self.node(host).life;
        self.queue.push(self.now, Event::Answer(host, life, others));
    }

    pub(crate) fn start_all(&mut self) {
        let nodes: Vec<HostId> = self.nodes().map(|node| node.id).collect();
        nodes.into_iter().for_each(|host| self.start(host));
    }

    /// Ends a node's life; with `power`, as a power cut does.
    pub(crate) fn kill(&mut self, host: HostId, power: bool) {
        let Actor::Node(node) = &mut self.actors[host.index()] else { return };
        node.kill(&mut ctx!(self), power);
        self.net.link(host).down = power;
        self.tell();
    }

    /// The user of a node wants something.
    pub(crate) fn command(&mut self, host: HostId, command: engine::Command) {
        let Actor::Node(node) = &mut self.actors[host.index()] else { return };
        node.command(self.now, &mut self.queue, command);
    }

    /// What the client of a node may use changes.
    pub(crate) fn lease(&mut self, host: HostId, lease: engine::Lease) {
        let Actor::Node(node) = &mut self.actors[host.index()] else { return };
        node.lease(self.now, &mut self.queue, lease);
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.actors.iter().filter_map(|actor| match actor {
            Actor::Node(node) => Some(&**node),
            _ => None,
        })
    }

    pub(crate) fn node(&mut self, host: HostId) -> &mut Node {
        match &mut self.actors[host.index()] {
            Actor::Node(node) => node,
            _ => unreachable!("the scenario made this host a node"),
        }
    }

    pub(crate) fn liar(&self, host: HostId) -> &Liar {
        match &self.actors[host.index()] {
            Actor::Liar(liar) => liar,
            _ => unreachable!("the scenario made this host a liar"),
        }
    }

    /// Whether every node is running and complete.
    pub(crate) fn all_complete(&self) -> bool {
        self.nodes().all(|node| node.is_running() && node.log.completed_at.is_some())
    }

    /// Adds a figure to the report.
    pub(crate) fn figure(&mut self, name: &'static str, value: f64) {
        self.figures.push((name, value));
    }

    /// Runs until `end`, or until `done`. Says whether it was done.
    pub(crate) fn run_until(&mut self, end: Time, done: impl Fn(&World) -> bool) -> bool {
        while self.failure.is_none() {
            if done(self) {
                return true;
            }
            let Some((at, event)) = self.queue.pop(end) else { break };
            self.at_once = if at == self.now { self.at_once + 1 } else { 0 };
            if self.at_once > MAX_AT_ONCE {
                self.failure = Some("time does not go on".into());
            }
            self.now = at;
            self.step(event);
        }
        if self.failure.is_none() {
            self.now = self.now.max(end);
        }
        done(self)
    }

    /// Runs to a moment.
    pub(crate) fn run_to(&mut self, end: Time) {
        self.run_until(end, |_| false);
    }

    /// Demands that everybody completes by `end`.
    pub(crate) fn demand_completion(&mut self, end: Time) {
        if !self.run_until(end, World::all_complete) && self.failure.is_none() {
            let words = self.missing();
            self.failure = Some(format!("not everybody is complete: {words}"));
        }
    }

    /// Who lacks what, in words.
    fn missing(&mut self) -> String {
        let now = self.now;
        let mut words = String::new();
        for actor in &mut self.actors {
            let Actor::Node(node) = actor else { continue };
            if node.log.completed_at.is_some() {
                continue;
            }
            let peers = node.peers(now);
            let usable = peers.iter().filter(|peer| peer.we_are_interested && !peer.chokes_us).count();
            match node.snapshot(now) {
                Some(s) => {
                    words += &format!(
                        "host {} lacks {} pieces ({:?}, {} peers of which {} serve it, {} known, {} asked); ",
                        node.id.0,
                        s.missing,
                        s.phase,
                        s.peers,
                        usable,
                        s.known,
                        peers.iter().map(|peer| peer.requests).sum::<u32>(),
                    );
                }
                None => words += &format!("host {} is not running; ", node.id.0),
            }
        }
        words
    }

    /// Fails the run unless `ok`.
    pub(crate) fn demand(&mut self, ok: bool, words: impl FnOnce() -> String) {
        if !ok && self.failure.is_none() {
            self.failure = Some(words());
        }
    }

    fn note(&mut self, host: HostId, result: Result<(), String>) {
        if let Err(words) = result
            && self.failure.is_none()
        {
            self.failure = Some(format!("host {}: {words}", host.0));
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Net(event) => {
                self.net.handle(self.now, &mut self.queue, event);
                self.tell();
            }
            Event::Wake(host) => self.wake(host),
            Event::Disk(host, life, number) => {
                self.trace.event(self.now, "disk", host.0, life.into(), number);
                let at = self.now + self.net.notice_delay();
                if let Actor::Node(node) = &mut self.actors[host.index()] {
                    node.disk_done(life, number);
                    node.wake(&mut self.queue, at);
                }
            }
            Event::Announce(host, life) => self.announce(host, life),
            Event::Answer(host, life, addrs) => {
                let (now, queue) = (self.now, &mut self.queue);
                match &mut self.actors[host.index()] {
                    Actor::Node(node) if node.life == life => node.addresses(now, queue, addrs),
                    Actor::Liar(liar) => liar.addresses(addrs),
                    _ => {}
                }
            }
            Event::Act(act) => {
                self.trace.event(self.now, "act", 0, 0, 0);
                act(self);
            }
        }
    }

    fn wake(&mut self, host: HostId) {
        let result = match &mut self.actors[host.index()] {
            Actor::Node(node) => {
                if !node.woken(self.now) {
                    return;
                }
                self.trace.event(self.now, "pass", host.0, self.net.delivered, 0);
                node.pass(&mut ctx!(self))
            }
            Actor::Liar(liar) => {
                if liar.woken(self.now) {
                    liar.pass(&mut ctx!(self));
                }
                Ok(())
            }
            Actor::Nobody => Ok(()),
        };
        self.note(host, result);
        self.tell();
    }

    /// Tells the hosts what happened at their sockets.
    fn tell(&mut self) {
        for (host, notice) in std::mem::take(&mut self.net.notices) {
            let number = match notice {
                Notice::Opened(sock) | Notice::Failed(sock) | Notice::Incoming(sock, _) => sock.number(),
                Notice::Readable(sock) | Notice::Writable(sock) => sock.number(),
            };
            self.trace.event(self.now, "notice", host.0, number, self.net.delivered);
            let at = self.now + self.net.notice_delay();
            match &mut self.actors[host.index()] {
                Actor::Node(node) => {
                    node.notice(&mut ctx!(self), notice);
                    node.wake(&mut self.queue, at);
                }
                Actor::Liar(liar) => {
                    liar.notice(notice);
                    liar.wake(&mut self.queue, at);
                }
                Actor::Nobody => {}
            }
        }
    }

    fn announce(&mut self, host: HostId, life: u32) {
        match &self.actors[host.index()] {
            Actor::Node(node) if node.life != life || !node.is_running() => return,
            _ => {}
        }
        let answer = self.tracker.announce(host);
        let again = if answer.is_some() { self.tracker.interval } else { TRACKER_RETRY };
        if let Some(addrs) = answer {
            self.queue.push(self.now + TRACKER_TRIP, Event::Answer(host, life, addrs));
        }
        // Announces spread out, as the schedule of a client sees to.
        let early = Duration::from_millis(self.rng.below(5_000) as u64);
        self.queue.push(self.now + again.saturating_sub(early), Event::Announce(host, life));
    }

    /// What was counted over all nodes.
    pub(crate) fn totals(&mut self) -> Totals {
        let now = self.now;
        let mut all = Totals::default();
        for actor in &mut self.actors {
            let Actor::Node(node) = actor else { continue };
            let one = node.totals(now);
            all.downloaded += one.downloaded;
            all.wasted += one.wasted;
            all.uploaded += one.uploaded;
            all.passes += one.passes;
        }
        all
    }

    /// The end of the run.
    pub(crate) fn finish(mut self, scenario: &'static str) -> Result<Report, Box<Failure>> {
        let (held, most) = self.net.buffered();
        self.demand(held <= most, || format!("the network holds {held} bytes of {most}"));
        let totals = self.totals();
        let completed: Vec<(u32, Time)> =
            self.nodes().filter_map(|node| Some((node.id.0, node.log.completed_at?))).collect();
        let (seed, trace, events) = (self.run.seed, self.trace.hash(), self.trace.events());
        let lines = self.trace.take_lines();
        match self.failure {
            Some(message) => Err(Box::new(Failure { scenario, seed, at: self.now, message, trace, lines })),
            None => Ok(Report {
                scenario,
                seed,
                ended: self.now,
                events,
                trace,
                lines,
                completed,
                downloaded: totals.downloaded,
                wasted: totals.wasted,
                uploaded: totals.uploaded,
                figures: self.figures,
            }),
        }
    }
}
