//! Who is asked when, and what comes of the answers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use types::{Announceable, InfoHash, InfoHashes, Rng, Time, may_speak_of};

use crate::calls::{Call, Calls};
use crate::family::{Family, Network};
use crate::lookup::{Goal, Lookup};
use crate::message::{Ask, Body, Message, Node, ParseError, Query, Reply, Want};
use crate::pace::Pace;
use crate::{K, NodeId};

/// Most events that wait to be polled; later ones are dropped.
const EVENTS: usize = 1_024;

/// Settings of a [`Dht`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Whether the network of IPv4 is asked. Default: yes.
    pub ipv4: bool,
    /// Whether the network of IPv6 is asked. Default: yes.
    pub ipv6: bool,
    /// How often a torrent is looked for and announced, a tenth more or less; 15 minutes by default.
    pub interval: Duration,
    /// After how long a torrent is looked for again of which nobody was found; twice as long each time, up to `interval`.
    /// 1 minute by default.
    pub retry: Duration,
    /// Most torrents that are looked for at once; 8 by default.
    pub lookups: usize,
    /// Most datagrams sent in a second; 50 by default.
    pub datagrams_per_second: u32,
    /// Most datagrams sent at once after a pause; 25 by default.
    pub burst: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ipv4: true,
            ipv6: true,
            interval: Duration::from_secs(15 * 60),
            retry: Duration::from_secs(60),
            lookups: 8,
            datagrams_per_second: 50,
            burst: 25,
        }
    }
}

/// What a [`Dht`] is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// Where peers are accepted, as others reach us. In a family without a port peers are looked for and nothing is
    /// announced. With a port that was not told before all torrents are announced anew.
    Ports {
        /// The port for IPv4.
        v4: Option<u16>,
        /// The port for IPv6.
        v6: Option<u16>,
    },
    /// Nodes that may be asked, named by the user or by a torrent's `nodes` (BEP 5). They may be in our own network: whether
    /// a torrent may lead there is for the caller to say. The last 32 of each family are kept. Addresses that nobody can
    /// have are passed over.
    Nodes(&'a [SocketAddr]),
    /// A torrent takes part.
    Add(Announceable),
    /// A torrent takes part no more: nothing that names it is sent from now on. BEP 5 has no way to say so.
    Remove(InfoHashes),
    /// A datagram came in.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
}

/// What a [`Dht`] wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this.
    Transmit {
        /// The node it goes to.
        to: SocketAddr,
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
    /// A node says that these take part in a torrent of ours. Nobody has verified it.
    Peers {
        /// The name that was looked for.
        torrent: InfoHash,
        /// New ones of this lookup: at most [`PEERS`](crate::PEERS).
        peers: Vec<SocketAddr>,
    },
}

/// Why a datagram was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// Nothing was asked at the address it comes from, or another thing than it answers.
    #[error("nobody asked for it")]
    Unasked,
    /// It asks something, and we answer nobody (BEP 43).
    #[error("it is a query, and this node is read-only")]
    Query,
    /// It is no message.
    #[error(transparent)]
    Invalid(#[from] ParseError),
}

/// How many nodes have answered lately and are kept to be asked again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// Over IPv4.
    pub v4: usize,
    /// Over IPv6.
    pub v6: usize,
}

/// A read-only node (BEP 43): it looks for the peers of its torrents and announces them, and answers nobody.
#[derive(Clone, Debug)]
pub struct Dht {
    config: Config,
    rng: Rng,
    networks: [Network; 2],
    torrents: crate::torrents::Torrents,
    lookups: BTreeMap<u32, Lookup>,
    /// The number of the lookup that was begun last.
    begun: u32,
    /// The number of the lookup that sent last: the next one is the next to send.
    turn: u32,
    calls: Calls,
    pace: Pace,
    /// When somebody answered last.
    heard: Time,
    events: VecDeque<Event>,
}

