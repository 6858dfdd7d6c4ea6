//! A walk from the nodes that are known to those nearest to a place (BEP 5, "Overview").

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use types::InfoHash;

use crate::message::{Node, Reply};
use crate::table::Host;
use crate::{Family, K, NodeId};

/// Queries that are under way at once and not late.
const ALPHA: usize = 3;
/// Most nodes that one lookup asks.
const QUERIES: usize = 100;
/// Most nodes that one lookup has in mind, the nearest.
const CANDIDATES: usize = 128;
/// Most nodes that one answer adds.
const PER_ANSWER: usize = K;
/// Most nodes at one host: one, and one more where somebody told wrongly of it.
const PER_HOST: usize = 2;
/// Most peers that one lookup finds.
const PEERS: usize = 500;
/// Most peers at one host that one lookup finds, in all answers together. A node that lies could else name hundreds of ports
/// of a single address, and all that we and others ask would dial them: an attack on that host, and room lost for true peers.
/// More than one, since several clients may be behind one address.
const PEERS_PER_HOST: usize = 4;

/// What a lookup is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Goal {
    /// To become known with the nodes around us.
    Neighbours,
    /// To find a torrent's peers, and to be found.
    Peers(InfoHash),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nobody asked it yet.
    Fresh,
    Asked,
    /// Asked, and late: others are asked meanwhile.
    Late,
    Answered,
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    /// None where only its address was named.
    id: Option<NodeId>,
    addr: SocketAddr,
    stage: Stage,
    token: Option<Vec<u8>>,
}

impl Candidate {
    /// Whether it has a right to its name (BEP 42). Others are asked too, but nobody relies on them.
    fn fits(&self) -> bool {
        self.id.is_some_and(|id| id.fits(self.addr.ip()))
    }
}

/// One walk, in one family.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) goal: Goal,
    pub(crate) family: Family,
    target: NodeId,
    /// The nearest first, before them those without a name.
    candidates: Vec<Candidate>,
    queries: usize,
    peers: BTreeSet<SocketAddr>,
    /// How many of the peers are at each host.
    hosts: BTreeMap<Host, usize>,
    /// Whom to announce to, with which token; once the walk is over.
    announces: Option<Vec<(SocketAddr, Vec<u8>)>>,
}

