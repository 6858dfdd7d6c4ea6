//! Replays `corpus/`: whatever lies there, in any directory, goes through every check. So do random bytes.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use proptest::prelude::*;

fn check(bytes: &[u8]) {
    invariants::check_messages(bytes);
    invariants::check_handshake(bytes);
    invariants::check_extended(bytes);
}

#[test]
fn corpus_files_are_harmless() {
    let mut files = 0;
    for directory in ["message", "handshake", "extended"] {
        let directory = format!("{}/corpus/{directory}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(directory).expect("the corpus is there") {
            let bytes = std::fs::read(entry.expect("a directory entry").path()).expect("a readable file");
            // Truncated at each length, too.
            (0..=bytes.len()).for_each(|n| check(&bytes[..n]));
            files += 1;
        }
    }
    assert!(files >= 20, "the corpus shrank: {files}");
}

proptest! {
    #[test]
    fn random_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn messages_of_likely_shapes_are_harmless(
        frames in proptest::collection::vec((0u8..25, proptest::collection::vec(any::<u8>(), 0..60)), 0..8)
    ) {
        let frame = |(id, body): (u8, Vec<u8>)| [&(body.len() as u32 + 1).to_be_bytes()[..], &[id], &body].concat();
        check(&frames.into_iter().flat_map(frame).collect::<Vec<_>>());
    }

    #[test]
    fn dictionaries_of_likely_shapes_are_harmless(
        entries in proptest::collection::btree_map(
            "m|p|v|e|added|added6|added\\.f|dropped|piece|msg_type|total_size|metadata_size|yourip|zz",
            "i-?[0-9]{1,11}e|4:abcd|6:abcdef|le|d1:ai1ee|18:abcdefghijklmnopqr",
            0..8,
        )
    ) {
        let body: String = entries.iter().map(|(key, value)| format!("{}:{key}{value}", key.len())).collect();
        check(format!("d{body}e").as_bytes());
    }
}