impl Dht {
    /// A node that knows nobody, and sends nothing before it does. It draws its names and its transactions from `rng`.
    pub fn new(config: Config, mut rng: Rng) -> Dht {
        Dht {
            networks: [config.ipv4, config.ipv6].map(|on| Network::new(on, &mut rng)),
            pace: Pace::new(config.datagrams_per_second, config.burst),
            config,
            rng,
            torrents: Default::default(),
            lookups: BTreeMap::new(),
            begun: 0,
            turn: 0,
            calls: Calls::default(),
            heard: Time::ZERO,
            events: VecDeque::new(),
        }
    }

    /// How many nodes are known.
    pub fn known(&self) -> Known {
        let [v4, v6] = [0, 1].map(|family| self.networks[family].table.len());
        Known { v4, v6 }
    }

    /// Takes what happened.
    ///
    /// # Errors
    /// [`Ignored`] for a datagram that changes nothing; never for anything else.
    pub fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Ignored> {
        match input {
            Input::Ports { v4, v6 } => self.ports(now, [v4, v6]),
            Input::Nodes(nodes) => self.bootstrap(now, nodes),
            Input::Add(torrent) => {
                torrent.hashes().wire_names().for_each(|name| self.torrents.add(now, name))
            }
            Input::Remove(hashes) => hashes.wire_names().for_each(|name| self.remove(name)),
            Input::Datagram { from, bytes } => return self.read(now, from, bytes),
        }
        Ok(())
    }

    /// The next thing to do; asked until it is [`Output::Wait`].
    pub fn poll(&mut self, now: Time) -> Output {
        self.give_up(now);
        self.finish(now);
        self.begin_due(now);
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if self.pace.next().is_due(now)
            && let Some((to, datagram)) = self.send(now)
        {
            self.pace.spend(now);
            return Output::Transmit { to, datagram };
        }
        Output::Wait(self.next(now))
    }

    /// When there is something to do.
    fn next(&self, now: Time) -> Time {
        // What is to be sent waits for the pace, a moment at most.
        let sends =
            if self.pace.next() > now && !self.lookups.is_empty() { self.pace.next() } else { Time::NEVER };
        let torrents = if self.may_begin() { self.torrents.next() } else { Time::NEVER };
        sends.min(torrents).min(self.calls.next().max(self.pace.next()))
    }

    fn network(&mut self, family: Family) -> &mut Network {
        &mut self.networks[family as usize]
    }

    fn ports(&mut self, now: Time, ports: [Option<u16>; 2]) {
        let mut renew = false;
        for (network, port) in self.networks.iter_mut().zip(ports) {
            let port = port.filter(|port| *port != 0);
            renew |= network.on && port.is_some() && port != network.port;
            network.port = port;
        }
        if renew {
            self.torrents.renew(now);
        }
    }

    /// Takes in nodes to begin at.
    fn bootstrap(&mut self, now: Time, nodes: &[SocketAddr]) {
        let usable = nodes.iter().map(|node| canonical(*node));
        // Nobody can have an address that may not even speak of itself.
        let usable: Vec<_> = usable.filter(|node| may_speak_of(node.ip(), *node)).collect();
        for family in Family::ALL {
            let of_family = || usable.iter().copied().filter(|node| Family::of(*node) == family);
            if !self.network(family).on || of_family().next().is_none() {
                continue;
            }
            of_family().for_each(|node| self.network(family).add_bootstrap(node));
            self.meet(family, of_family().map(|node| (node, None)));
            if self.network(family).table.len() == 0 {
                self.torrents.hurry(now);
            }
        }
    }

    /// Becomes known with the neighbours of our name, by way of those nodes.
    fn meet(&mut self, family: Family, nodes: impl Iterator<Item = (SocketAddr, Option<NodeId>)>) {
        let is_meeting = |lookup: &&mut Lookup| lookup.goal == Goal::Neighbours && lookup.family == family;
        if let Some(lookup) = self.lookups.values_mut().find(is_meeting) {
            return nodes.for_each(|(addr, id)| lookup.add(addr, id));
        }
        let target = self.network(family).table.own();
        let mut lookup = Lookup::new(Goal::Neighbours, family, target);
        nodes.for_each(|(addr, id)| lookup.add(addr, id));
        self.enter(lookup);
    }

