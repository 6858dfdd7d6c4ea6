//! Torrents made, compared, damaged and edited.

mod support;

use metainfo::{Limits, Metainfo};
use support::{Scene, noise};

fn load(scene: &Scene, name: &str) -> Metainfo {
    Metainfo::from_bytes(&scene.read(name), &Limits::default()).unwrap()
}

#[test]
fn the_number_of_threads_does_not_show_and_the_file_is_canonical() {
    let scene = Scene::new();
    scene.write("data/large", &noise(3_000_001, 3));
    for version in ["", "--v2", "--hybrid", "--align"] {
        scene.ok(&format!("create data --reproducible -fo one --threads 1 {version}"));
        scene.ok(&format!("create data --reproducible -fo two --threads 2 {version}"));
        let bytes = scene.read("one");
        assert_eq!(bytes, scene.read("two"), "{version}");
        bencode::parse(&bytes, &bencode::Options::strict()).unwrap();
        assert_eq!(load(&scene, "one").to_bytes(), bytes, "{version}");
        scene.ok("verify one");
    }
}

#[test]
fn every_setting_arrives_in_the_torrent() {
    let scene = Scene::new();
    scene.ok(
        "create data -o t -a http://a.test/announce,udp://b.test:1 -a udp://c.test:2 -w http://w.test/ --node n.test:3 \
         --private --source S -c C --created-by P --creation-date 1700000000 --name N -l 64KiB",
    );
    let torrent = load(&scene, "t");
    let tiers = [vec!["http://a.test/announce", "udp://b.test:1"], vec!["udp://c.test:2"]];
    assert_eq!(torrent.tiers(), tiers);
    assert_eq!(torrent.web_seeds(), ["http://w.test/"]);
    assert_eq!((torrent.nodes()[0].host.as_str(), torrent.nodes()[0].port), ("n.test", 3));
    assert_eq!((torrent.comment(), torrent.created_by()), (Some("C"), Some("P")));
    assert_eq!(torrent.creation_date(), Some(1_700_000_000));
    let info = torrent.info();
    assert_eq!(
        (info.name(), info.source(), info.is_private(), info.piece_len()),
        ("N", Some("S"), true, 65_536)
    );
}

#[test]
fn a_reproducible_torrent_names_neither_time_nor_program() {
    let scene = Scene::new();
    let torrent = load(&scene, "data.torrent");
    assert_eq!((torrent.creation_date(), torrent.created_by()), (None, None));
    scene.ok("create data -o dated");
    let torrent = load(&scene, "dated");
    assert!(torrent.creation_date().is_some_and(|date| date > 1_700_000_000));
    assert!(torrent.created_by().is_some_and(|program| program.starts_with("riverrun/")));
}

#[test]
fn a_torrent_goes_through_stdout_and_stdin() {
    let scene = Scene::new();
    let made = scene.run("create data/a.bin -o -");
    assert_eq!((made.code, made.stdout.first()), (Some(0), Some(&b'd')));
    let shown = scene.run_on("metainfo - infohash", &made.stdout);
    assert_eq!(shown.text().len(), 41);
    let verified = scene.run_on("verify - --data data", &made.stdout);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let raw = scene.run_on("metainfo - raw", &made.stdout);
    assert_eq!(raw.stdout, Metainfo::from_bytes(&made.stdout, &Limits::default()).unwrap().info().raw());
}

#[test]
fn the_default_name_is_that_of_the_content_and_a_directory_takes_it() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("out")).unwrap();
    scene.ok("create data/a.bin");
    scene.ok("create data/a.bin --name other -o out");
    assert_eq!(load(&scene, "a.bin.torrent").info().name(), "a.bin");
    assert_eq!(load(&scene, "out/other.torrent").info().name(), "other");
}

#[test]
fn an_old_torrent_is_replaced_only_by_force() {
    let scene = Scene::new();
    let before = scene.read("data.torrent");
    scene.expect("create data/a.bin -o data.torrent", 2, "", "--force");
    assert_eq!(scene.read("data.torrent"), before);
    scene.ok("create data/a.bin -o data.torrent --force");
    assert_eq!(load(&scene, "data.torrent").info().name(), "a.bin");
}

