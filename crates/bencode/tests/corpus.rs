//! Replays `corpus/`. A name that begins with `ok-`, `lenient-` or `bad-` is a verdict; other files come from fuzzing.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

mod invariants;

use riverrun_bencode::{Options, parse};

#[test]
fn corpus_files_keep_their_verdicts() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let mut seen = [0; 3];
    for entry in std::fs::read_dir(directory).expect("the corpus is there") {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let bytes = std::fs::read(&path).expect("a readable file");
        invariants::check(&bytes);
        let strict = parse(&bytes, &Options::strict());
        let lenient = parse(&bytes, &Options::lenient());
        if name.starts_with("ok-") {
            seen[0] += 1;
            assert!(strict.is_ok(), "{name}: {strict:?}");
        } else if name.starts_with("lenient-") {
            seen[1] += 1;
            assert!(strict.is_err(), "{name}: {strict:?}");
            assert!(lenient.is_ok(), "{name}: {lenient:?}");
        } else if name.starts_with("bad-") {
            seen[2] += 1;
            assert!(lenient.is_err(), "{name}: {lenient:?}");
        }
    }
    assert!(seen.iter().all(|&count| count > 5), "the corpus shrank: {seen:?}");
}
