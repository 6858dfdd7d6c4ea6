//! Mutated torrents and links, and the replay of the corpus.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

#[path = "invariants/mod.rs"]
mod invariants;
#[path = "defects/mod.rs"]
#[allow(dead_code, reason = "the table's verdicts are tested in `defects.rs`; here only its files are used")]
mod table;

use proptest::prelude::*;

#[test]
fn the_corpus_replays() {
    let mut count = 0;
    for (dir, check) in [
        ("torrent", invariants::check_torrent as fn(&[u8])),
        ("magnet", invariants::check_magnet as fn(&[u8])),
    ] {
        let path = format!("{}/corpus/{dir}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            check(&std::fs::read(&file).unwrap());
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} files in the corpus");
}

#[test]
fn the_defects_contradict_nothing() {
    for case in table::all() {
        invariants::check_torrent(&case.bytes);
    }
}

/// A torrent of the table, of a size that mutates quickly.
fn some_torrent() -> impl Strategy<Value = Vec<u8>> {
    let small = table::all().into_iter().map(|case| case.bytes).filter(|b| (20..3_000).contains(&b.len()));
    proptest::sample::select(small.collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn mutated_torrents_never_panic(
        mut bytes in some_torrent(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                // Digits and the letters of bencode change the structure more often than others.
                _ => bytes[at] = b"0123456789iled:-"[usize::from(byte) % 16],
            }
        }
        invariants::check_torrent(&bytes);
    }

    #[test]
    fn spliced_torrents_never_panic(a in some_torrent(), b in some_torrent(), x: prop::sample::Index, y: prop::sample::Index) {
        let bytes = [&a[..x.index(a.len())], &b[y.index(b.len())..]].concat();
        invariants::check_torrent(&bytes);
    }

    #[test]
    fn links_never_panic(text in "(magnet:\\?)?(&?(xt|tr|dn|so|x\\.pe|ws|q)(\\.[0-9])?=[-a-f0-9:%,\\[\\]+&é]{0,45}){0,5}") {
        invariants::check_magnet(text.as_bytes());
        let link = format!("magnet:?xt=urn:btih:{}&{text}", "ab".repeat(20));
        invariants::check_magnet(link.as_bytes());
    }
}