    fn enter(&mut self, lookup: Lookup) {
        self.begun = self.begun.wrapping_add(1);
        self.lookups.insert(self.begun, lookup);
    }

    fn remove(&mut self, name: InfoHash) {
        self.torrents.remove(name);
        let calls = &mut self.calls;
        self.lookups.retain(|number, lookup| {
            let stays = lookup.goal != Goal::Peers(name);
            if !stays {
                calls.drop_those_of(*number);
            }
            stays
        });
        self.events.retain(|Event::Peers { torrent, .. }| *torrent != name);
    }

    /// The families in which there is somebody to ask.
    fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let known = self.networks.each_ref().map(Network::knows_somebody);
        Family::ALL.into_iter().filter(move |family| known[*family as usize])
    }

    fn may_begin(&self) -> bool {
        let families = self.families().count();
        let torrents = self.lookups.values().filter(|lookup| lookup.goal != Goal::Neighbours).count();
        families > 0 && torrents + families <= self.config.lookups.max(1) * families
    }

    /// Begins to look for torrents that are due.
    fn begin_due(&mut self, now: Time) {
        while self.may_begin() {
            let families: Vec<Family> = self.families().collect();
            let Some(name) = self.torrents.begin(now, families.len() as u32) else { return };
            for family in families {
                let network = self.network(family);
                let mut lookup = Lookup::new(Goal::Peers(name), family, name.into());
                let nearest = network.table.closest(&name.into());
                nearest.iter().for_each(|node| lookup.add(node.addr, Some(node.id)));
                if nearest.len() < K || nearest.iter().any(|node| network.table.is_failing(node.addr)) {
                    network.bootstrap().iter().for_each(|addr| lookup.add(*addr, None));
                }
                self.enter(lookup);
            }
        }
    }

    /// Takes note of queries that were not answered.
    fn give_up(&mut self, now: Time) {
        while let Some(call) = self.calls.failed(now) {
            let others_answer = self.heard > call.began;
            self.network(Family::of(call.to)).table.failed(call.to, others_answer);
            if let Some(lookup) = self.lookups.get_mut(&call.lookup) {
                lookup.failed(call.to);
            }
        }
    }

    /// Ends lookups that are over and have announced.
    fn finish(&mut self, now: Time) {
        let mut over = Vec::new();
        for (number, lookup) in &mut self.lookups {
            let tells = announced(&self.networks, lookup).is_some();
            let walked = lookup.is_over() && !self.calls.has(*number);
            if walked && (!tells || lookup.announces().is_empty()) {
                over.push(*number);
            }
        }
        for number in over {
            if let Some(lookup) = self.lookups.remove(&number)
                && let Goal::Peers(name) = lookup.goal
            {
                let waits = [self.config.retry, self.config.interval];
                self.torrents.ended(now, name, lookup.has_found(), &mut self.rng, waits);
            }
        }
    }

    /// The next datagram.
    fn send(&mut self, now: Time) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some((call, datagram)) = self.calls.again(now) {
            let to = call.to;
            if let Some(lookup) = self.lookups.get_mut(&call.lookup) {
                lookup.late(to);
            }
            return Some((to, datagram));
        }
        // Lookups take turns.
        let numbers = self.lookups.range(self.turn.wrapping_add(1)..).chain(self.lookups.range(..=self.turn));
        let numbers: Vec<u32> = numbers.map(|(number, _)| *number).collect();
        let (number, to, ask) =
            numbers.into_iter().find_map(|number| self.ask(number).map(|(to, ask)| (number, to, ask)))?;
        self.turn = number;
        let id = self.network(Family::of(to)).table.own();
        let body = Body::Query(Query { id, read_only: true, ask });
        let message = |transaction: [u8; 4]| Message { transaction: transaction.to_vec(), body }.encode();
        Some((to, self.calls.begin(now, &mut self.rng, to, number, message)))
    }

    /// What a lookup wants to ask, and whom.
    fn ask(&mut self, number: u32) -> Option<(SocketAddr, Ask)> {
        let both = Want { v4: true, v6: true };
        let want = if self.config.ipv4 && self.config.ipv6 { both } else { Want::default() };
        let lookup = self.lookups.get_mut(&number)?;
        if let Some(to) = lookup.next() {
            let ask = match lookup.goal {
                Goal::Neighbours => Ask::FindNode { target: lookup.target(), want },
                Goal::Peers(torrent) => Ask::GetPeers { torrent, want: Want::default() },
            };
            return Some((to, ask));
        }
        let (torrent, port) = announced(&self.networks, lookup).filter(|_| lookup.is_over())?;
        let (to, token) = lookup.announces().pop()?;
        Some((to, Ask::AnnouncePeer { torrent, port, implied_port: false, token }))
    }

    fn read(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Result<(), Ignored> {
        let from = canonical(from);
        if !self.calls.expects(from) {
            return Err(Ignored::Unasked);
        }
        let message = Message::decode(bytes)?;
        if matches!(message.body, Body::Query(_)) {
            return Err(Ignored::Query);
        }
        let call = self.calls.answered(&message.transaction, from).ok_or(Ignored::Unasked)?;
        self.heard = now;
        match message.body {
            Body::Reply(reply) => self.answered(now, &call, &reply),
            _ => {
                if let Some(lookup) = self.lookups.get_mut(&call.lookup) {
                    lookup.failed(from);
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self, now: Time, call: &Call, reply: &Reply) {
        let (from, family) = (call.to, Family::of(call.to));
        let network = &mut self.networks[family as usize];
        network.table.answered(now, Node { id: reply.id, addr: from });
        if let Some(seen) = reply.seen {
            network.seen(from, seen.ip(), &mut self.rng);
        }
        let own = network.table.own();
        // Nobody far away knows what is near us, and names of our own lead back to us.
        let nodes = reply.nodes.iter().map(|node| Node { addr: canonical(node.addr), ..*node });
        let believed = |node: &Node| node.id != own && may_speak_of(from.ip(), node.addr);
        let (ours, others): (Vec<Node>, Vec<Node>) =
            nodes.filter(believed).partition(|node| Family::of(node.addr) == family);
        let Some(lookup) = self.lookups.get_mut(&call.lookup) else { return };
        let network = &self.networks[family as usize];
        let peers = reply.peers.iter().map(|peer| canonical(*peer));
        let peers = peers.filter(|peer| may_speak_of(from.ip(), *peer) && !network.is_us(*peer));
        let (goal, peers) = (lookup.goal, lookup.answered(from, reply, &ours, peers));
        match goal {
            Goal::Peers(torrent) if !peers.is_empty() && self.events.len() < EVENTS => {
                self.events.push_back(Event::Peers { torrent, peers });
            }
            Goal::Neighbours => self.cross(&others),
            Goal::Peers(_) => {}
        }
    }

    /// Nodes of one family that one of the other told of (BEP 32, "Bootstrapping").
    fn cross(&mut self, nodes: &[Node]) {
        let Some(family) = nodes.first().map(|node| Family::of(node.addr)) else { return };
        if self.network(family).on && self.network(family).table.len() < K {
            self.meet(family, nodes.iter().take(K).map(|node| (node.addr, Some(node.id))));
        }
    }
}

/// What others are told at the end of a lookup.
fn announced(networks: &[Network; 2], lookup: &Lookup) -> Option<(InfoHash, u16)> {
    match lookup.goal {
        Goal::Peers(name) => networks[lookup.family as usize].port.map(|port| (name, port)),
        Goal::Neighbours => None,
    }
}

/// An IPv4 address that came mapped into IPv6 is the IPv4 address.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
