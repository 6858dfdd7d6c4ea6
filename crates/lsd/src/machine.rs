//! Who is announced when, and who was heard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use types::{Announceable, InfoHash, InfoHashes, Rng, Time};

use crate::budget::Budget;
use crate::local::{Network, is_local};
use crate::message::{Announce, Group, ParseError};
use crate::neighbours::{Neighbours, News};

/// Most events that wait to be polled; later ones are dropped.
const EVENTS: usize = 1_024;
/// Torrents that fall due while this long ahead go with those that are due.
const AHEAD: Duration = Duration::from_secs(15);
/// Up to so many torrents each get a datagram alone, since older clients read the first of several only (BEP 14,
/// "Usage": five).
const ALONE: usize = 5;

/// Settings of an [`Lsd`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// How often a torrent is announced; 5 minutes by default (BEP 14, "Usage").
    pub interval: Duration,
    /// The least time between two announces of one torrent, whatever asks for one; 1 minute by default (BEP 14, "Usage").
    pub min_interval: Duration,
    /// How long a new torrent waits for others to share a datagram with; 200 ms by default.
    pub settle: Duration,
    /// Most datagrams sent to each group in a minute; 10 by default.
    pub datagrams_per_minute: usize,
    /// Most datagrams read in a second; 100 by default.
    pub reads_per_second: usize,
    /// Whether all announces are told of as [`Event::Heard`], also those of torrents that are not ours. Default: no.
    pub monitor: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            interval: Duration::from_secs(300),
            min_interval: Duration::from_secs(60),
            settle: Duration::from_millis(200),
            datagrams_per_minute: 10,
            reads_per_second: 100,
            monitor: false,
        }
    }
}

/// What an [`Lsd`] is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// Where peers are accepted. A group without a port is not sent to.
    Ports {
        /// The port for IPv4.
        v4: Option<u16>,
        /// The port for IPv6.
        v6: Option<u16>,
    },
    /// The networks that interfaces are in: their addresses count as local, beside those that are always.
    Networks(&'a [Network]),
    /// A torrent takes part, and is announced soon.
    Add(Announceable),
    /// A torrent takes part no more. BEP 14 has no way to say so.
    Remove(InfoHashes),
    /// A datagram came in.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
}

/// What an [`Lsd`] wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this to the group, on each interface that has joined it.
    Transmit {
        /// The group.
        group: Group,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
    /// Nothing, until there is input or this moment has come.
    Wait(Time),
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A neighbour takes part in a torrent of ours.
    Peer {
        /// The name that it was announced by.
        torrent: InfoHash,
        /// Where the neighbour accepts peers. Only its being in the local network is certain.
        addr: SocketAddr,
    },
    /// An announce was heard, of whatever torrents (see [`Config::monitor`]).
    Heard {
        /// Where it came from.
        from: SocketAddr,
        /// What it says.
        announce: Announce,
    },
}

/// Why a datagram was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// It announces nothing.
    #[error(transparent)]
    Invalid(#[from] ParseError),
    /// Its source is not in the local network.
    #[error("it comes from beyond the local network")]
    NotLocal,
    /// It is our own, come back.
    #[error("it is our own")]
    Own,
    /// There are too many at the moment.
    #[error("too many datagrams in a second")]
    Flood,
}

/// A torrent of ours.
#[derive(Clone, Copy, Debug)]
struct Row {
    due: Time,
    /// When it was announced last.
    last: Option<Time>,
}

/// Local service discovery for the torrents of one client.
#[derive(Clone, Debug)]
pub struct Lsd {
    config: Config,
    rng: Rng,
    cookie: String,
    ports: [Option<u16>; 2],
    networks: Vec<Network>,
    torrents: BTreeMap<InfoHash, Row>,
    /// The torrents by when they are due.
    queue: BTreeSet<(Time, InfoHash)>,
    /// When torrents that went were announced last, for as long as that keeps them from being announced again.
    gone: BTreeMap<InfoHash, Time>,
    neighbours: Neighbours,
    sends: Budget,
    reads: Budget,
    outbox: VecDeque<(Group, Vec<u8>)>,
    events: VecDeque<Event>,
}

