//! Programs that are interrupted or killed, alone and beside each other.
#![cfg(unix)]

mod support;

use support::{Running, Scene, noise};

/// Ctrl-C while a file is hashed that takes far longer than this test.
fn interrupt_the_hashing(scene: &Scene, words: &str) {
    let mut running = scene.start(words);
    let begun = running.complaint();
    assert!(begun == "info: hashing" || begun == "info: checking", "{begun}");
    let (code, stdout, stderr) = running.interrupt();
    assert_eq!((code, stdout.as_str()), (Some(130), ""), "{stderr}");
    assert!(stderr.ends_with("torrent: interrupted\n"), "{stderr}");
}

/// 1 TiB of nothing that takes no room.
const LARGE: u64 = 1 << 40;

fn large(scene: &Scene) {
    std::fs::File::create(scene.path("large")).unwrap().set_len(LARGE).unwrap();
}

#[test]
fn ctrl_c_ends_create_and_leaves_no_file() {
    let scene = Scene::bare();
    large(&scene);
    interrupt_the_hashing(&scene, "-v create large -o out.torrent");
    assert!(!scene.path("out.torrent").exists());
    interrupt_the_hashing(&scene, "-v serve large --no-trackers --state-dir state");
}

#[test]
fn ctrl_c_ends_verify() {
    let scene = Scene::bare();
    large(&scene);
    const PIECE: u64 = 1 << 24;
    let pieces = noise((LARGE / PIECE) as usize * 20, 9);
    let mut torrent =
        format!("d4:infod6:lengthi{LARGE}e4:name5:large12:piece lengthi{PIECE}e6:pieces{}:", pieces.len())
            .into_bytes();
    torrent.extend_from_slice(&pieces);
    torrent.extend_from_slice(b"ee");
    scene.write("large.torrent", &torrent);
    interrupt_the_hashing(&scene, "-v verify large.torrent");
}

/// Reads JSON lines until one has both words; what came before it.
fn wait_for(running: &mut Running, event: &str, word: &str) -> String {
    let mut seen = String::new();
    loop {
        let line = running.line();
        assert!(!line.is_empty(), "it ended before {event} {word}: {seen}");
        seen += &line;
        seen.push('\n');
        if line.contains(&format!("\"event\":\"{event}\"")) && line.contains(word) {
            return seen;
        }
    }
}

const DOWNLOAD: &str =
    "download data.torrent -o out --no-trackers --listen 127.0.0.1:0 --state-dir state --json";

#[test]
fn two_downloads_do_not_share_a_torrents_state_and_a_killed_one_leaves_no_lock() {
    let scene = Scene::new();
    let mut first = scene.start(DOWNLOAD);
    wait_for(&mut first, "state", "downloading");
    let second = scene.run(DOWNLOAD);
    assert_eq!(second.code, Some(6), "{second:?}");
    assert!(second.stderr.starts_with("torrent: another process has the torrent "), "{second:?}");
    assert!(second.stderr.contains("state; end it, or name another state directory"), "{second:?}");
    // Dropping kills it as `kill -9` does.
    drop(first);
    let mut third = scene.start(DOWNLOAD);
    wait_for(&mut third, "state", "downloading");
    let (code, rest, _) = third.interrupt();
    assert_eq!((code, rest.contains("\"event\":\"end\"")), (Some(130), true), "{rest}");
    let left: Vec<_> =
        std::fs::read_dir(scene.path("state")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_some_and(|e| e == "resume")), "{left:?}");
}

#[test]
fn a_seed_and_a_download_may_share_a_state_directory() {
    let scene = Scene::new();
    let mut seed =
        scene.start("seed data.torrent --no-trackers --listen 127.0.0.1:0 --state-dir state --json");
    wait_for(&mut seed, "state", "seeding");
    let mut download = scene.start(DOWNLOAD);
    wait_for(&mut download, "state", "downloading");
    assert_eq!(download.interrupt().0, Some(130));
    assert_eq!(seed.interrupt().0, Some(130));
}

#[test]
fn a_file_that_changed_behind_its_time_is_checked() {
    let scene = Scene::new();
    let seeding = "seed data.torrent --no-trackers --listen 127.0.0.1:0 --state-dir state --no-verify --json";
    for _ in 0..2 {
        let mut seed = scene.start(seeding);
        wait_for(&mut seed, "state", "seeding");
        assert_eq!(seed.interrupt().0, Some(130));
    }
    let path = scene.path("data/a.bin");
    let before = path.metadata().unwrap().modified().unwrap();
    let mut bytes = scene.read("data/a.bin");
    bytes[5] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    assert_eq!(path.metadata().unwrap().modified().unwrap(), before);
    scene.expect(seeding, 7, "", "1 of 12 pieces of `data` are missing or do not match");
}

