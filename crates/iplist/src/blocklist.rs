//! What every list answers.

use std::net::IpAddr;

use crate::range::IpRange;

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