impl Lsd {
    /// A machine without torrents and ports. It draws its cookie from `rng`.
    pub fn new(config: Config, mut rng: Rng) -> Lsd {
        let cookie = format!("{:08x}", rng.next_u32());
        Lsd {
            neighbours: Neighbours::new(config.min_interval, config.interval),
            sends: Budget::new(config.datagrams_per_minute, Duration::from_secs(60)),
            reads: Budget::new(config.reads_per_second, Duration::from_secs(1)),
            config,
            rng,
            cookie,
            ports: [None; 2],
            networks: Vec::new(),
            torrents: BTreeMap::new(),
            queue: BTreeSet::new(),
            gone: BTreeMap::new(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The cookie by which this machine knows its own datagrams.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Takes what happened.
    ///
    /// # Errors
    /// [`Ignored`] for a datagram that changes nothing; never for anything else.
    pub fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Ignored> {
        match input {
            Input::Ports { v4, v6 } => self.ports = [v4, v6].map(|port| port.filter(|port| *port != 0)),
            Input::Networks(networks) => self.networks = networks.to_vec(),
            Input::Add(torrent) => torrent.hashes().wire_names().for_each(|name| self.add(now, name)),
            Input::Remove(hashes) => hashes.wire_names().for_each(|name| self.remove(now, name)),
            Input::Datagram { from, bytes } => return self.read(now, from, bytes),
        }
        Ok(())
    }

    /// The next thing to do; asked until it is [`Output::Wait`].
    pub fn poll(&mut self, now: Time) -> Output {
        self.announce(now);
        if let Some((group, datagram)) = self.outbox.pop_front() {
            return Output::Transmit { group, datagram };
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        Output::Wait(self.next_announce())
    }

    fn add(&mut self, now: Time, name: InfoHash) {
        if !self.torrents.contains_key(&name) {
            let last = self.gone.remove(&name);
            let allowed = last.map_or(Time::ZERO, |last| last + self.config.min_interval);
            let due = allowed.max(now + self.config.settle);
            self.torrents.insert(name, Row { due, last });
            self.queue.insert((due, name));
        }
    }

    fn remove(&mut self, now: Time, name: InfoHash) {
        if let Some(row) = self.torrents.remove(&name) {
            let recent = self.config.min_interval;
            self.gone.retain(|_, last| now.since(*last) < recent);
            if let Some(last) = row.last.filter(|last| now.since(*last) < recent) {
                self.gone.insert(name, last);
            }
            self.queue.remove(&(row.due, name));
            self.neighbours.remove(name);
        }
    }

    fn put_off(&mut self, name: InfoHash, due: Time) {
        if let Some(row) = self.torrents.get_mut(&name) {
            self.queue.remove(&(row.due, name));
            row.due = due;
            self.queue.insert((due, name));
        }
    }

    fn read(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Result<(), Ignored> {
        if !self.reads.spend(now) {
            return Err(Ignored::Flood);
        }
        if !is_local(from.ip(), &self.networks) {
            return Err(Ignored::NotLocal);
        }
        let announce = Announce::decode(bytes)?;
        if announce.cookie.as_ref().is_some_and(|cookie| cookie.eq_ignore_ascii_case(&self.cookie)) {
            return Err(Ignored::Own);
        }
        // The scope of a link-local address is kept: without it nobody can be reached there.
        let mut addr = from;
        addr.set_port(announce.port);
        if let SocketAddr::V6(v6) = addr
            && let Some(v4) = v6.ip().to_ipv4_mapped()
        {
            addr = (v4, announce.port).into();
        }
        for torrent in &announce.torrents {
            self.heard(now, *torrent, addr);
        }
        if self.config.monitor {
            self.tell(Event::Heard { from, announce });
        }
        Ok(())
    }

    fn heard(&mut self, now: Time, torrent: InfoHash, addr: SocketAddr) {
        let Some(row) = self.torrents.get(&torrent).copied() else { return };
        let news = self.neighbours.heard(now, torrent, addr);
        if news == News::Nothing {
            return;
        }
        if news == News::New {
            // It may not know us. All who hear it answer, so each at a moment of its own.
            let soon = now + Duration::from_micros(self.rng.below(2_000_000) as u64);
            let allowed = row.last.map_or(Time::ZERO, |last| last + self.config.min_interval);
            self.put_off(torrent, row.due.min(soon.max(allowed)));
        }
        self.tell(Event::Peer { torrent, addr });
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < EVENTS {
            self.events.push_back(event);
        }
    }

    /// When there is something to announce and it is allowed.
    fn next_announce(&self) -> Time {
        match self.queue.first() {
            Some((due, _)) if self.ports != [None; 2] => (*due).max(self.sends.next()),
            _ => Time::NEVER,
        }
    }

    /// Writes the datagrams that are due and allowed. One that is to be sent is written whole at once, so that a torrent
    /// that goes meanwhile costs nothing to remember.
    fn announce(&mut self, now: Time) {
        if !self.outbox.is_empty() || !self.next_announce().is_due(now) || !self.sends.spend(now) {
            return;
        }
        let most = if self.torrents.len() <= ALONE { 1 } else { Announce::fitting(&self.cookie) };
        let ahead = if most == 1 { now } else { now + AHEAD };
        let allowed = |name: &InfoHash| {
            let last = self.torrents.get(name).and_then(|row| row.last);
            last.is_none_or(|last| (last + self.config.min_interval).is_due(now))
        };
        let due = self.queue.iter().take_while(|(due, _)| due.is_due(ahead)).map(|(_, name)| *name);
        let mut torrents: Vec<InfoHash> = due.filter(allowed).take(most).collect();
        // Some clients read the first alone: each should come to be that.
        self.rng.shuffle(&mut torrents);
        for name in &torrents {
            self.announced(now, *name);
        }
        for (group, port) in Group::ALL.into_iter().zip(self.ports) {
            let Some(port) = port else { continue };
            let announce = Announce { port, torrents: torrents.clone(), cookie: Some(self.cookie.clone()) };
            self.outbox.push_back((group, announce.encode(group)));
        }
    }

    fn announced(&mut self, now: Time, name: InfoHash) {
        let Some(row) = self.torrents.get_mut(&name) else { return };
        // Datagrams get lost: the first announce is followed by one more as soon as that is allowed.
        let pause = if row.last.is_none() { self.config.min_interval } else { self.config.interval };
        row.last = Some(now);
        let due = now + pause.max(self.config.min_interval);
        self.put_off(name, due);
    }
}

#[cfg(test)]
#[path = "machine/tests.rs"]
mod tests;
