//! Lists against a naive model, hostile bytes, and the corpus.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use riverrun_iplist::{Blocklist, Builder, Error, IpList, IpRange, Limits, Packed, PackedError, Reason};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The ranges of a list as text, with their names.
fn shown(list: &IpList) -> Vec<String> {
    let name = |name: Option<&str>| name.map(|n| format!(" {n}")).unwrap_or_default();
    list.iter().map(|found| format!("{}{}", found.range, name(found.name))).collect()
}

const MIXED: &[u8] = b"\xef\xbb\xbf# A list in every format\r
first:1.2.3.0-1.2.3.99\r
second:1.2.3.50-1.2.3.200
001.002.003.201 - 001.002.003.255 , 000 , third
9.9.9.9 - 9.9.9.9 , 200 , let through
10.0.0.0/9
10.128.0.0/9 ; SBL
what is this
2001:db8::/48
2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff

5.5.5.5-5.5.5.4
";

#[test]
fn a_mixed_list_is_merged() {
    let (list, report) = IpList::parse(MIXED).unwrap();
    assert_eq!((report.lines, report.ranges, report.allowed, report.bad), (12, 7, 1, 2));
    assert_eq!(
        report.to_string(),
        "12 lines: 7 ranges blocked, 1 allowed, 2 lines not understood\n  \
         line 8: no address, range or network: what is this\n  \
         line 12: the range ends before it begins: 5.5.5.5-5.5.5.4"
    );
    let expected =
        ["1.2.3.0-1.2.3.255", "10.0.0.0-10.255.255.255", "2001:db8::-2001:db8:1:ffff:ffff:ffff:ffff:ffff"];
    assert_eq!(shown(&list), expected);
    let stats = list.stats();
    assert_eq!((stats.v4_ranges, stats.v6_ranges, stats.v4_addresses), (2, 1, 256 + (1 << 24)));
    assert_eq!((stats.v6_addresses, stats.names), (1 << 81, 0));
    for (text, blocked) in [
        ("1.2.3.4", true),
        ("::ffff:1.2.3.4", true),
        ("9.9.9.9", false),
        ("::1", false),
        ("2001:db8:1::7", true),
        ("2001:db8:2::", false),
        ("1.2.4.0", false),
        ("0.0.0.0", false),
        ("255.255.255.255", false),
    ] {
        assert_eq!(list.contains(ip(text)), blocked, "{text}");
    }
}

#[test]
fn names_stay_with_the_range_that_begins_first() {
    let mut builder = Builder::new(Limits::default()).keep_names();
    builder.add_text(MIXED).unwrap();
    let expected = [
        "1.2.3.0-1.2.3.99 first",
        "1.2.3.100-1.2.3.200 second",
        "1.2.3.201-1.2.3.255 third",
        "10.0.0.0-10.127.255.255",
        "10.128.0.0-10.255.255.255 SBL",
        "2001:db8::-2001:db8:1:ffff:ffff:ffff:ffff:ffff",
    ];
    assert_eq!(shown(&builder.build()), expected);
}

#[test]
fn a_list_may_cover_everything() {
    let (list, _) = IpList::parse(b"0.0.0.0/0\n::/0\n1.2.3.4\n255.255.255.255\nffff::/16").unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!((list.stats().v4_addresses, list.stats().v6_addresses), (1 << 32, u128::MAX));
    assert!(list.contains(ip("255.255.255.255")) && list.contains(ip("::")));
    let (empty, report) = IpList::parse(b"").unwrap();
    assert!(empty.is_empty() && report.lines == 0 && !empty.contains(ip("1.2.3.4")));
    assert!(Packed::new(&empty.pack()).unwrap().is_empty());
}

