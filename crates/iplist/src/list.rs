//! The list in memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::blocklist::{Blocklist, Match, Stats};
use crate::entry::{Entry, Names};
use crate::packed;
use crate::range::IpRange;

/// Blocked ranges in memory: sorted, without overlap, searched in logarithmic time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IpList {
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
    names: Names,
}

impl IpList {
    /// The entries are sorted and without overlap.
    pub(crate) fn new(v4: Vec<Entry<u32>>, v6: Vec<Entry<u128>>, names: Names) -> IpList {
        IpList { v4, v6, names }
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether nothing is blocked.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Every range in order, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = Match<'_>> {
        let v4 = self.v4.iter().map(|e| self.found_v4(e));
        v4.chain(self.v6.iter().map(|e| self.found_v6(e)))
    }

    /// How much is covered.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { names: self.names.ends().len(), ..Stats::default() };
        self.v4.iter().for_each(|e| stats.add_v4(e.first, e.last));
        self.v6.iter().for_each(|e| stats.add_v6(e.first, e.last));
        stats
    }

    /// The packed form, which [`Packed`](crate::Packed) searches.
    pub fn pack(&self) -> Vec<u8> {
        packed::pack(&self.v4, &self.v6, &self.names)
    }

    fn found_v4(&self, entry: &Entry<u32>) -> Match<'_> {
        Match {
            range: IpRange::of_family(Ipv4Addr::from(entry.first), entry.last.into()),
            name: self.names.get(entry.name),
        }
    }

    fn found_v6(&self, entry: &Entry<u128>) -> Match<'_> {
        Match {
            range: IpRange::of_family(Ipv6Addr::from(entry.first), entry.last.into()),
            name: self.names.get(entry.name),
        }
    }
}

impl Blocklist for IpList {
    fn lookup(&self, ip: IpAddr) -> Option<Match<'_>> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => find(&self.v4, u32::from(ip)).map(|e| self.found_v4(e)),
            IpAddr::V6(ip) => find(&self.v6, u128::from(ip)).map(|e| self.found_v6(e)),
        }
    }
}

fn find<T: Copy + Ord>(entries: &[Entry<T>], ip: T) -> Option<&Entry<T>> {
    let after = entries.partition_point(|e| e.first <= ip);
    entries[..after].last().filter(|e| ip <= e.last)
}
