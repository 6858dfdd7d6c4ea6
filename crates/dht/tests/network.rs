//! A DHT in memory: nodes that answer as BEP 5 says, liars, lost datagrams, and one of our own among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use riverrun_dht::{Ask, Body, Config, Dht, Event, Input, Message, Node, NodeId, Output, Query, Reply};
use types::{Announceable, InfoHash, InfoHashes, Privacy, Rng, Time};

const TORRENT: InfoHash = InfoHash([0xab; 20]);
const LATENCY: Duration = Duration::from_millis(50);

fn public(hash: InfoHash) -> Announceable {
    Announceable::new(InfoHashes::v1(hash), Privacy::Public).expect("it is public")
}

fn distance(a: &[u8; 20], b: &[u8; 20]) -> [u8; 20] {
    std::array::from_fn(|at| a[at] ^ b[at])
}

/// What a node does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Honest,
    /// Names nodes that are not there, each nearer than all that are, and peers that nobody is.
    Liar,
    /// Never answers.
    Dead,
}

struct Serving {
    node: Node,
    kind: Kind,
    knows: Vec<Node>,
    peers: BTreeMap<InfoHash, BTreeSet<SocketAddr>>,
}

/// The nodes, and what is on its way.
struct Net {
    rng: Rng,
    nodes: BTreeMap<SocketAddr, Serving>,
    /// To us: when, from whom, what.
    coming: VecDeque<(Time, SocketAddr, Vec<u8>)>,
    /// One datagram of so many is lost; 0: none.
    loss: u32,
    sent: Vec<(Time, SocketAddr, Query)>,
    found: BTreeSet<SocketAddr>,
    now: Time,
}

fn v4(n: u32) -> SocketAddr {
    (Ipv4Addr::from(0x2d00_0000 + n * 0x0001_0007), 6881).into()
}

impl Net {
    /// So many nodes, every one of which knows its eight nearest and some others.
    fn new(seed: u64, count: u32, addr: fn(u32) -> SocketAddr, kind: impl Fn(u32) -> Kind) -> Net {
        let mut rng = Rng::from_number(seed);
        let all: Vec<Node> =
            (0..count).map(|n| Node { id: NodeId::of_ip(addr(n).ip(), &mut rng), addr: addr(n) }).collect();
        let mut nodes = BTreeMap::new();
        for (n, node) in all.iter().enumerate() {
            let mut knows = all.clone();
            knows.sort_by_key(|other| distance(&other.id.0, &node.id.0));
            knows.remove(0);
            let mut others = knows.split_off(knows.len().min(8));
            rng.shuffle(&mut others);
            knows.extend(others.into_iter().take(8));
            let serving = Serving { node: *node, kind: kind(n as u32), knows, peers: BTreeMap::new() };
            nodes.insert(node.addr, serving);
        }
        let (coming, sent, found) = Default::default();
        Net { rng, nodes, coming, loss: 0, sent, found, now: Time::ZERO }
    }

    fn nearest(&self, target: &[u8; 20]) -> Vec<SocketAddr> {
        let mut all: Vec<_> = self.nodes.values().filter(|node| node.kind == Kind::Honest).collect();
        all.sort_by_key(|node| distance(&node.node.id.0, target));
        all.iter().take(8).map(|node| node.node.addr).collect()
    }

    fn give(&mut self, torrent: InfoHash, peer: &str) {
        let peer: SocketAddr = peer.parse().expect("an address");
        for addr in self.nearest(&torrent.0) {
            self.nodes.get_mut(&addr).expect("it is there").peers.entry(torrent).or_default().insert(peer);
        }
    }

    fn announced(&self, torrent: InfoHash, port: u16) -> usize {
        let ours = SocketAddr::from((self.us(false), port));
        let holds = |node: &&Serving| node.peers.get(&torrent).is_some_and(|peers| peers.contains(&ours));
        self.nodes.values().filter(holds).count()
    }

    fn us(&self, v6: bool) -> std::net::IpAddr {
        if v6 { "2a00::1".parse().expect("an address") } else { Ipv4Addr::new(8, 1, 2, 3).into() }
    }

    fn lost(&mut self) -> bool {
        self.loss > 0 && self.rng.one_in(self.loss)
    }

