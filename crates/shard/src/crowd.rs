//! Connections by the host at their other end, so that none holds the places of all.

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
