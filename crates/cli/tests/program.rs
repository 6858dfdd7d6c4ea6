//! What holds for the whole program: streams, variables, pages, signals, trackers, lists.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use support::{Scene, document};

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Serves `body` once over HTTP; the URL.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.torrent", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap();
        assert!(head[..read].starts_with(b"GET /x.torrent HTTP/1.1\r\n"));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
    });
    url
}

#[test]
fn a_torrent_is_fetched_from_its_url() {
    let scene = Scene::new();
    let expected = scene.ok("metainfo data.torrent");
    let url = serve(scene.read("data.torrent"));
    assert_eq!(scene.ok(&format!("metainfo {url}")), expected);
    let url = serve(b"<html>".to_vec());
    scene.expect(&format!("magnet {url}"), 3, "", "x.torrent: ");
}

#[test]
fn what_tells_who_we_are_is_refused_together_with_being_anonymous() {
    let scene = Scene::new();
    for telling in ["--user-agent mine/1", "--public-ip 192.0.2.7", "--dht-node 192.0.2.7:6881"] {
        for command in
            ["download data.torrent", "seed data.torrent", "serve data", "metainfo fetch data.torrent"]
        {
            let run = scene.run(&format!("{command} --anonymous {telling}"));
            assert_eq!(run.code, Some(2), "{run:?}");
            assert!(run.stderr.contains("'--anonymous' cannot be used with"), "{run:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = Scene::bare();
    for n in 0..2_000 {
        scene.write(&format!("many/{n:05}"), b"x");
    }
    scene.ok("create many");
    let mut child = scene
        .command("metainfo many.torrent files")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn options_are_variables_too_and_arguments_win() {
    let scene = Scene::new();
    let made = scene.run_with(
        "create data -o t --json",
        &[
            ("RIVERRUN_CREATE_PIECE_LENGTH", "64k"),
            ("RIVERRUN_CREATE_HYBRID", "1"),
            ("RIVERRUN_CREATE_COMMENT", "C"),
        ],
    );
    let made = &support::json_lines(&made.stdout)[0];
    assert_eq!((&made["piece_length"], &made["version"]), (&65_536.into(), &"hybrid".into()));
    assert!(scene.ok("metainfo t").contains("comment          C\n"));
    let made = scene.run_with("create data -o u --json -l 16k", &[("RIVERRUN_CREATE_PIECE_LENGTH", "64k")]);
    assert_eq!(support::json_lines(&made.stdout)[0]["piece_length"], 16_384);
    let quiet = scene.run_with("create data -o v", &[("RIVERRUN_QUIET", "1")]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    let loud = scene.run_with("create data -o w", &[("RIVERRUN_QUIET", "0")]);
    assert!(loud.stderr.contains("info hash"), "{loud:?}");
    for (words, variable, value) in [
        ("create data --dry-run --hybrid", "RIVERRUN_CREATE_V2", "1"),
        ("create data --dry-run --hybrid", "RIVERRUN_CREATE_V2", "off"),
        ("-v create data --dry-run", "RIVERRUN_QUIET", "1"),
        ("create data --dry-run -v", "RIVERRUN_QUIET", "0"),
        ("create data --json -o y", "RIVERRUN_CREATE_DRY_RUN", "yes"),
    ] {
        let outcome = scene.run_with(words, &[(variable, value)]);
        assert_eq!(outcome.code, Some(0), "{variable}={value} {words}: {outcome:?}");
    }
    let wrong = scene.run_with("create data -o x", &[("RIVERRUN_CREATE_THREADS", "many")]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let force = scene.run_with("create data -o t", &[("RIVERRUN_CREATE_FORCE", "1")]);
    assert_eq!(force.code, Some(2), "a variable must not overwrite files");
}

#[test]
fn every_command_has_a_page_with_its_options_and_the_exit_codes() {
    let scene = Scene::bare();
    scene.ok("man --dir pages");
    let variables = scene.ok("help environment");
    let mut pages = 0;
    for entry in std::fs::read_dir(scene.path("pages")).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH \"EXIT STATUS\""), "{}", path.display());
        pages += 1;
    }
    assert!(pages >= 15, "{pages} pages");
    for line in variables.lines() {
        let (variable, option) = line.split_once(' ').unwrap();
        let command = option.trim().split(" --").next().unwrap().replace(' ', "-");
        let page = String::from_utf8(scene.read(&format!("pages/{command}.1"))).unwrap();
        assert!(page.contains(variable), "{variable} is not in {command}.1");
    }
}

#[test]
fn a_tracker_tells_peers_of_each_other_until_ctrl_c() {
    let scene = Scene::bare();
    let mut tracker = scene.start("tracker --http 127.0.0.1:0 --udp 127.0.0.1:0 --interval 90");
    let (http, udp) = (tracker.line(), tracker.line());
    assert!(http.starts_with("http://127.0.0.1:") && udp.starts_with("udp://127.0.0.1:"), "{http} {udp}");
    scene.ok(&format!("announce {http} {HASH} --port 5001 --left 0 --event started"));
    scene.ok(&format!("announce {udp} {HASH} --port 5002"));
    let seen = scene.ok(&format!("announce {udp} {HASH} --port 5003"));
    assert!(seen.starts_with(&format!("{HASH}  seeders 1  leechers 2  ")), "{seen}");
    assert!(seen.contains("; again in 1m30s"), "{seen}");
    assert!(seen.contains("\n  127.0.0.1:5001\n") && seen.contains("\n  127.0.0.1:5002\n"), "{seen}");
    for url in [&http, &udp] {
        let counts = &scene.json(&format!("scrape {url} {HASH} --json"))[0];
        assert_eq!((&counts["seeders"], &counts["leechers"]), (&1.into(), &2.into()), "{counts}");
    }
    scene.ok(&format!("announce {http} {HASH} --port 5001 --event stopped"));
    assert!(scene.ok(&format!("scrape {http} {HASH}")).contains("seeders 0  leechers 2"));
    #[cfg(unix)]
    assert_eq!(tracker.interrupt(), (Some(0), String::new(), String::new()));
}

#[test]
fn a_tracker_with_a_list_refuses_strangers_and_tells_events() {
    let scene = Scene::bare();
    let mut tracker =
        scene.start(&format!("tracker --no-udp --http 127.0.0.1:0 --allow {HASH} --json --stats-interval 0"));
    let listening: serde_json::Value = serde_json::from_str(&tracker.line()).unwrap();
    assert_eq!(listening["event"], "listening");
    let url = listening["urls"][0].as_str().unwrap();
    scene.ok(&format!("announce {url} {HASH}"));
    let stats: serde_json::Value = serde_json::from_str(&tracker.line()).unwrap();
    assert_eq!(
        (&stats["event"], &stats["torrents"], &stats["peers"]),
        (&"stats".into(), &1.into(), &1.into())
    );
    let stranger = "b".repeat(40);
    scene.expect(
        &format!("announce {url} {stranger}"),
        8,
        "",
        "the tracker refused: this torrent is not tracked here",
    );
    let answers = scene.json(&format!("announce {url} {stranger} {HASH} --json"));
    assert_eq!(answers[0]["error"]["code"], "tracker-refused");
    assert!(answers[1]["error"].is_null());
    #[cfg(unix)]
    {
        let (code, rest, _) = tracker.interrupt();
        assert_eq!(code, Some(0));
        assert!(rest.ends_with("{\"schema\":1,\"event\":\"stopped\"}\n"), "{rest}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_announced_on_the_local_network_is_shown_live() {
    let scene = Scene::bare();
    let mut words = scene.start("-q lpd --interface 127.0.0.1");
    let mut json = scene.start("lpd --json --interface 127.0.0.1");
    let listening: serde_json::Value = serde_json::from_str(&json.line()).unwrap();
    assert_eq!(listening["event"], "listening");
    // Bound to loopback, it sends there. Whoever listens has joined soon: said again until both have heard it.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let text = format!("BT-SEARCH * HTTP/1.1\r\nPort: 7777\r\nInfohash: {HASH}\r\ncookie: me\r\n\r\n\r\n");
    let done = std::sync::atomic::AtomicBool::new(false);
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                socket.send_to(text.as_bytes(), "239.192.152.143:6771").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let heard = (words.line(), json.line());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        heard
    });
    assert_eq!(heard.0.trim_end(), format!("{HASH}  127.0.0.1:7777"));
    let announce: serde_json::Value = serde_json::from_str(&heard.1).unwrap();
    assert_eq!((&announce["event"], &announce["port"]), (&"announce".into(), &7777.into()));
    assert_eq!((&announce["infohashes"][0], &announce["cookie"]), (&HASH.into(), &"me".into()));
    let (code, rest, _) = json.interrupt();
    assert_eq!(code, Some(0));
    assert!(rest.ends_with("{\"schema\":1,\"event\":\"stopped\"}\n"), "{rest}");
    assert_eq!(words.interrupt().0, Some(0));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_request_that_hangs() {
    let scene = Scene::bare();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = scene.start(&format!("metainfo http://{}/x.torrent", listener.local_addr().unwrap()));
    let _silent = listener.accept().unwrap();
    assert_eq!(running.interrupt(), (Some(130), String::new(), "torrent: interrupted\n".to_owned()));
}

const LIST: &str = "Some network:1.2.3.0-1.2.3.255\n10.0.0.0/8\nnonsense\n2001:db8::/32\n# a comment\n";

#[test]
fn lists_are_packed_searched_and_counted() {
    let scene = Scene::bare();
    scene.write("list.txt", LIST.as_bytes());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(LIST.as_bytes()).unwrap();
    scene.write("list.gz", &gzip.finish().unwrap());
    scene.expect(
        "blocklist pack list.txt list.gz -o list.packed",
        0,
        "",
        "line 3: no address, range or network: nonsense",
    );
    scene.expect("blocklist pack list.txt -o list.packed", 2, "", "--force");
    let expected = "1.2.3.4\t1.2.3.0-1.2.3.255\tSome network\n10.9.9.9\t10.0.0.0-10.255.255.255\n9.9.9.9\tnone\n\
                    2001:db8::7\t2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\n";
    for list in ["list.txt", "list.gz", "list.packed"] {
        assert_eq!(
            scene.ok(&format!("blocklist lookup {list} 1.2.3.4 10.9.9.9 9.9.9.9 2001:db8::7")),
            expected
        );
        let stats = &scene.json(&format!("blocklist stats {list} --json"))[0];
        assert_eq!((&stats["v4_ranges"], &stats["v6_ranges"]), (&2.into(), &1.into()), "{stats}");
        assert_eq!(stats["v4_addresses"], 256 + (1 << 24));
    }
    assert!(scene.ok("blocklist stats list.txt").contains("5, 1 of them not understood\n  line 3: "));
    let packed = scene.read("list.packed");
    scene.write("cut.packed", &packed[..packed.len() - 1]);
    scene.expect("blocklist stats cut.packed", 3, "", "torrent: cut.packed: ");
    scene.write("cut.gz", &scene.read("list.gz")[..30]);
    scene.expect("blocklist lookup cut.gz 1.2.3.4", 3, "", "torrent: cut.gz: ");
    let from_stdin = scene.run_on("blocklist lookup - 1.2.3.4 --json", LIST.as_bytes());
    assert_eq!(support::json_lines(&from_stdin.stdout)[0]["name"], "Some network");
}

#[test]
fn several_values_and_bytes_that_are_no_text_survive_as_json() {
    let scene = Scene::bare();
    let outcome = scene.run_on("bencode json", b"i1e1:\xffd1:ali0eee\n");
    assert_eq!(outcome.text(), "1\n{\"hex\":\"ff\"}\n{\"a\":[0]}\n");
    let outcome = scene.run_on("bencode json", b"i1eq");
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(3), "1\n"));
    assert!(outcome.stderr.contains("value at byte 3"), "{}", outcome.stderr);
}

#[test]
fn commands_of_the_readme_are_understood() {
    let scene = Scene::bare();
    let known = scene.ok("--help");
    let readme = document("README.md");
    let mut understood = 0;
    for line in readme.lines().filter_map(|line| line.strip_prefix("$ torrent ")) {
        let line = line.split(" | ").next().unwrap().replace('\'', "");
        let name = line.split(' ').next().unwrap();
        if !known.contains(&format!("\n  {name} ")) {
            continue;
        }
        // Asking for help as well stops at the first word that is not understood, and does nothing else.
        let outcome = scene.run(&format!("{line} --help"));
        assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
        understood += 1;
    }
    assert!(understood >= 15, "{understood} commands");
}

#[test]
fn every_json_key_is_in_the_document() {
    let scene = Scene::new();
    scene.write("list.txt", LIST.as_bytes());
    let page = document("docs/json.md");
    let mut tracker = scene.start("tracker --http 127.0.0.1:0 --no-udp --json");
    let mut seen = support::json_lines(tracker.line().as_bytes());
    let url = seen[0]["urls"][0].as_str().unwrap().to_owned();
    for words in [
        "version --json".to_owned(),
        "metainfo data.torrent json --piece-hashes".to_owned(),
        "magnet data.torrent --json".to_owned(),
        "download data.torrent --list --json".to_owned(),
        "create data --json -o t".to_owned(),
        "verify t --json --pieces".to_owned(),
        "edit t --json --private".to_owned(),
        "blocklist lookup list.txt 1.2.3.4 --json".to_owned(),
        "blocklist stats list.txt --json".to_owned(),
        format!("announce {url} {HASH} --json"),
        format!("scrape {url} {HASH} --json"),
        format!("scrape http://127.0.0.1:1/announce {HASH} --json"),
    ] {
        let objects = scene.json(&words);
        assert!(!objects.is_empty(), "{words} printed nothing");
        seen.extend(objects);
    }
    let mut keys = std::collections::BTreeSet::new();
    seen.iter().for_each(|value| collect_keys(value, &mut keys));
    let missing: Vec<&String> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/json.md does not name {missing:?}");
}

fn collect_keys(value: &serde_json::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                collect_keys(value, keys);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}