impl Lookup {
    pub(crate) fn new(goal: Goal, family: Family, target: NodeId) -> Lookup {
        let (candidates, peers, hosts) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Lookup { goal, family, target, candidates, queries: 0, peers, hosts, announces: None }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// Whether a peer was found.
    pub(crate) fn has_found(&self) -> bool {
        !self.peers.is_empty()
    }

    /// A node that may be asked; with its name where that is known.
    pub(crate) fn add(&mut self, addr: SocketAddr, id: Option<NodeId>) {
        let host = Host::of(addr);
        let same = self.candidates.iter().filter(|known| Host::of(known.addr) == host).count();
        if self.candidates.iter().any(|known| known.addr == addr) || same >= PER_HOST {
            return;
        }
        self.candidates.push(Candidate { id, addr, stage: Stage::Fresh, token: None });
        self.sort();
    }

    fn sort(&mut self) {
        let target = self.target;
        self.candidates.sort_by_key(|known| known.id.map(|id| id.distance(&target)));
        self.candidates.truncate(CANDIDATES);
    }

    /// Whom to ask now. Who is given here counts as asked.
    pub(crate) fn next(&mut self) -> Option<SocketAddr> {
        let under_way = self.candidates.iter().filter(|known| known.stage == Stage::Asked).count();
        if under_way >= ALPHA || self.queries >= QUERIES || self.announces.is_some() {
            return None;
        }
        let mut answered = 0;
        for known in &mut self.candidates {
            match known.stage {
                Stage::Fresh => {
                    known.stage = Stage::Asked;
                    self.queries += 1;
                    return Some(known.addr);
                }
                Stage::Answered if known.fits() => answered += 1,
                _ => {}
            }
            if answered == K {
                return None;
            }
        }
        None
    }

    /// Whether the nearest [`K`] have answered, or there is nobody to wait for.
    pub(crate) fn is_over(&self) -> bool {
        let mut answered = if self.announces.is_some() { K } else { 0 };
        for known in &self.candidates {
            if answered == K {
                return true;
            }
            match known.stage {
                Stage::Asked | Stage::Late => return false,
                Stage::Fresh if self.queries < QUERIES => return false,
                Stage::Answered if known.fits() => answered += 1,
                _ => {}
            }
        }
        true
    }

    /// Those who are still to hear that we take part: the nearest that answered and gave a token, before all those that
    /// have a right to their names. Called once the walk is over; it goes no further afterwards.
    pub(crate) fn announces(&mut self) -> &mut Vec<(SocketAddr, Vec<u8>)> {
        let candidates = &self.candidates;
        self.announces.get_or_insert_with(|| {
            let answered = candidates.iter().filter(|known| known.stage == Stage::Answered);
            let (good, others): (Vec<_>, Vec<_>) = answered.partition(|known| known.fits());
            let with_token = good.into_iter().chain(others);
            with_token.filter_map(|known| Some((known.addr, known.token.clone()?))).take(K).collect()
        })
    }

    /// An answer does not come in the usual time.
    pub(crate) fn late(&mut self, addr: SocketAddr) {
        self.turn(addr, Stage::Late);
    }

    /// An answer does not come, or is a refusal.
    pub(crate) fn failed(&mut self, addr: SocketAddr) {
        self.turn(addr, Stage::Failed);
    }

    fn turn(&mut self, addr: SocketAddr, stage: Stage) -> Option<&mut Candidate> {
        // Answers to announces change nothing.
        let walks = self.announces.is_none();
        let known = self.candidates.iter_mut().find(|known| walks && known.addr == addr)?;
        known.stage = stage;
        Some(known)
    }

    /// An answer came, of which `nodes` are believed. The peers in it that are new.
    pub(crate) fn answered(
        &mut self,
        addr: SocketAddr,
        reply: &Reply,
        nodes: &[Node],
        peers: impl Iterator<Item = SocketAddr>,
    ) -> Vec<SocketAddr> {
        if let Some(known) = self.turn(addr, Stage::Answered) {
            // It knows best what it is called.
            known.id = Some(reply.id);
            known.token = reply.token.clone();
            self.sort();
        }
        let target = self.target;
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable_by_key(|node| node.id.distance(&target));
        nodes.iter().take(PER_ANSWER).for_each(|node| self.add(node.addr, Some(node.id)));
        peers.filter(|peer| self.find(*peer)).collect()
    }

    /// Whether a peer is new and within the limits.
    fn find(&mut self, peer: SocketAddr) -> bool {
        if self.peers.len() >= PEERS || self.peers.contains(&peer) {
            return false;
        }
        let at_host = self.hosts.entry(Host::of(peer)).or_default();
        if *at_host >= PEERS_PER_HOST {
            return false;
        }
        *at_host += 1;
        self.peers.insert(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_host_a_lookup_takes_few_peers_in_all_answers_together() {
        for (family, lies, other) in [
            (Family::V4, ["1.2.3.4", "1.2.3.4"], "1.2.3.5:1"),
            (Family::V6, ["2a00:1:2:3::1", "2a00:1:2:3::2"], "[2a00:1:2:4::1]:1"),
        ] {
            let mut lookup = Lookup::new(Goal::Peers(InfoHash([1; 20])), family, NodeId([1; 20]));
            let mut found = Vec::new();
            for (answer, ip) in lies.into_iter().enumerate() {
                let reply = Reply::new(NodeId([answer as u8; 20]));
                let ports = (1..=250).map(|port| 1000 * answer as u16 + port);
                let peers = ports.map(|port| SocketAddr::new(ip.parse().unwrap(), port));
                let peers = peers.chain([other.parse().unwrap()]);
                found.extend(lookup.answered("5.6.7.8:9".parse().unwrap(), &reply, &[], peers));
            }
            assert_eq!(found.len(), PEERS_PER_HOST + 1, "{found:?}");
            assert!(found.contains(&other.parse().unwrap()));
        }
    }
}