    fn answer(&mut self, to: SocketAddr, datagram: &[u8]) {
        let message = Message::decode(datagram).expect("we write what can be read");
        let Body::Query(query) = message.body else { panic!("we only ask") };
        self.sent.push((self.now, to, query.clone()));
        if self.lost() {
            return;
        }
        let us = SocketAddr::new(self.us(to.is_ipv6()), 6881);
        let Some(node) = self.nodes.get_mut(&to).filter(|node| node.kind != Kind::Dead) else { return };
        let mut reply = Reply { seen: Some(us), ..Reply::new(node.node.id) };
        let target = match query.ask {
            Ask::FindNode { target, .. } => Some(target.0),
            Ask::GetPeers { torrent, .. } => {
                reply.token = Some(to.to_string().into_bytes());
                reply.peers = node.peers.get(&torrent).into_iter().flatten().copied().collect();
                Some(torrent.0)
            }
            Ask::AnnouncePeer { torrent, port, implied_port, token } => {
                assert!(!implied_port && token == to.to_string().into_bytes());
                node.peers.entry(torrent).or_default().insert((us.ip(), port).into());
                None
            }
            _ => None,
        };
        if let Some(target) = target {
            let mut near = node.knows.clone();
            near.sort_by_key(|node| distance(&node.id.0, &target));
            near.truncate(8);
            reply.nodes = near;
            if node.kind == Kind::Liar {
                reply.nodes = (0..32).map(|n| self.lie(target, n)).collect();
                reply.peers = (1..=60).map(|n| ([9, 9, 9, n], 1).into()).collect();
            }
        }
        if !self.lost() {
            let bytes = Message { transaction: message.transaction, body: Body::Reply(reply) }.encode();
            self.coming.push_back((self.now + LATENCY, to, bytes));
        }
    }

    fn lie(&mut self, target: [u8; 20], n: u8) -> Node {
        let mut id = target;
        id[19] ^= n;
        Node { id: NodeId(id), addr: (Ipv4Addr::from(0x0900_0000 + (self.rng.next_u32() >> 8)), 1).into() }
    }

    /// Lets time pass.
    fn run(&mut self, dht: &mut Dht, until: Time) {
        loop {
            let next = match dht.poll(self.now) {
                Output::Transmit { to, datagram } => {
                    assert!(datagram.len() <= 1_024, "longer than BEP 32 allows");
                    self.answer(to, &datagram);
                    continue;
                }
                Output::Event(Event::Peers { torrent, peers }) => {
                    assert_eq!(torrent, TORRENT);
                    self.found.extend(peers);
                    continue;
                }
                Output::Event(_) => continue,
                Output::Wait(next) => next,
            };
            assert!(next > self.now, "a wait that is none");
            let arrival = self.coming.front().map_or(Time::NEVER, |(at, ..)| *at);
            if next.min(arrival) > until {
                self.now = until;
                return;
            }
            self.now = next.min(arrival);
            if arrival.is_due(self.now) {
                let (_, from, bytes) = self.coming.pop_front().expect("it was looked at");
                dht.handle(self.now, Input::Datagram { from, bytes: &bytes }).expect("it was asked for");
            }
        }
    }

    /// How many datagrams went out in the second with most.
    fn most_in_a_second(&self) -> usize {
        let times: Vec<Time> = self.sent.iter().map(|(at, ..)| *at).collect();
        let within =
            |from: Time| times.iter().filter(|at| **at >= from && at.since(from).as_secs() < 1).count();
        times.iter().map(|at| within(*at)).max().unwrap_or(0)
    }
}

fn client(config: Config) -> Dht {
    let mut dht = Dht::new(config, Rng::from_number(7));
    dht.handle(Time::ZERO, Input::Ports { v4: Some(51_413), v6: Some(51_413) }).expect("no datagram");
    dht.handle(Time::ZERO, Input::Add(public(TORRENT))).expect("no datagram");
    dht
}

fn tell(dht: &mut Dht, now: Time, nodes: &[SocketAddr]) {
    dht.handle(now, Input::Nodes(nodes)).expect("no datagram");
}

