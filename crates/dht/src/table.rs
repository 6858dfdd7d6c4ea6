//! The nodes that are known: only those that have answered.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use types::{Scope, Time};

use crate::message::Node;
use crate::{K, NodeId};

/// Most nodes of one family.
const NODES: usize = 320;
/// For so long after its last answer a node is good, afterwards questionable (BEP 5, "Routing Table").
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
/// So many queries in a row without an answer make a node bad.
const BAD: u8 = 3;

/// What counts as one: an IPv4 address, or the /64 of an IPv6 one. On our own machine each port is another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Host(IpAddr, u16);

impl Host {
    pub(crate) fn of(addr: SocketAddr) -> Host {
        match addr.ip() {
            ip if Scope::of(ip) == Some(Scope::Machine) => Host(ip, addr.port()),
            IpAddr::V6(ip) => Host(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(), 0),
            ip => Host(ip, 0),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Row {
    node: Node,
    answered: Time,
    /// Queries since then that were not answered.
    failures: u8,
}

impl Row {
    fn is_good(&self, now: Time) -> bool {
        self.failures == 0 && now.since(self.answered) < GOOD_FOR
    }

    fn fits(&self) -> bool {
        self.node.id.fits(self.node.addr.ip())
    }
}

/// The nodes of one family: at most [`K`] for each number of bits that they have in common with us, one for each host.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    own: NodeId,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(own: NodeId) -> Table {
        Table { own, rows: Vec::new() }
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Those nearest to a place, nearest first.
    pub(crate) fn closest(&self, target: &NodeId) -> Vec<Node> {
        let mut nodes: Vec<Node> = self.rows.iter().map(|row| row.node).collect();
        nodes.sort_unstable_by_key(|node| node.id.distance(target));
        nodes.truncate(K);
        nodes
    }

    /// We are called otherwise from now on.
    pub(crate) fn rename(&mut self, own: NodeId) {
        let rows = std::mem::take(&mut self.rows);
        self.own = own;
        for row in rows {
            self.enter(row.answered, row);
        }
    }

    /// A node answered. A good one that is known makes room for nobody, unless it has no right to its name (BEP 42).
    pub(crate) fn answered(&mut self, now: Time, node: Node) {
        if node.id != self.own {
            self.enter(now, Row { node, answered: now, failures: 0 });
        }
    }

    fn enter(&mut self, now: Time, row: Row) {
        let host = Host::of(row.node.addr);
        if let Some(at) = self.rows.iter().position(|known| Host::of(known.node.addr) == host) {
            let known = &mut self.rows[at];
            if known.node == row.node {
                *known = row;
                return;
            }
            // Who answers from this very address is who is there now.
            if known.is_good(now) && known.node.addr != row.node.addr {
                return;
            }
            // The new id may belong into another bucket, which may be full.
            self.rows.remove(at);
        }
        let shared = self.own.common_bits(&row.node.id);
        let bucket = || self.rows.iter().filter(|known| self.own.common_bits(&known.node.id) == shared);
        if bucket().count() < K {
            if self.rows.len() < NODES {
                self.rows.push(row);
            }
            return;
        }
        let worse = |known: &&Row| !known.is_good(now) || row.fits() && !known.fits();
        let worst = bucket().filter(worse).min_by_key(|known| (known.failures == 0, known.answered));
        if let Some(addr) = worst.map(|worst| worst.node.addr) {
            self.rows.retain(|known| known.node.addr != addr);
            self.rows.push(row);
        }
    }

    /// A node did not answer. Where nobody else did it may not be to blame, and stays.
    pub(crate) fn failed(&mut self, addr: SocketAddr, others_answer: bool) {
        let Some(at) = self.rows.iter().position(|row| row.node.addr == addr) else { return };
        self.rows[at].failures = self.rows[at].failures.saturating_add(1);
        if others_answer && self.rows[at].failures >= BAD {
            self.rows.swap_remove(at);
        }
    }

    /// Whether a node did not answer the last time.
    pub(crate) fn is_failing(&self, addr: SocketAddr) -> bool {
        self.rows.iter().any(|row| row.node.addr == addr && row.failures > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Rng;

    fn node(first: u8, n: u32) -> Node {
        let mut id = [0; 20];
        id[0] = first;
        id[16..].copy_from_slice(&n.to_be_bytes());
        Node { id: NodeId(id), addr: (std::net::Ipv4Addr::from(0x0a00_0000 + n), 6881).into() }
    }

    fn at(mins: u64) -> Time {
        Time::from_secs(60 * mins)
    }

    #[test]
    fn a_bucket_holds_eight_and_whoever_stopped_answering_makes_room() {
        let mut table = Table::new(NodeId([0; 20]));
        (0..20).for_each(|n| table.answered(at(0), node(0x80, n)));
        assert_eq!(table.len(), K);
        table.failed(node(0x80, 3).addr, true);
        table.answered(at(1), node(0x80, 30));
        let known = table.closest(&NodeId([0xff; 20]));
        assert!(known.contains(&node(0x80, 30)) && !known.contains(&node(0x80, 3)));
        // Those that are questionable make room, the oldest first.
        table.answered(at(14), node(0x80, 0));
        table.answered(at(16), node(0x80, 40));
        let known = table.closest(&NodeId([0xff; 20]));
        assert!(known.contains(&node(0x80, 40)) && known.contains(&node(0x80, 0)) && known.len() == K);
    }

    #[test]
    fn a_node_that_is_bad_goes() {
        let mut table = Table::new(NodeId([0; 20]));
        table.answered(at(0), node(1, 1));
        (0..2).for_each(|_| table.failed(node(1, 1).addr, true));
        table.answered(at(0), node(1, 1));
        (0..2).for_each(|_| table.failed(node(1, 1).addr, true));
        (0..1_000).for_each(|_| table.failed(node(1, 1).addr, false));
        assert!(table.len() == 1 && table.is_failing(node(1, 1).addr));
        table.failed(node(1, 1).addr, true);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_address_is_one_node_whatever_it_calls_itself() {
        let mut table = Table::new(NodeId([0; 20]));
        for n in 0..10_000 {
            let mut liar = node(n as u8, n);
            liar.addr = (std::net::Ipv4Addr::new(10, 0, 0, 1), 1 + n as u16).into();
            table.answered(at(0), liar);
        }
        assert_eq!(table.len(), 1);
        let restarted = Node { id: NodeId([7; 20]), ..table.closest(&NodeId([0; 20]))[0] };
        table.answered(at(0), restarted);
        assert_eq!(table.closest(&NodeId([0; 20])), [restarted]);
        let v6 = |n: u8| format!("[2001:470::{n:x}]:1").parse().unwrap();
        (1..9).for_each(|n| table.answered(at(0), Node { id: NodeId([n; 20]), addr: v6(n) }));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_host_with_a_new_name_enters_a_bucket_as_everybody_does() {
        let mut table = Table::new(NodeId([0; 20]));
        let hosts = 0..2 * K as u32;
        hosts.clone().for_each(|n| table.answered(at(0), node(if n < K as u32 { 0x80 } else { 0x40 }, n)));
        assert_eq!(table.len(), 2 * K);
        // Those of the other bucket do not answer once, and then under names that belong into the first.
        for n in hosts.skip(K) {
            table.failed(node(0x40, n).addr, true);
            table.answered(at(1), node(0x80, n));
        }
        assert_eq!(table.len(), K);
        assert!((0..K as u32).all(|n| table.closest(&NodeId([0x80; 20])).contains(&node(0x80, n))));
    }

    #[test]
    fn a_name_that_fits_its_address_takes_the_place_of_one_that_does_not() {
        let mut rng = Rng::from_number(1);
        let mut table = Table::new(NodeId([0; 20]));
        for n in 0..K as u32 {
            let addr = (std::net::Ipv4Addr::from(0x0808_0000 + n), 1).into();
            table.answered(at(0), Node { id: node(0x80, n).id, addr });
        }
        let good = std::iter::repeat_with(|| NodeId::of_ip([9, 9, 9, 9].into(), &mut rng));
        let id = good.take(1_000).find(|id| id.0[0] & 0x80 != 0).expect("half of them begin so");
        let good = Node { id, addr: ([9, 9, 9, 9], 1).into() };
        table.answered(at(0), good);
        assert!(table.closest(&id).contains(&good) && table.len() == K);
    }

    #[test]
    fn all_nodes_together_are_bounded_and_a_new_name_keeps_them() {
        let mut table = Table::new(NodeId([0; 20]));
        for n in 0..10_000u32 {
            let mut node = node(0, n);
            node.id.0[n as usize / 8 % 20] = 0x80 >> (n % 8);
            table.answered(at(0), node);
        }
        assert_eq!(table.len(), NODES);
        let near = table.closest(&NodeId([0; 20]));
        table.rename(NodeId([0xff; 20]));
        assert!(table.len() >= K && table.closest(&NodeId([0; 20])).len() == near.len());
    }
}
