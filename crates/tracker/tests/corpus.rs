//! Replays `corpus/`: whatever lies there goes through every check, whole and cut at each length. So do random bytes.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use proptest::prelude::*;

fn check(bytes: &[u8]) {
    invariants::check_http_reply(bytes);
    invariants::check_udp(bytes);
    invariants::check_server(bytes);
}

#[test]
fn corpus_files_are_harmless() {
    let mut files = 0;
    for directory in ["http_reply", "udp", "server"] {
        let directory = format!("{}/corpus/{directory}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(directory).expect("the corpus is there") {
            let bytes = std::fs::read(entry.expect("a directory entry").path()).expect("a readable file");
            (0..=bytes.len()).for_each(|n| check(&bytes[..n]));
            files += 1;
        }
    }
    assert!(files >= 35, "the corpus shrank: {files}");
}

proptest! {
    #[test]
    fn random_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn replies_of_likely_shapes_are_harmless(
        entries in proptest::collection::btree_map(
            "complete|incomplete|interval|min interval|peers|peers6|failure reason|retry in|tracker id|external ip|files|warning message",
            "i-?[0-9]{1,18}e|6:abcdef|le|ld2:ip7:1.2.3.44:porti[0-9]{1,5}eee|18:abcdefghijklmnopqr|d20:xxxxxxxxxxxxxxxxxxxxdee|5:never|4:abcd",
            0..8,
        )
    ) {
        let body: String = entries.iter().map(|(key, value)| format!("{}:{key}{value}", key.len())).collect();
        invariants::check_http_reply(format!("d{body}e").as_bytes());
    }

    #[test]
    fn datagrams_of_likely_shapes_are_harmless(
        magic: bool, action in 0u32..5, rest in proptest::collection::vec(any::<u8>(), 0..160)
    ) {
        let connection = if magic { 0x417_2710_1980u64 } else { 7 };
        let request = [&connection.to_be_bytes()[..], &action.to_be_bytes(), &rest].concat();
        invariants::check_udp(&request);
        invariants::check_server(&request);
        invariants::check_udp(&[&action.to_be_bytes()[..], &rest].concat());
    }
}