#[test]
fn a_lookup_finds_the_peers_and_announces_to_the_nearest() {
    let mut net = Net::new(1, 50, v4, |_| Kind::Honest);
    net.give(TORRENT, "45.9.9.9:1234");
    let mut dht = client(Config::default());
    net.run(&mut dht, Time::from_secs(600));
    assert!(net.sent.is_empty(), "nobody is asked before somebody is known");
    tell(&mut dht, net.now, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(620));
    assert_eq!(net.found, ["45.9.9.9:1234".parse().expect("an address")].into());
    assert_eq!(net.announced(TORRENT, 51_413), 8);
    let nearest = net.nearest(&TORRENT.0);
    let holds = |addr: &SocketAddr| net.nodes[addr].peers[&TORRENT].len() == 2;
    assert!(nearest.iter().all(holds), "those that hold it are the nearest");
    assert!(net.sent.iter().all(|(_, _, query)| query.read_only));
    assert!(dht.known().v4 >= 12 && dht.known().v6 == 0, "{:?}", dht.known());
    // All agree on where we are: our name is one that we may have there.
    let Query { id, .. } = net.sent.last().expect("somebody was asked").2;
    assert!(id.fits(net.us(false)), "{id}");
}

#[test]
fn it_looks_again_every_quarter_of_an_hour_and_not_oftener() {
    let mut net = Net::new(2, 50, v4, |_| Kind::Honest);
    net.give(TORRENT, "45.9.9.9:1234");
    let mut dht = client(Config::default());
    tell(&mut dht, Time::ZERO, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(10));
    let first = net.sent.len();
    net.run(&mut dht, Time::from_secs(13 * 60));
    assert_eq!(net.sent.len(), first);
    net.run(&mut dht, Time::from_secs(17 * 60));
    let second = net.sent.len() - first;
    assert!((8..60).contains(&second), "{second}");
    // What is taken out is not named any more, also in the midst of a lookup.
    net.run(&mut dht, Time::from_secs(25 * 60));
    let before = net.sent.len();
    dht.handle(net.now, Input::Remove(InfoHashes::v1(TORRENT))).expect("no datagram");
    net.run(&mut dht, Time::from_secs(100 * 60));
    assert_eq!(net.sent.len(), before);
}

#[test]
fn another_port_is_announced_at_once() {
    // Told before, during and after the first announces.
    for at in (0..2_000).step_by(50) {
        let mut net = Net::new(2, 50, v4, |_| Kind::Honest);
        net.give(TORRENT, "45.9.9.9:1234");
        let mut dht = client(Config::default());
        tell(&mut dht, Time::ZERO, &[v4(0)]);
        net.run(&mut dht, Time::from_millis(at));
        let ports = Input::Ports { v4: Some(7), v6: Some(51_413) };
        dht.handle(net.now, ports.clone()).expect("no datagram");
        net.run(&mut dht, Time::from_secs(30));
        assert_eq!(net.announced(TORRENT, 7), 8, "told after {at} ms");
        // The same port once more, and none, are no news.
        let sent = net.sent.len();
        dht.handle(net.now, ports).expect("no datagram");
        dht.handle(net.now, Input::Ports { v4: None, v6: None }).expect("no datagram");
        net.run(&mut dht, Time::from_secs(60));
        assert_eq!(net.sent.len(), sent);
    }
}

#[test]
fn a_torrent_that_goes_in_the_midst_of_a_lookup_is_named_no_more() {
    let mut net = Net::new(3, 50, v4, |_| Kind::Honest);
    let mut dht = client(Config::default());
    tell(&mut dht, Time::ZERO, &[v4(0)]);
    net.run(&mut dht, Time::from_millis(120));
    assert!(names(&net.sent) > 0);
    net.sent.clear();
    dht.handle(net.now, Input::Remove(InfoHashes::v1(TORRENT))).expect("no datagram");
    // Answers that are still on their way find nobody who waits.
    net.coming.clear();
    net.run(&mut dht, Time::from_secs(60));
    assert_eq!(names(&net.sent), 0);
}

fn names(sent: &[(Time, SocketAddr, Query)]) -> usize {
    let named = |ask: &Ask| matches!(ask, Ask::GetPeers { torrent, .. } | Ask::AnnouncePeer { torrent, .. } if *torrent == TORRENT);
    sent.iter().filter(|(_, _, query)| named(&query.ask)).count()
}