#[test]
fn pieces_among_the_forms_of_ipv4_stay_ipv6() {
    let mut builder = Builder::new(Limits::default()).keep_names();
    builder.add_text(b"a:::-::ffff:1.2.3.4\nb:::1-::ffff:1.2.3.9\n").unwrap();
    let list = builder.build();
    assert_eq!(shown(&list), ["::-::ffff:1.2.3.4 a", "::ffff:1.2.3.5-::ffff:1.2.3.9 b"]);
    assert_eq!((list.stats().v4_ranges, list.stats().v6_ranges), (0, 2));
    assert!(!list.contains(ip("1.2.3.6")) && list.contains(ip("::fffe:1.2.3.6")));
    invariants::check_packed(&list.pack());
}

#[test]
fn limits_hold() {
    let limits = Limits { ranges: 2, line_len: 20, name_bytes: 5, ..Limits::default() };
    let mut builder = Builder::new(limits).keep_names();
    let report = builder.add_text(b"a name that is too long:1.2.3.4-1.2.3.4\nabc:1.1.1.1-1.1.1.1\n").unwrap();
    assert_eq!(report.bad_lines[0].reason, Reason::TooLong { limit: 20 });
    assert_eq!(builder.add_text(b"def:2.2.2.2\nghi:3.3.3.3\n"), Err(Error::TooManyRanges { limit: 2 }));
    assert_eq!(shown(&builder.build()), ["1.1.1.1-1.1.1.1 abc", "2.2.2.2-2.2.2.2"]);
    let mut builder = Builder::new(Limits::default()).keep_names();
    builder.add(IpRange::from(ip("1.1.1.1")), Some(&"ä".repeat(200))).unwrap();
    let list = builder.build();
    assert_eq!(list.lookup(ip("1.1.1.1")).unwrap().name.unwrap().len(), 254);
}

#[test]
fn the_packed_form_has_the_bytes_of_its_table() {
    let mut builder = Builder::new(Limits::default()).keep_names();
    builder.add_text(b"ab:1.2.3.4-1.2.3.5\n::2").unwrap();
    let bytes = builder.build().pack();
    let mut expected = b"RRIPLIST\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0".to_vec();
    expected.extend([4, 3, 2, 1, 5, 3, 2, 1, 0, 0, 0, 0]);
    expected.extend([[2; 1].as_slice(), &[0; 15], &[2; 1], &[0; 15], &[0xff; 4]].concat());
    expected.extend(b"\x02\0\0\0ab");
    assert_eq!(bytes, expected);
}

#[test]
fn damaged_packed_lists_are_known() {
    let mut builder = Builder::new(Limits::default()).keep_names();
    builder.add_text(MIXED).unwrap();
    let good = builder.build().pack();
    for n in 0..good.len() {
        assert!(Packed::new(&good[..n]).is_err());
    }
    let open = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Packed::new(&bytes).and_then(|packed| packed.check())
    };
    assert_eq!(open(0, b'x'), Err(PackedError::Magic));
    assert_eq!(open(8, 2), Err(PackedError::Version(2)));
    assert!(matches!(open(15, 0xff), Err(PackedError::Len { .. })));
    assert_eq!(open(32 + 3, 9), Err(PackedError::Order { family: "IPv4", record: 0 }));
    assert_eq!(open(32 + 8, 77), Err(PackedError::Name(77)));
    assert_eq!(open(good.len() - 1, 0xff), Err(PackedError::Name(3)));
    let longer = [&good[..], &[0]].concat();
    let expected = good.len() as u64;
    assert_eq!(Packed::new(&longer).unwrap_err(), PackedError::Len { len: good.len() + 1, expected });
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_lists_are_read() {
        let (plain, report) = IpList::parse(MIXED).unwrap();
        let (head, tail) = MIXED.split_at(77);
        for bytes in [MIXED.to_vec(), gzip(MIXED), [gzip(head), gzip(tail)].concat()] {
            let mut builder = Builder::new(Limits::default());
            assert_eq!(builder.add_file(&bytes).as_ref(), Ok(&report));
            assert_eq!(builder.build(), plain);
        }
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let limits = Limits { text_len: 100_000, ..Limits::default() };
        let mut builder = Builder::new(limits);
        let bomb = gzip(&vec![b'\n'; 10_000_000]);
        assert_eq!(builder.add_file(&bomb), Err(Error::TooLong { limit: 100_000 }));
        let whole = gzip(MIXED);
        for n in 2..whole.len() {
            assert!(matches!(builder.add_file(&whole[..n]), Err(Error::Gzip { .. })), "{n}");
        }
    }
}

