//! Connections by the host at their other end, so that none holds the places of all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use engine::Host;

/// Things of hosts, by host; and the hosts by how many they have.
#[derive(Debug)]
pub(crate) struct Crowd<T> {
    hosts: BTreeMap<Host, BTreeSet<T>>,
    by_size: BTreeSet<(usize, Host)>,
    len: usize,
}

impl<T: Ord> Crowd<T> {
    pub(crate) fn new() -> Crowd<T> {
        Crowd { hosts: BTreeMap::new(), by_size: BTreeSet::new(), len: 0 }
    }

    /// How many there are, of all hosts.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many a host has.
    pub(crate) fn of(&self, host: Host) -> usize {
        self.hosts.get(&host).map_or(0, BTreeSet::len)
    }

    pub(crate) fn insert(&mut self, host: Host, one: T) {
        let before = self.of(host);
        if self.hosts.entry(host).or_default().insert(one) {
            self.by_size.remove(&(before, host));
            self.by_size.insert((before + 1, host));
            self.len += 1;
        }
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, host: Host, one: &T) -> bool {
        let Some(all) = self.hosts.get_mut(&host) else { return false };
        let before = all.len();
        if !all.remove(one) {
            return false;
        }
        self.by_size.remove(&(before, host));
        if all.is_empty() {
            self.hosts.remove(&host);
        } else {
            self.by_size.insert((before - 1, host));
        }
        self.len -= 1;
        true
    }

    /// The first of the network that has most, of its host with most; of those that are alike whoever is first.
    pub(crate) fn first_of_the_most(&self) -> Option<&T> {
        let mut best: Option<(usize, Reverse<&T>)> = None;
        // Of the network that is gone through: its last host, what it has, and its greatest host.
        let (mut last, mut held, mut most) = (None::<Host>, 0, None);
        // Hosts of a network follow each other.
        for (host, all) in &self.hosts {
            let one = all.first().map(|first| (all.len(), Reverse(first)));
            (held, most) = match last {
                Some(last) if last.is_near(*host) => (held + all.len(), most.max(one)),
                _ => (all.len(), one),
            };
            last = Some(*host);
            best = best.max(most.map(|(_, first)| (held, first)));
        }
        best.map(|(_, first)| first.0)
    }

    /// All of the host that has most, where it has to make room for one more of a host with `has`, and each may
    /// keep `keeps`.
    pub(crate) fn yielding(&self, has: usize, keeps: usize) -> Option<&BTreeSet<T>> {
        let (held, host) = self.by_size.last()?;
        self.hosts.get(host).filter(|_| Host::yields(*held, has, keeps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_first_is_of_the_greatest_network_and_its_greatest_host() {
        let host = |net: u8, n: u8| Host::of(([10, net, 0, n], 1).into());
        let mut crowd = Crowd::new();
        assert_eq!(crowd.first_of_the_most(), None);
        for (one, net) in [(5, 1), (3, 2), (4, 3)] {
            crowd.insert(host(net, 1), one);
        }
        assert_eq!(crowd.first_of_the_most(), Some(&3), "all are alike");
        crowd.insert(host(3, 2), 9);
        assert_eq!(crowd.first_of_the_most(), Some(&4), "the second network has two");
        (6..8).for_each(|one| crowd.insert(host(1, 1), one));
        assert_eq!(crowd.first_of_the_most(), Some(&5));
        [8, 10].into_iter().for_each(|one| crowd.insert(host(3, 2), one));
        assert_eq!(crowd.first_of_the_most(), Some(&8), "of four its host with three");
    }

    #[test]
    fn the_host_with_most_is_found_as_they_come_and_go() {
        let host = |n: u8| Host::of(([10, 0, 0, n], 1).into());
        let mut crowd = Crowd::new();
        let mut rng = types::Rng::from_number(1);
        let mut model: Vec<(u8, usize)> = Vec::new();
        for _ in 0..2_000 {
            let (n, one) = (rng.below(5) as u8, rng.below(12));
            let known = model.contains(&(n, one));
            if rng.below(2) == 0 {
                crowd.insert(host(n), one);
                model.extend((!known).then_some((n, one)));
            } else {
                assert_eq!(crowd.remove(host(n), &one), known);
                model.retain(|other| *other != (n, one));
            }
            let held = |n: u8| model.iter().filter(|(of, _)| *of == n).count();
            let most = (0..5).map(held).max().unwrap_or(0);
            assert_eq!(crowd.len(), model.len());
            assert!((0..5).all(|n| crowd.of(host(n)) == held(n)));
            let yielding = crowd.yielding(0, 1).map(BTreeSet::len);
            assert_eq!(yielding, (most > 1).then_some(most));
        }
    }
}