#[test]
fn damage_is_found_where_it_is() {
    let scene = Scene::new();
    let mut bytes = scene.read("data/a.bin");
    bytes[100_000] ^= 1;
    scene.write("data/a.bin", &bytes);
    std::fs::remove_file(scene.path("data/empty")).unwrap();
    scene.expect(
        "verify data.torrent --pieces",
        7,
        "piece 3  bad  in file 0",
        "11 of 12 pieces are right, 1 wrong",
    );
    scene.expect("verify data.torrent", 7, "missing         0/0  data/empty", "1 empty file missing");
    scene.expect("verify data.torrent --select docs/*", 0, "ok", "all 3 pieces are right");
    let shown = &scene.json("verify data.torrent --json --pieces")[0];
    assert_eq!(shown["pieces"]["bad"], 1);
    assert_eq!(shown["complete"], false);
    assert_eq!(shown["files"][0]["state"], "bad");
    assert_eq!(shown["files"][0]["good"], 9);
    assert_eq!(shown["faulty_pieces"][0]["piece"], 3);
}

#[test]
fn missing_short_and_long_files_are_told_apart() {
    let scene = Scene::new();
    scene.write("data/docs/b.txt", &noise(1_000, 2));
    std::fs::remove_file(scene.path("data/docs/c.txt")).unwrap();
    let mut longer = scene.read("data/a.bin");
    longer.extend_from_slice(b"tail");
    scene.write("data/a.bin", &longer);
    let outcome = scene.run("verify data.torrent");
    assert_eq!(outcome.code, Some(7));
    let text = outcome.text();
    for row in ["data/docs/b.txt  (1000 of 70000 bytes)", "data/a.bin  (4 bytes too long)"] {
        assert!(text.contains(row), "{text}");
    }
    assert!(
        text.lines().any(|line| line.starts_with("missing") && line.ends_with("data/docs/c.txt")),
        "{text}"
    );
    assert_eq!(scene.read("data/docs/b.txt").len(), 1_000, "verify changed a file");
    assert_eq!(scene.run("verify data.torrent --data data/docs").code, Some(7));
}

#[test]
fn a_directory_in_the_place_of_a_file_is_not_complete() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path("data/a.bin")).unwrap();
    std::fs::create_dir(scene.path("data/a.bin")).unwrap();
    let code = scene.run("verify data.torrent").code;
    assert!(matches!(code, Some(6 | 7)), "{code:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_has_its_own_exit_code() {
    let scene = Scene::new();
    scene.expect("create data --force -o /dev/full", 5, "", "torrent: /dev/full: ");
    let mut full = scene.command("metainfo data.torrent");
    full.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(full.output().unwrap().status.code(), Some(5));
}

#[test]
fn edits_keep_what_they_are_not_told_of() {
    let scene = Scene::new();
    let mut bytes = scene.read("data.torrent");
    bytes.pop();
    bytes.extend_from_slice(b"3:zzzli7e1:\xffee");
    scene.write("odd.torrent", &bytes);
    scene.expect(
        "edit odd.torrent --comment new --announce udp://t.test:1 --web-seed http://w.test/",
        0,
        "",
        "",
    );
    let after = scene.read("odd.torrent");
    assert!(after.windows(13).any(|window| window == b"3:zzzli7e1:\xffe"), "an unknown key is gone");
    let (before, after) = (load(&scene, "data.torrent"), load(&scene, "odd.torrent"));
    assert_eq!(before.info_hashes(), after.info_hashes());
    assert_eq!((after.comment(), after.announce()), (Some("new"), Some("udp://t.test:1")));
    assert_eq!(after.info().raw(), before.info().raw());
}

