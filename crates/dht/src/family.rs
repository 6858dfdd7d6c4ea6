//! The two networks, of IPv4 and of IPv6, which know nothing of each other (BEP 32).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use types::{Rng, Scope};

use crate::NodeId;
use crate::table::{Host, Table};

/// Most bootstrap nodes: addresses that are kept whether or not somebody answered there.
const BOOTSTRAP: usize = 32;
/// So many nodes say how they see us before they are believed.
const VOTERS: usize = 8;

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const ALL: [Family; 2] = [Family::V4, Family::V6];

    pub(crate) fn of(addr: SocketAddr) -> Family {
        if addr.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// What is known in one of them.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Whether it is asked at all.
    pub(crate) on: bool,
    pub(crate) table: Table,
    /// The port that others are told of; none: nobody is told.
    pub(crate) port: Option<u16>,
    /// Where others see us.
    external: Option<IpAddr>,
    /// Where to begin while too few nodes are known.
    bootstrap: Vec<SocketAddr>,
    votes: BTreeMap<Host, IpAddr>,
}

impl Network {
    pub(crate) fn new(on: bool, rng: &mut Rng) -> Network {
        let table = Table::new(NodeId::random(rng));
        Network { on, table, port: None, external: None, bootstrap: Vec::new(), votes: BTreeMap::new() }
    }

    /// Keeps the address of a bootstrap node; of too many the oldest goes.
    pub(crate) fn add_bootstrap(&mut self, addr: SocketAddr) {
        self.bootstrap.retain(|known| *known != addr);
        if self.bootstrap.len() >= BOOTSTRAP {
            self.bootstrap.remove(0);
        }
        self.bootstrap.push(addr);
    }

    pub(crate) fn bootstrap(&self) -> &[SocketAddr] {
        &self.bootstrap
    }

    /// Whether there is somebody to ask.
    pub(crate) fn knows_somebody(&self) -> bool {
        self.on && (self.table.len() > 0 || !self.bootstrap.is_empty())
    }

    /// A node says where it sees us. When most of some agree, we take a name that nodes there may have (BEP 42,
    /// "Bootstrapping").
    pub(crate) fn seen(&mut self, teller: SocketAddr, ip: IpAddr, rng: &mut Rng) {
        if Scope::of(ip) != Some(Scope::World) || Family::of(teller) != Family::of((ip, 1).into()) {
            return;
        }
        self.votes.insert(Host::of(teller), ip);
        if self.votes.len() < VOTERS {
            return;
        }
        let votes = std::mem::take(&mut self.votes);
        let agree = |ip: &&IpAddr| 2 * votes.values().filter(|vote| vote == ip).count() > votes.len();
        let Some(ip) = votes.values().find(agree) else { return };
        self.external = Some(*ip);
        if !self.table.own().fits(*ip) {
            self.table.rename(NodeId::of_ip(*ip, rng));
        }
    }

    /// Whether that is where others see us listen.
    pub(crate) fn is_us(&self, peer: SocketAddr) -> bool {
        Some(peer.port()) == self.port && Some(peer.ip()) == self.external
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_eight_decide_what_we_are_called() {
        let mut rng = Rng::from_number(1);
        let mut network = Network::new(true, &mut rng);
        let (here, lie) = ("8.1.2.3".parse().unwrap(), "9.9.9.9".parse().unwrap());
        let teller = |n: u8| SocketAddr::from(([7, 7, 7, n], 1));
        network.table.rename(NodeId([0; 20]));
        // One liar has one voice, and addresses that are near say nothing.
        (0..100).for_each(|_| network.seen(teller(0), lie, &mut rng));
        (1..7).for_each(|n| network.seen(teller(n), here, &mut rng));
        (8..20).for_each(|n| network.seen(teller(n), "10.0.0.1".parse().unwrap(), &mut rng));
        (8..20).for_each(|n| network.seen(teller(n), "2001:db8::1".parse().unwrap(), &mut rng));
        assert_eq!(network.table.own(), NodeId([0; 20]));
        network.seen(teller(7), here, &mut rng);
        assert!(network.table.own().fits(here));
        network.port = Some(5);
        assert!(network.is_us("8.1.2.3:5".parse().unwrap()) && !network.is_us("8.1.2.3:6".parse().unwrap()));
    }

    #[test]
    fn so_many_addresses_are_kept() {
        let mut network = Network::new(true, &mut Rng::from_number(1));
        assert!(!network.knows_somebody());
        (1..200).for_each(|port| network.add_bootstrap(([10, 0, 0, 1], port).into()));
        assert_eq!(network.bootstrap().len(), BOOTSTRAP);
        assert_eq!(network.bootstrap().last().map(SocketAddr::port), Some(199));
    }
}