#[test]
fn a_quarter_of_all_datagrams_may_be_lost() {
    for seed in 0..20 {
        let mut net = Net::new(seed, 50, v4, |_| Kind::Honest);
        net.give(TORRENT, "45.9.9.9:1234");
        net.loss = 4;
        let mut dht = client(Config::default());
        tell(&mut dht, Time::ZERO, &[v4(0), v4(1), v4(2)]);
        net.run(&mut dht, Time::from_secs(120));
        assert!(!net.found.is_empty(), "seed {seed}");
        assert!(net.announced(TORRENT, 51_413) >= 5, "seed {seed}");
    }
}

#[test]
fn liars_and_dead_nodes_neither_hide_the_peers_nor_make_a_flood() {
    for seed in 0..20 {
        // Ten liars and ten dead ones of fifty; the first node is honest.
        let kind =
            |n: u32| [Kind::Honest, Kind::Liar, Kind::Honest, Kind::Dead, Kind::Honest][n as usize % 5];
        let mut net = Net::new(seed, 50, v4, kind);
        net.give(TORRENT, "45.9.9.9:1234");
        let mut dht = client(Config::default());
        tell(&mut dht, Time::ZERO, &[v4(0)]);
        net.run(&mut dht, Time::from_secs(240));
        assert!(net.found.contains(&"45.9.9.9:1234".parse().expect("an address")), "seed {seed}");
        assert!(net.announced(TORRENT, 51_413) >= 4, "seed {seed}: {}", net.announced(TORRENT, 51_413));
        assert!(net.found.len() <= 61 && dht.known().v4 <= 50, "seed {seed}");
        assert!(net.most_in_a_second() <= 75, "seed {seed}: {}", net.most_in_a_second());
    }
}

#[test]
fn one_liar_with_ten_thousand_nodes_costs_little() {
    let mut net = Net::new(5, 1, v4, |_| Kind::Liar);
    let mut dht = client(Config::default());
    tell(&mut dht, Time::ZERO, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(3_600));
    // Eight of what it names are asked each time, twice, and it is asked less and less often.
    assert!(net.sent.len() < 300, "{}", net.sent.len());
    assert_eq!((dht.known().v4, net.found.len()), (1, 60));
}

#[test]
fn addresses_near_us_are_not_asked_because_somebody_far_away_names_them() {
    let mut net = Net::new(6, 20, v4, |_| Kind::Honest);
    let near = ["10.0.0.1:1", "127.0.0.1:1", "192.168.1.1:1", "224.0.0.1:1", "0.0.0.0:1", "45.0.0.1:0"];
    for (n, node) in net.nodes.values_mut().enumerate() {
        let addr: SocketAddr = near[n % near.len()].parse().expect("an address");
        node.knows.iter_mut().step_by(2).for_each(|known| known.addr = addr);
        node.peers.entry(TORRENT).or_default().insert(addr);
    }
    net.give(TORRENT, "45.9.9.9:1234");
    let mut dht = client(Config::default());
    let nobody = ["224.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1", "9.9.9.9:0", "[ff02::1]:1", "[::]:1"];
    tell(&mut dht, Time::ZERO, &nobody.map(|addr| addr.parse().expect("an address")));
    net.run(&mut dht, Time::from_secs(10));
    assert!(net.sent.is_empty(), "nobody can have these addresses");
    tell(&mut dht, net.now, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(120));
    assert!(net.sent.iter().all(|(_, to, _)| net.nodes.contains_key(to)));
    assert_eq!(net.found, ["45.9.9.9:1234".parse().expect("an address")].into());
    // The user may name what is near.
    tell(&mut dht, net.now, &["127.0.0.1:7".parse().expect("an address")]);
    net.run(&mut dht, Time::from_secs(130));
    assert!(net.sent.iter().any(|(_, to, _)| to.port() == 7));
}