#[test]
fn a_new_info_hash_is_said_loudly_with_both_values() {
    let scene = Scene::new();
    let (before, outcome) =
        (scene.ok("metainfo data.torrent infohash"), scene.run("edit data.torrent --private"));
    assert_eq!(outcome.code, Some(0));
    let after = scene.ok("metainfo data.torrent infohash");
    assert_ne!(before, after);
    for part in ["THE INFO HASH CHANGED", before.trim(), after.trim()] {
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
    assert_eq!(outcome.stdout, b"");
}

#[test]
fn malformed_torrents_are_told_by_file_key_and_offset() {
    let scene = Scene::bare();
    for (bytes, parts) in [
        (&b"d4:infodee"[..], ["info.name", "at byte"]),
        (
            b"d4:infod6:lengthi-1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
            ["info.length", "at byte"],
        ),
        (
            b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces19:aaaaaaaaaaaaaaaaaaaee",
            ["info.pieces", "at byte"],
        ),
        (b"d4:info", ["bad.torrent", "byte"]),
        (b"i5e", ["bad.torrent", "dictionary"]),
    ] {
        scene.write("bad.torrent", bytes);
        for command in ["metainfo", "verify", "magnet", "edit"] {
            let outcome = scene.run(&format!("{command} bad.torrent"));
            assert_eq!((outcome.code, outcome.text().as_str()), (Some(3), ""), "{outcome:?}");
            assert!(outcome.stderr.starts_with("torrent: bad.torrent: "), "{}", outcome.stderr);
            assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
            assert!(parts.iter().all(|part| outcome.stderr.contains(part)), "{parts:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn links_are_followed_kept_or_left_out() {
    #[cfg(unix)]
    {
        let scene = Scene::new();
        std::os::unix::fs::symlink("docs/c.txt", scene.path("data/link")).unwrap();
        assert!(scene.ok("create data --dry-run").contains("5\tlink\n"));
        assert!(scene.ok("create data --dry-run --links keep").contains("0\tlink\n"));
        let outcome = scene.run("create data --dry-run --links skip");
        assert!(!outcome.text().contains("link") && outcome.stderr.contains("left out"), "{outcome:?}");
    }
}

#[test]
fn an_edit_replaces_another_file_only_by_force() {
    let scene = Scene::new();
    scene.write("mine", b"mine");
    scene.expect("edit data.torrent --comment zz -o mine", 2, "", "mine exists; --force replaces it");
    assert_eq!(scene.read("mine"), b"mine");
    scene.ok("edit data.torrent --comment zz -o mine --force");
    assert_eq!(load(&scene, "mine").comment(), Some("zz"));
    for (words, comment) in
        [("", "in place"), ("-o data.torrent", "by name"), ("-o ./data.torrent", "by path")]
    {
        let mut command = scene.command(&format!("edit data.torrent {words} --comment"));
        assert!(command.arg(comment).status().unwrap().success(), "{comment}");
        assert_eq!(load(&scene, "data.torrent").comment(), Some(comment));
    }
}

#[test]
fn what_is_wrong_is_told_by_the_code_though_nobody_reads() {
    let scene = Scene::new();
    scene.write("data/a.bin", b"cut");
    let mut command = scene.command("verify data.torrent --pieces");
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn data_that_is_not_what_was_meant_is_named() {
    let scene = Scene::new();
    scene.ok("create data/a.bin -o a.torrent");
    std::fs::rename(scene.path("data"), scene.path("other")).unwrap();
    std::fs::create_dir_all(scene.path("place/a.bin")).unwrap();
    for command in ["verify", "seed --no-trackers --listen 127.0.0.1:0 --state-dir s"] {
        let said = "other: holds the files of `data` under another name; rename it to `data`";
        scene.expect(&format!("{command} data.torrent --data other"), 2, "", said);
        let said = "place/a.bin: is a directory, and the torrent is one file of this name";
        scene.expect(&format!("{command} a.torrent --data place/a.bin"), 2, "", said);
        let outcome = scene.run(&format!("{command} a.torrent --data place"));
        assert_eq!(outcome.code, Some(7), "{outcome:?}");
        assert!(outcome.stderr.contains("; place/a.bin is a directory, not a file"), "{outcome:?}");
    }
}