#[test]
fn corpus_files_are_harmless() {
    let mut files = 0;
    for directory in ["text", "packed"] {
        let directory = format!("{}/corpus/{directory}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(directory).expect("the corpus is there") {
            let bytes = std::fs::read(entry.expect("a directory entry").path()).expect("a readable file");
            for n in 0..=bytes.len() {
                invariants::check_text(&bytes[..n]);
                invariants::check_packed(&bytes[..n]);
            }
            files += 1;
        }
    }
    assert!(files >= 8, "the corpus shrank: {files}");
}

/// A few neighbouring addresses of both families, at both ends of each.
fn small_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..60).prop_map(|n| IpAddr::from(Ipv4Addr::from(n))),
        (0u32..20).prop_map(|n| IpAddr::from(Ipv4Addr::from(u32::MAX - n))),
        (0u128..60).prop_map(|n| IpAddr::from(Ipv6Addr::from(n))),
        (0u128..20).prop_map(|n| IpAddr::from(Ipv6Addr::from(u128::MAX - n))),
    ]
}

proptest! {
    #[test]
    fn lists_answer_like_a_naive_one(
        ends in proptest::collection::vec((small_ip(), small_ip(), 0u8..4), 0..30), keep_names: bool,
        asked in proptest::collection::vec(small_ip(), 60),
    ) {
        let mut builder = Builder::new(Limits::default());
        if keep_names {
            builder = builder.keep_names();
        }
        let mut model = Vec::new();
        for (first, last, name) in ends {
            let Ok(range) = IpRange::new(first, last) else { continue };
            let name = ["", "a", "b", "c"][usize::from(name)];
            builder.add(range, Some(name)).unwrap();
            model.push((range, name));
        }
        let list = builder.build();
        let bytes = list.pack();
        let packed = Packed::new(&bytes).unwrap();
        prop_assert_eq!(packed.check(), Ok(()));
        for ip in asked {
            let found = list.lookup(ip);
            prop_assert_eq!(packed.lookup(ip), found);
            prop_assert_eq!(found.is_some(), model.iter().any(|(range, _)| range.contains(ip)));
            if let Some(found) = found {
                prop_assert!(found.range.contains(ip));
                let name = found.name.unwrap_or("");
                let named = model.iter().any(|(range, n)| range.contains(ip) && *n == name);
                prop_assert!(named || !keep_names);
            }
        }
    }

    #[test]
    fn random_text_is_harmless(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        invariants::check_text(&text);
    }

    #[test]
    fn lines_of_likely_shapes_are_harmless(
        text in "(([a-f0-9:. ]{0,12}:)?[0-9a-f:.]{1,16}([-/, ;]{1,3}[0-9a-f:.]{1,16})?(,[0-9]{1,3},x)?\r?\n){0,12}"
    ) {
        invariants::check_text(text.as_bytes());
    }

    #[test]
    fn random_records_are_harmless(
        v4 in 0u32..6, v6 in 0u32..4, names in 0u32..4, text in 0u32..20, seed in proptest::collection::vec(any::<u8>(), 300),
    ) {
        let mut bytes = b"RRIPLIST\x01\0\0\0".to_vec();
        [v4, v6, names, text, 0].iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        bytes.extend(&seed[..(12 * v4 + 36 * v6 + 4 * names + text) as usize]);
        prop_assert!(Packed::new(&bytes).is_ok());
        invariants::check_packed(&bytes);
    }

    #[test]
    fn random_headers_are_harmless(counts: [u32; 4], tail in proptest::collection::vec(any::<u8>(), 0..50)) {
        let mut bytes = b"RRIPLIST\x01\0\0\0".to_vec();
        counts.iter().chain(&[0]).for_each(|n| bytes.extend(n.to_le_bytes()));
        bytes.extend(tail);
        invariants::check_packed(&bytes);
    }
}
