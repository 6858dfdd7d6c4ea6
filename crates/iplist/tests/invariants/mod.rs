//! What must hold for any bytes. The property tests, the corpus test and the fuzz targets all run this.
#![allow(dead_code, reason = "each fuzz target includes this file and uses one of its checks")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riverrun_iplist::{Blocklist, Builder, IpList, Limits, Match, Packed, Report};

const LIMITS: Limits = Limits { ranges: 5_000, line_len: 300, name_bytes: 10_000, text_len: 100_000 };

/// Builds lists of `text`, with names and without, and compares what they block.
pub(crate) fn check_text(text: &[u8]) {
    let (mut plain, mut named) = (Builder::new(LIMITS), Builder::new(LIMITS).keep_names());
    let report = plain.add_text(text);
    assert_eq!(report, named.add_text(text));
    if let Ok(report) = report {
        check_report(&report);
    }
    let (plain, named) = (plain.build(), named.build());
    check_order(&plain);
    check_order(&named);
    let (a, b) = (plain.stats(), named.stats());
    assert_eq!((a.v4_addresses, a.v6_addresses), (b.v4_addresses, b.v6_addresses));
    for list in [&plain, &named] {
        let bytes = list.pack();
        let packed = Packed::new(&bytes).expect("what is packed opens");
        assert_eq!(packed.check(), Ok(()));
        assert_eq!(packed.stats(), list.stats());
        assert!(packed.iter().eq(list.iter()));
        for ip in named.iter().flat_map(|found| edges(&found)) {
            assert_eq!(packed.find(ip), list.lookup(ip));
            assert_eq!(plain.contains(ip), list.contains(ip));
        }
    }
}

fn check_report(report: &Report) {
    assert!(report.ranges + report.allowed + report.bad <= report.lines);
    assert_eq!(report.bad_lines.len(), (report.bad as usize).min(Report::SHOWN));
    let numbers: Vec<u64> = report.bad_lines.iter().map(|line| line.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|n| (1..=report.lines).contains(n)));
    assert!(!report.bad_lines.iter().any(|line| line.text.chars().any(char::is_control)));
}

fn check_order(list: &IpList) {
    let ranges: Vec<_> = list.iter().map(|found| found.range).collect();
    assert!(ranges.is_sorted_by(|a, b| a.last() < b.first()), "sorted and without overlap");
}

/// The ends of a range and their neighbours.
fn edges(found: &Match<'_>) -> impl Iterator<Item = IpAddr> + use<> {
    let step = |ip: IpAddr, by: i8| match ip {
        IpAddr::V4(ip) => IpAddr::from(Ipv4Addr::from(u32::from(ip).wrapping_add_signed(by.into()))),
        IpAddr::V6(ip) => IpAddr::from(Ipv6Addr::from(u128::from(ip).wrapping_add_signed(by.into()))),
    };
    let (first, last) = (found.range.first(), found.range.last());
    [first, last, step(first, -1), step(last, 1)].into_iter()
}

/// Opens `bytes` as a packed list, and searches it however damaged it is.
pub(crate) fn check_packed(bytes: &[u8]) {
    let Ok(packed) = Packed::new(bytes) else { return };
    let sound = packed.check().is_ok();
    assert!(packed.iter().count() == packed.len() && packed.stats().names <= bytes.len());
    for found in packed.iter() {
        for ip in edges(&found) {
            let again = packed.find(ip);
            assert!(again.is_none_or(|again| !sound || again.range.contains(ip)));
        }
        let first = packed.find(found.range.first());
        // What lies among the IPv6 forms of IPv4 addresses is looked for as IPv4.
        assert!(!sound || first.is_some() || found.range.first().to_canonical().is_ipv4());
    }
    for ip in [[0; 16], [0xff; 16], [0x20; 16]].map(Ipv6Addr::from) {
        let _ = (packed.find(ip.into()), packed.find(Ipv4Addr::from_bits(u128::from(ip) as u32).into()));
    }
}
