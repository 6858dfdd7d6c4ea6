//! Replays `corpus/`. A name that begins with `ok-` or `bad-` is a verdict on the body; other files come from fuzzing.

use riverrun_storage::resume::{ResumeData, seal};

mod invariants;

#[test]
fn corpus_files_keep_their_verdicts() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/resume");
    let mut seen = [0; 2];
    for entry in std::fs::read_dir(directory).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        let bytes = std::fs::read(&path).expect("readable");
        invariants::check(&bytes);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let good = ResumeData::decode(&seal(&bytes)).is_ok();
        for (prefix, verdict) in [("ok-", true), ("bad-", false)] {
            if name.starts_with(prefix) {
                assert_eq!(good, verdict, "{name}");
                seen[usize::from(verdict)] += 1;
            }
        }
    }
    assert!(seen[0] >= 8 && seen[1] >= 3, "the corpus shrank: {seen:?}");
}
