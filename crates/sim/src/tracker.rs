//! The tracker of the world: it knows who announced, and may die.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use types::Rng;

use crate::net::address;
use crate::queue::HostId;

/// Most addresses in one answer.
const WANTED: usize = 50;

/// Who announced.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// Whether it answers.
    pub(crate) up: bool,
    /// Time between two announces of one host.
    pub(crate) interval: Duration,
    /// Addresses of peers that left long ago, given out like others.
    pub(crate) dead: Vec<SocketAddr>,
    peers: BTreeMap<HostId, SocketAddr>,
    rng: Rng,
    /// How often it was asked.
    pub(crate) announces: u64,
}

impl Tracker {
    pub(crate) fn new(rng: Rng) -> Tracker {
        let interval = Duration::from_secs(60);
        Tracker { up: true, interval, dead: Vec::new(), peers: BTreeMap::new(), rng, announces: 0 }
    }

    /// Takes a host in and answers with others, in random order. None where it is down.
    pub(crate) fn announce(&mut self, host: HostId) -> Option<Vec<SocketAddr>> {
        self.announces += 1;
        if !self.up {
            return None;
        }
        self.peers.insert(host, address(host));
        let others = self.peers.iter().filter(|(other, _)| **other != host).map(|(_, addr)| *addr);
        let mut answer: Vec<SocketAddr> = others.chain(self.dead.iter().copied()).collect();
        self.rng.shuffle(&mut answer);
        answer.truncate(WANTED);
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_others_while_it_lives() {
        let mut tracker = Tracker::new(Rng::from_number(1));
        assert_eq!(tracker.announce(HostId(0)), Some(Vec::new()));
        assert_eq!(tracker.announce(HostId(1)), Some(vec![address(HostId(0))]));
        tracker.up = false;
        assert_eq!(tracker.announce(HostId(0)), None);
    }
}
