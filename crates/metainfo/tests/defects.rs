//! The table of malformed and odd torrents: each is refused or accepted as it says.

#![expect(clippy::disallowed_methods)] // The corpus lies in files.

#[path = "defects/mod.rs"]
mod table;

#[test]
fn every_defect_meets_its_verdict() {
    let cases = table::all();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    let files: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.bytes).collect();
    assert_eq!((names.len(), files.len()), (cases.len(), cases.len()), "two cases are the same");
    assert!(cases.len() >= 120);
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_printed_table_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/defects.md");
    let printed = std::fs::read_to_string(path).unwrap_or_default();
    let now = table::markdown();
    // Line by line, so that a failure shows what changed and not the whole table.
    for (printed, now) in printed.lines().zip(now.lines()) {
        assert_eq!(printed, now, "run: cargo run -p riverrun-metainfo --example defects > docs/defects.md");
    }
    assert_eq!(printed.lines().count(), now.lines().count());
}
