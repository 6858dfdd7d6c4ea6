//! `docs/rows.md` names tests: each of them is there.

use std::fs;
use std::path::Path;

/// The tests that a table names, as file and function.
fn named(table: &str) -> Vec<(String, String)> {
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    quoted
        .filter_map(|text| text.split_once("::"))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

#[test]
fn every_row_about_hostile_peers_names_a_test_that_runs_at_the_wire() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/rows.md")).unwrap();
    let (_, hostile) = table.split_once("## Hostile peers").unwrap();
    let rows: Vec<&str> = hostile.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 11, "{} rows", rows.len());
    for row in rows {
        let at_the_wire =
            |file: &str| file.contains("crates/shard/tests/") || file.contains("crates/riverrun/tests/");
        assert!(named(row).iter().any(|(file, _)| at_the_wire(file)), "{row}");
    }
}

#[test]
fn every_test_that_the_rows_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/rows.md")).unwrap();
    let named = named(&table);
    assert!(named.len() > 60, "{} tests are named", named.len());
    let missing: Vec<String> = named
        .into_iter()
        .filter(|(file, name)| {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            // A function, or a scenario of the simulator with its seeds.
            !text.contains(&format!("fn {name}(")) && !text.contains(&format!("\n    {name}: "))
        })
        .map(|(file, name)| format!("{file}::{name}"))
        .collect();
    assert!(missing.is_empty(), "not there: {missing:#?}");
}
