//! Trackers that the user names for a run, and those that do not answer.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use support::Scene;

/// A tracker without peers, and what it is asked. A mute one takes requests and never answers.
fn tracker(mute: bool) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let _ = tell.send(String::from_utf8_lossy(&head[..read]).into_owned());
            if mute {
                kept.push(stream);
                continue;
            }
            let body = "d8:intervali1800e5:peers0:e";
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (url, told)
}

const WORDS: &str =
    "download data.torrent -o out --listen 127.0.0.1:0 --ipv4-only --state-dir state --timeout 2s";

/// The events that a tracker was told of, all runs being over.
fn events(told: &Receiver<String>) -> Vec<&'static str> {
    let event = |request: &String| {
        ["started", "stopped"].into_iter().find(|event| request.contains(&format!("event={event}")))
    };
    let mut out = Vec::new();
    while let Ok(request) = told.recv_timeout(Duration::from_millis(50)) {
        out.push(event(&request).unwrap_or("none"));
    }
    out
}

#[test]
fn a_tracker_named_for_a_run_is_asked_besides_and_for_that_run() {
    let scene = Scene::new();
    let ((own, to_own), (first, to_first), (second, to_second)) =
        (tracker(false), tracker(false), tracker(false));
    scene.ok(&format!("edit data.torrent --announce {own}"));
    let both = ["started", "stopped"];
    assert_eq!(scene.run(&format!("{WORDS} --tracker {first}")).code, Some(4));
    assert_eq!((events(&to_own), events(&to_first)), (both.into(), both.into()));
    assert_eq!(scene.run(WORDS).code, Some(4));
    assert_eq!((events(&to_own), events(&to_first)), (both.into(), Vec::new()));
    assert_eq!(scene.run(&format!("{WORDS} --tracker {second} --tracker {own}")).code, Some(4));
    assert_eq!((events(&to_own), events(&to_first)), (both.into(), Vec::new()));
    assert_eq!(events(&to_second), both);
}

#[test]
fn a_tracker_that_does_not_answer_is_no_loss_of_state() {
    let scene = Scene::new();
    let (mute, _told) = tracker(true);
    scene.ok(&format!("edit data.torrent --announce {mute}"));
    let quiet = scene.run(WORDS);
    assert_eq!(quiet.code, Some(4));
    assert!(!quiet.stderr.contains("closing took too long"), "{quiet:?}");
    let loud = scene.run(&format!("-v {WORDS}"));
    let said = format!("the tracker {} did not answer our `stopped`", mute.trim_end_matches("/announce"));
    assert!(loud.stderr.contains(&said), "{loud:?}");
}
