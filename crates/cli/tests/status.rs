//! `--status`: what is served, to whom, and how much of it.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::{Running, Scene};

const ALONE: &str = "--no-trackers --listen 127.0.0.1:0";

/// Seeds with a status; where it is, and where the seed is.
fn seed(scene: &Scene) -> (Running, String, String) {
    let mut seed = scene.start(&format!("seed data.torrent {ALONE} --state-dir seeding --status :0"));
    let after = |line: String, what: &str| {
        line.strip_prefix(what).unwrap_or_else(|| panic!("{line}")).trim_end_matches('/').to_owned()
    };
    let status = after(seed.complaint(), "status on http://");
    let addr = after(seed.complaint(), "seeding data on ");
    (seed, status, addr)
}

/// Sends these bytes and reads to the end.
fn talk(addr: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    // A server that answers early may close while we still write.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(addr: &str, path: &str) -> (String, String) {
    let answer = talk(addr, &format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn text_json_and_metrics_tell_of_the_swarm() {
    let scene = Scene::new();
    let (seed, status, addr) = seed(&scene);
    assert!(status.starts_with("127.0.0.1:"), "{status}");
    // Fetched once, so that there is something to tell.
    scene.ok(&format!("-q download data.torrent -o got {ALONE} --peer {addr} --state-dir a --timeout 60s"));

    let (head, text) = get(&status, "/");
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/plain"), "{head}");
    assert!(head.contains("cache-control: no-store") && head.contains("nosniff"), "{head}");
    let infohash = scene.ok("metainfo data.torrent infohash").trim().to_owned();
    for line in ["1 torrents", "state: seeding", "    0-11 here", &format!("infohash: {infohash}")] {
        assert!(text.contains(line), "{line}:\n{text}");
    }

    let (head, body) = get(&status, "/status.json");
    assert!(head.contains("content-type: application/json"), "{head}");
    let json = &support::json_lines(body.as_bytes())[0];
    let torrent = &json["torrents"][0];
    assert_eq!(torrent["infohash"], infohash.as_str());
    assert_eq!(torrent["snapshot"]["state"]["state"], "seeding");
    assert_eq!(torrent["snapshot"]["bytes"], 370_005);
    assert_eq!(torrent["snapshot"]["wasted"]["hash_failed"], 0);
    assert_eq!(torrent["pieces"][0]["pieces"]["end"], 12);
    assert_eq!(torrent["pieces"][0]["state"]["priority"], 4);
    assert_eq!(json["stats"]["uploaded"], 370_005);

    let (head, metrics) = get(&status, "/metrics");
    assert!(head.contains("version=0.0.4"), "{head}");
    let sent = format!("riverrun_torrent_sent_bytes_total{{infohash=\"{infohash}\"}} 370005\n");
    let info =
        format!("riverrun_torrent_info{{infohash=\"{infohash}\",name=\"data\",state=\"seeding\"}} 1\n");
    for line in [sent.as_str(), &info, "# TYPE riverrun_torrent_sent_bytes_total counter\n"] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
    }
    let (code, ..) = seed.interrupt();
    assert_eq!(code, Some(130));
}

#[test]
fn what_is_not_meant_for_it_is_refused() {
    let scene = Scene::new();
    let (_seed, status, _) = seed(&scene);
    // A page on the web whose name was made to point here.
    for host in ["Host: evil.example\r\n", "Host: 192.168.0.1\r\n", ""] {
        let answer = talk(&status, &format!("GET /status.json HTTP/1.1\r\n{host}\r\n"));
        assert!(!answer.starts_with("HTTP/1.1 200") && !answer.contains("torrents"), "{host}: {answer}");
    }
    let local = talk(&status, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(local.starts_with("HTTP/1.1 200"), "{local}");
    let post = talk(&status, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405") && post.to_lowercase().contains("allow: get, head"), "{post}");
    assert!(get(&status, "/nothing").0.starts_with("http/1.1 404"));
    let long =
        talk(&status, &format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000)));
    assert!(!long.starts_with("HTTP/1.1 200"), "{long}");
    // It goes on, one request a connection.
    let two = talk(&status, &"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2));
    assert_eq!(two.matches("HTTP/1.1").count(), 1, "{two}");
}

#[test]
fn an_address_that_can_not_be_had_is_one_sentence() {
    let scene = Scene::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = std::net::TcpListener::bind(taken).unwrap();
    for words in ["seed data.torrent", "serve data", "download data.torrent"] {
        let outcome = scene.run(&format!("{words} {ALONE} --state-dir s --status {taken}"));
        assert_eq!(outcome.code, Some(8), "{outcome:?}");
        let expected = format!("--status {taken}: cannot listen there: ");
        assert!(outcome.stderr.contains(&expected), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        let outcome = scene.run(&format!("{words} {ALONE} --status example.org:80"));
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("is no address to serve the status on"), "{outcome:?}");
    }
    drop(held);
}
