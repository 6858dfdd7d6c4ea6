//! Replays `corpus/`: whatever lies there goes through every check. So do random bytes.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use proptest::prelude::*;

#[test]
fn corpus_files_are_harmless() {
    let mut files = 0;
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).expect("the corpus is there")
    {
        let bytes = std::fs::read(entry.expect("a directory entry").path()).expect("a readable file");
        invariants::check(&bytes);
        // Cut short, too.
        (0..bytes.len()).step_by(1 + bytes.len() / 64).for_each(|n| invariants::check(&bytes[..n]));
        files += 1;
    }
    assert!(files >= 12, "the corpus shrank: {files}");
}

proptest! {
    #[test]
    fn random_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        invariants::check(&bytes);
    }

    #[test]
    fn datagrams_of_likely_shapes_are_harmless(
        first in "BT-SEARCH \\* HTTP/1\\.1|bt-search \\* http/1\\.0|BT-SEARCH|M-SEARCH \\* HTTP/1\\.1",
        headers in proptest::collection::vec(
            ("Port|port|Infohash|infohash|cookie|Host|X", ": |:|", "[0-9]{0,6}|[0-9a-fA-F]{40}|[a-z ]{0,40}", "\r\n|\n"),
            0..12,
        ),
        end in "\r\n\r\n|\n|",
    ) {
        let lines: String = headers.iter().map(|(name, colon, value, end)| [&**name, colon, value, end].concat()).collect();
        invariants::check(format!("{first}\r\n{lines}{end}").as_bytes());
    }
}
