//! The list in memory, and what every list answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::builder::{Builder, Error, Limits};
use crate::range::IpRange;
use crate::report::Report;

/// What has no name.
pub(crate) const NO_NAME: u32 = u32::MAX;

/// Something that knows which addresses are blocked.
pub trait Blocklist {
    /// The blocked range that `ip` lies in.
    fn lookup(&self, ip: IpAddr) -> Option<Match<'_>>;

    /// Whether `ip` is blocked.
    fn contains(&self, ip: IpAddr) -> bool {
        self.lookup(ip).is_some()
    }
}

/// A range that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match<'a> {
    /// The range; ranges merged into one are found as one.
    pub range: IpRange,
    /// Its name, where it has one and names were kept.
    pub name: Option<&'a str>,
}

/// How much a list covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Ranges of IPv4.
    pub v4_ranges: usize,
    /// Ranges of IPv6.
    pub v6_ranges: usize,
    /// Addresses of IPv4 in them.
    pub v4_addresses: u64,
    /// Addresses of IPv6 in them; `u128::MAX` also for all 2^128.
    pub v6_addresses: u128,
    /// Different names.
    pub names: usize,
}

impl Stats {
    pub(crate) fn add_v4(&mut self, first: u32, last: u32) {
        self.v4_ranges += 1;
        let addresses = u64::from(last.saturating_sub(first)) + 1;
        self.v4_addresses = self.v4_addresses.saturating_add(addresses);
    }

    pub(crate) fn add_v6(&mut self, first: u128, last: u128) {
        self.v6_ranges += 1;
        let addresses = last.saturating_sub(first).saturating_add(1);
        self.v6_addresses = self.v6_addresses.saturating_add(addresses);
    }
}

/// A range of one family with the number of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) first: T,
    pub(crate) last: T,
    pub(crate) name: u32,
}

/// Names by number, their text in one piece.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    text: String,
    /// Where each ends in the text.
    ends: Vec<u32>,
}

impl Names {
    /// Adds a name; nothing where the text would go over `limit` bytes.
    pub(crate) fn push(&mut self, name: &str, limit: usize) -> Option<u32> {
        let id = u32::try_from(self.ends.len()).ok().filter(|id| *id != NO_NAME)?;
        let end = self.text.len().checked_add(name.len()).filter(|end| *end <= limit)?;
        self.ends.push(u32::try_from(end).ok()?);
        self.text.push_str(name);
        Some(id)
    }

    fn get(&self, id: u32) -> Option<&str> {
        let end = *self.ends.get(id as usize)? as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before as usize] as usize);
        self.text.get(start..end)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }
}

/// Blocked ranges in memory: sorted, without overlap, searched in logarithmic time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IpList {
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
    names: Names,
}

impl IpList {
    /// A list made of text with the default [`Limits`] and without names. [`Builder`] can do more.
    ///
    /// # Errors
    /// [`Error::TooManyRanges`].
    pub fn parse(text: &[u8]) -> Result<(IpList, Report), Error> {
        let mut builder = Builder::new(Limits::default());
        let report = builder.add_text(text)?;
        Ok((builder.build(), report))
    }

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
        let mut stats = Stats { names: self.names.ends.len(), ..Stats::default() };
        self.v4.iter().for_each(|e| stats.add_v4(e.first, e.last));
        self.v6.iter().for_each(|e| stats.add_v6(e.first, e.last));
        stats
    }

    /// The packed form, which [`Packed`](crate::Packed) searches.
    pub fn pack(&self) -> Vec<u8> {
        crate::packed::pack(&self.v4, &self.v6, &self.names)
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
