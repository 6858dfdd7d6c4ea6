//! Downloads from a seed on loopback: by links, from peers of no use, and over files that somebody cut.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::{Running, Scene};

const ALONE: &str = "--no-trackers --listen 127.0.0.1:0";

/// Seeds `data.torrent`; the address it is served at.
fn seed(scene: &Scene) -> (Running, String) {
    let mut seed = scene.start(&format!("seed data.torrent {ALONE} --state-dir seeding"));
    let begun = seed.complaint();
    let addr = begun.strip_prefix("seeding data on ").unwrap_or_else(|| panic!("{begun}")).to_owned();
    (seed, addr)
}

fn link(scene: &Scene, more: &str) -> String {
    format!("magnet:?xt=urn:btih:{}{more}", scene.ok("metainfo data.torrent infohash").trim())
}

#[test]
fn a_link_is_listed_saved_and_downloaded_in_part() {
    let scene = Scene::new();
    let (_seed, addr) = seed(&scene);
    let words = format!("{ALONE} --timeout 60s --peer {addr}");
    let bare = link(&scene, "");
    let listed = scene.ok(&format!("download {bare} --list --select *.txt --state-dir a {words}"));
    assert!(listed.contains("0   292.97 KiB  data/a.bin  (not selected)"), "{listed}");
    assert!(listed.contains("1    68.36 KiB  data/docs/b.txt\n"), "{listed}");
    let listed = scene.ok(&format!("download {} --list --state-dir a {words}", link(&scene, "&so=0")));
    assert!(
        listed.contains("data/a.bin\n") && listed.contains("data/docs/b.txt  (not selected)"),
        "{listed}"
    );

    // With the metainfo from the swarm, and with that of the run before.
    for out in ["one", "two"] {
        let get =
            format!("-q download {bare} -o {out} --select *.txt --save-metainfo meta --state-dir b {words}");
        scene.expect(&get, 0, "", "");
        assert_eq!(scene.read(&format!("{out}/data/docs/b.txt")), scene.read("data/docs/b.txt"));
        assert_eq!(scene.read(&format!("{out}/data/docs/c.txt")), b"short");
        assert!(!scene.path(&format!("{out}/data/a.bin")).exists());
    }
    let saved = std::fs::read_dir(scene.path("meta")).unwrap().next().unwrap().unwrap().path();
    let infohash = |file: &str| scene.ok(&format!("metainfo {file} infohash"));
    assert_eq!(infohash(saved.to_str().unwrap()), infohash("data.torrent"));

    let wrong = format!("download {bare} --select 0-9 -o three --state-dir c {words}");
    let outcome = scene.run(&wrong);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(
        outcome.stderr.contains("--select: `0-9` goes beyond the last file; the files are:"),
        "{outcome:?}"
    );
    assert!(!scene.path("three").exists());
    scene.expect(
        &format!("metainfo fetch {bare} -o got.torrent --state-dir d {words}"),
        0,
        "got.torrent\n",
        "",
    );
    assert_eq!(infohash("got.torrent"), infohash("data.torrent"));
    // What is there is left alone.
    let again = scene.run(&format!("metainfo fetch {bare} -o got.torrent --state-dir d {words}"));
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("got.torrent") && again.stderr.contains("--force"), "{again:?}");
    scene.expect(
        &format!("-q metainfo fetch {bare} -o got.torrent --force --state-dir d {words}"),
        0,
        "",
        "",
    );
    // A link that selects no file of the torrent.
    let none = scene.run(&format!("-q download {bare}&so=70 -o four --state-dir e {words}"));
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("the torrent has no file 70"), "{none:?}");
}

#[test]
fn lpd_listens_at_addresses_of_this_machine_alone() {
    let outcome = Scene::new().run("lpd --interface 192.0.2.1");
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("--interface 192.0.2.1: no interface of this machine"), "{outcome:?}");
}

#[test]
fn a_peer_of_no_use_is_told_once_with_the_reason() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let garbage = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(
                b"220 mail.example ESMTP, and a lot of words that are longer than a handshake is\r\n",
            );
            let _ = stream.read(&mut [0; 100]);
        }
    });
    let words = format!("download data.torrent -o out {ALONE} --state-dir s --timeout 4s --peer {garbage}");
    let outcome = scene.run(&format!("{words} --peer 127.0.0.1:1"));
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    for line in [
        format!("warning: --peer {garbage}: it does not speak BitTorrent; it is left alone\n"),
        "warning: --peer 127.0.0.1:1: it can't be reached; it is tried again\n".to_owned(),
    ] {
        assert_eq!(outcome.stderr.matches(&line).count(), 1, "{line}: {}", outcome.stderr);
    }
}

#[test]
fn a_quiet_download_says_why_it_stands_still() {
    let scene = Scene::new();
    let (_seed, addr) = seed(&scene);
    std::fs::create_dir_all(scene.path("taken/data/a.bin")).unwrap();
    let words = format!("{ALONE} --timeout 60s --state-dir a --peer {addr}");
    let mut download = scene.start(&format!("-q download data.torrent -o taken {words}"));
    let said = download.complaint();
    assert!(said.contains("a directory is in the place of a file"), "{said}");
}

#[test]
fn a_file_that_is_cut_while_we_seed_is_told_and_a_second_run_repairs_it() {
    let scene = Scene::new();
    let (_seed, addr) = seed(&scene);
    let download =
        format!("download data.torrent -o out {ALONE} --state-dir first --peer {addr} --timeout 60s");
    scene.ok(&format!("-q {download}"));
    let served = format!("seed data.torrent --data out {ALONE} --state-dir second");
    let mut theirs = scene.start(&served);
    let addr = theirs.complaint().replace("seeding data on ", "");
    std::fs::File::options().write(true).open(scene.path("out/data/a.bin")).unwrap().set_len(1_000).unwrap();
    // Whoever asks for what is gone makes it known.
    let _third =
        scene.start(&format!("download data.torrent -o third {ALONE} --state-dir third --peer {addr}"));
    let mut told = theirs.complaint();
    while !told.contains("put the file back") {
        assert!(!told.is_empty(), "the seed ended");
        told = theirs.complaint();
    }
    assert!(told.ends_with("put the file back to serve it again; the rest is served meanwhile"), "{told}");
    assert_eq!(theirs.interrupt().0, Some(130));
    scene.ok(&format!("-q {download}"));
    assert_eq!(scene.read("out/data/a.bin"), scene.read("data/a.bin"));
}