#[test]
fn a_tracker_with_an_address_of_one_kind_is_no_trouble() {
    let scene = Scene::bare();
    let mut tracker = scene.start("tracker --http 127.0.0.1:0 --no-udp");
    let url = tracker.line();
    scene.write("data", b"hello");
    scene.ok(&format!("create data -a {url}"));
    let mut download =
        scene.start("download data.torrent -o out --listen 127.0.0.1:0 --state-dir state --json");
    let mut seen = wait_for(&mut download, "tracker_announced", "");
    let (code, rest, stderr) = download.interrupt();
    seen += &rest;
    assert_eq!(code, Some(130));
    assert!(!seen.contains("tracker_failed") && !stderr.contains("address"), "{seen}{stderr}");
}

/// Up to 20 files in pieces that are mostly padding: neither sizes nor progress count any of it.
#[test]
fn padding_is_not_shown() {
    let scene = Scene::bare();
    for n in 1..=20 {
        scene.write(&format!("many/{n}"), &noise(n * 100, n as u64));
    }
    const LEN: u64 = 21_000;
    scene.expect("create many --hybrid -l 1M", 0, "", "20 files, 20.51 KiB, 20 pieces of 1.00 MiB");
    let mut seed = scene.start("seed many.torrent --no-trackers --listen 127.0.0.1:0 --state-dir s");
    let begun = seed.complaint();
    let addr = begun.strip_prefix("seeding many on ").unwrap();
    let words = "download many.torrent -o out --no-trackers --listen 127.0.0.1:0 --state-dir d --json --peer";
    let lines = scene.json(&format!("{words} {addr}"));
    let progress: Vec<_> = lines.iter().filter(|line| line["event"] == "progress").collect();
    assert!(progress.iter().all(|p| p["bytes"] == LEN && p["bytes_left"].as_u64() <= Some(LEN)), "{lines:?}");
    let last = progress.last().unwrap();
    assert_eq!(
        (&last["bytes_left"], &last["downloaded"], &last["wasted"]),
        (&0.into(), &LEN.into(), &0.into())
    );
    assert_eq!(lines.last().unwrap()["exit_code"], 0);
    let (code, _, stderr) = seed.interrupt();
    assert_eq!(code, Some(130));
    assert!(stderr.contains("many: 20.51 KiB of 20.51 KiB, seeding"), "{stderr}");
}

#[test]
fn details_tell_how_the_port_stands_and_quiet_tells_nothing() {
    let scene = Scene::new();
    let words = "data.torrent --no-trackers --listen 127.0.0.1:0 --state-dir s";
    let loud = scene.run(&format!("-v download {words} -o out --timeout 1s"));
    assert_eq!(loud.code, Some(4), "{loud:?}");
    assert!(loud.stderr.contains("info: port forwarding: off"), "{loud:?}");
    let quiet = scene.run(&format!("-q download {words} -o out --timeout 1s"));
    assert_eq!((quiet.code, quiet.text().as_str()), (Some(4), ""), "{quiet:?}");
    assert_eq!(quiet.stderr, "torrent: nothing came for 1s\n");
    for words in ["create data -o q.torrent", "verify data.torrent"] {
        scene.expect(&format!("-q {words}"), 0, "", "");
    }
}

#[test]
fn a_hangup_is_a_request_to_end() {
    let scene = Scene::new();
    let mut download = scene.start_heeding_hangup(DOWNLOAD);
    wait_for(&mut download, "state", "downloading");
    let (code, rest, _) = download.signal("-HUP");
    assert_eq!((code, rest.contains("\"event\":\"end\"")), (Some(130), true), "{rest}");
}

#[test]
fn a_download_that_nobody_reads_ends_without_success() {
    let scene = Scene::new();
    let mut download = scene.start(DOWNLOAD);
    wait_for(&mut download, "state", "downloading");
    assert_eq!(download.leave_unread(), Some(141));
}

#[test]
fn a_seed_of_what_is_there_reaches_its_goal() {
    let scene = Scene::new();
    scene.write("data/a.bin", b"cut");
    let words = "seed data.torrent --partial --no-trackers --listen 127.0.0.1:0 --state-dir s --seed-time 1s";
    assert_eq!(scene.run(words).code, Some(0));
}

#[test]
fn a_download_in_share_mode_ends_by_its_goal_and_not_by_its_end() {
    let scene = Scene::new();
    let words = "download data.torrent -o o --share-mode --no-trackers --no-lsd --listen 127.0.0.1:0 --state-dir s --seed-time 1s";
    assert_eq!(scene.run(words).code, Some(0));
}
