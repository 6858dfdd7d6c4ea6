//! Every example runs to its end.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where cargo puts the examples of this build, which it is asked to make where they are not there.
fn directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

#[test]
fn every_example_runs_to_its_end() {
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sources = std::fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = sources
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 12, "{names:?}");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "-q", "--examples"]);
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    for name in names {
        println!("--- {name}");
        let mut child = Command::new(directory().join(&name)).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > Duration::from_secs(120) => {
                    child.kill().unwrap();
                    panic!("{name} takes for ever");
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        assert!(status.success(), "{name}: {status}");
    }
}