#[test]
fn both_families_are_asked_and_one_leads_to_the_other() {
    let addr = |n: u32| match n % 2 {
        0 => v4(n),
        _ => (Ipv6Addr::new(0x2a01, n as u16, 0, 0, 0, 0, 0, 1), 6881).into(),
    };
    let mut net = Net::new(8, 60, addr, |_| Kind::Honest);
    // Each knows only its own family but for one.
    for n in 0..60 {
        let node = net.nodes.get_mut(&addr(n)).expect("it is there");
        let v4 = node.node.addr.is_ipv4();
        let other = node.knows.iter().position(|known| known.addr.is_ipv4() != v4).expect("some are");
        let other = node.knows.remove(other);
        node.knows.retain(|known| known.addr.is_ipv4() == v4);
        node.knows.insert(0, other);
    }
    net.give(TORRENT, "45.9.9.9:1234");
    let mut dht = client(Config::default());
    tell(&mut dht, Time::ZERO, &[addr(0)]);
    net.run(&mut dht, Time::from_secs(180));
    assert!(dht.known().v4 > 4 && dht.known().v6 > 4, "{:?}", dht.known());
    let mut alone = client(Config { ipv6: false, ..Config::default() });
    net.sent.clear();
    (net.now, net.coming) = (Time::ZERO, VecDeque::new());
    tell(&mut alone, Time::ZERO, &[addr(0), addr(1)]);
    net.run(&mut alone, Time::from_secs(180));
    assert!(alone.known().v6 == 0 && net.sent.iter().all(|(_, to, _)| to.is_ipv4()));
}

#[test]
fn a_thousand_torrents_stay_within_the_pace() {
    let mut net = Net::new(9, 50, v4, |_| Kind::Honest);
    let mut dht = client(Config::default());
    for n in 0..1_000u32 {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
        dht.handle(Time::ZERO, Input::Add(public(InfoHash(hash)))).expect("no datagram");
    }
    tell(&mut dht, Time::ZERO, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(60));
    assert!((2_500..=3_025).contains(&net.sent.len()), "{}", net.sent.len());
    assert!(net.most_in_a_second() <= 75);
}

#[test]
fn what_was_not_asked_is_not_believed() {
    let mut dht = client(Config::default());
    let [node, stranger] = ["45.0.0.1:1", "45.0.0.2:1"].map(|addr| addr.parse().expect("an address"));
    let reply = |transaction: Vec<u8>| {
        let reply = Reply { peers: vec![stranger], ..Reply::new(NodeId([1; 20])) };
        Message { transaction, body: Body::Reply(reply) }.encode()
    };
    let take = |dht: &mut Dht, from, bytes: &[u8]| dht.handle(Time::ZERO, Input::Datagram { from, bytes });
    assert!(take(&mut dht, node, &reply(vec![0; 4])).is_err());
    tell(&mut dht, Time::ZERO, &[node]);
    let Output::Transmit { datagram, .. } = dht.poll(Time::ZERO) else { panic!("it is asked") };
    let asked = Message::decode(&datagram).expect("we write what can be read").transaction;
    // From elsewhere, with another transaction, cut off, or as a query.
    assert!(take(&mut dht, stranger, &reply(asked.clone())).is_err());
    assert!(take(&mut dht, node, &reply(vec![0; 4])).is_err());
    assert!(take(&mut dht, node, &reply(asked[..3].to_vec())).is_err());
    assert!(take(&mut dht, node, &datagram).is_err());
    assert_eq!(dht.known().v4, 0);
    assert!(take(&mut dht, node, &reply(asked.clone())).is_ok());
    assert!(take(&mut dht, node, &reply(asked)).is_err(), "an answer counts once");
    assert_eq!(dht.known().v4, 1);
}

#[test]
fn nodes_that_are_refused_or_silent_are_asked_again_when_the_network_is_back() {
    let mut net = Net::new(10, 50, v4, |_| Kind::Honest);
    net.give(TORRENT, "45.9.9.9:1234");
    let mut dht = client(Config::default());
    tell(&mut dht, Time::ZERO, &[v4(0)]);
    net.run(&mut dht, Time::from_secs(30));
    let known = dht.known();
    net.loss = 1;
    net.run(&mut dht, Time::from_secs(6 * 3_600));
    assert_eq!(dht.known(), known, "it is not their fault that nobody answers");
    (net.loss, net.found) = (0, BTreeSet::new());
    net.run(&mut dht, Time::from_secs(7 * 3_600));
    assert!(!net.found.is_empty());
}
