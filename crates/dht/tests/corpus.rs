//! Replays `corpus/`: whatever lies there goes through every check. So do random bytes.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use proptest::prelude::{any, proptest};

#[test]
fn corpus_files_are_harmless() {
    let mut files = 0;
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).expect("the corpus is there")
    {
        let bytes = std::fs::read(entry.expect("a directory entry").path()).expect("a readable file");
        invariants::check(&bytes);
        // Cut short, and with a byte turned, too.
        for n in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
            invariants::check(&bytes[..n]);
            let mut turned = bytes.clone();
            turned[n] ^= 0x11;
            invariants::check(&turned);
        }
        files += 1;
    }
    assert!(files >= 16, "the corpus shrank: {files}");
}

proptest! {
    #[test]
    fn random_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        invariants::check(&bytes);
    }

    #[test]
    fn answers_of_likely_shapes_are_harmless(
        id in any::<[u8; 20]>(),
        nodes in proptest::collection::vec(any::<u8>(), 0..900),
        nodes6 in proptest::collection::vec(any::<u8>(), 0..300),
        token in proptest::collection::vec(any::<u8>(), 0..20),
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..19), 0..10),
        seen in proptest::collection::vec(any::<u8>(), 0..19),
    ) {
        let string = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
        let values: Vec<u8> = values.iter().flat_map(|value| string(value)).collect();
        let parts: [&[u8]; 14] = [
            b"d2:ip", &string(&seen), b"1:rd2:id", &string(&id), b"5:nodes", &string(&nodes), b"6:nodes6",
            &string(&nodes6), b"5:token", &string(&token), b"6:valuesl", &values, b"ee", b"1:t4:abcd1:y1:re",
        ];
        invariants::check(&parts.concat());
    }
}
