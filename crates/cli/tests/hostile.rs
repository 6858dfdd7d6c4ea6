//! Arguments as a hostile or a naive user gives them: each is answered with a sentence and the right exit code.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::{Scene, rows};

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

rows! {
    other_scheme_ftp: "download ftp://host/x.torrent" => 2, "", "ftp: this scheme is not supported";
    other_scheme_file: "metainfo file:///x.torrent" => 2, "", "file: this scheme is not supported";
    other_scheme_seed: "seed gopher://host/x" => 2, "", "gopher: this scheme is not supported";
    a_link_where_a_torrent_is_needed: "verify magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" => 2, "",
        "this command needs a .torrent";
    unknown_level: "--log garbage metainfo data.torrent" => 2, "", "`garbage` is no filter; write off, error, warn";
    unknown_level_of_a_module: "--log riverrun=loud metainfo data.torrent" => 2, "", "is no filter";
    empty_filter: "--log= metainfo data.torrent" => 2, "", "is no filter";
    output_is_a_file: "download data.torrent -o data/a.bin" => 2, "", "--output data/a.bin: this is no directory";
    output_below_a_file: "download data.torrent -o data/a.bin/x" => 2, "", "data/a.bin is no directory";
    save_into_a_file: "download data.torrent --save-metainfo data/a.bin" => 2, "", "--save-metainfo data/a.bin: this is no directory";
    wrong_peer_before_a_missing_file: "download none --peer foo" => 2, "",
        "torrent: --peer foo: `foo` is no host and port; write HOST:PORT, such as peer.example:6881 or [2001:db8::1]:6881\n";
    wrong_peer_of_a_seed: "seed none --peer [::1:6" => 2, "", "torrent: --peer [::1:6: ";
    wrong_peer_of_a_served_path: "serve none --peer :6" => 2, "", "torrent: --peer :6: ";
    no_blocklist_before_a_missing_file: "download none --blocklist gone" => 6, "", "torrent: --blocklist gone: No such file";
    no_data_before_a_missing_file: "seed none --data gone" => 6, "", "torrent: --data gone: No such file";
    wrong_pattern_before_a_missing_file: "download none --select [" => 2, "", "--select: `[` is no number, range or pattern";
    nothing_selected: "download data.torrent --select= --list" => 2, "", "--select: nothing is selected; write numbers as 3, ranges";
    nothing_verified: "verify data.torrent --select=," => 2, "", "--select: nothing is selected";
    nothing_to_edit: "edit data.torrent" => 2, "", "nothing to change; say what with --announce";
    nothing_to_edit_elsewhere: "edit data.torrent -o copy.torrent" => 2, "", "nothing to change";
    wrong_tracker_edited_in: "edit data.torrent --announce nonsense" => 2, "", "--announce nonsense";
    wrong_tracker_added: "edit data.torrent --add-tracker nonsense" => 2, "", "--add-tracker nonsense";
    wrong_web_seed_edited_in: "edit data.torrent --web-seed gopher://x" => 2, "", "--web-seed gopher://x";
    edited_name_that_leads_out: "edit data.torrent --name ../../x -o new.torrent" => 2, "",
        "--name: `../../x` cannot be part of a path in a torrent";
    edited_name_of_nothing: "edit data.torrent --name= -o new.torrent" => 2, "", "--name: `` cannot be part of a path";
    wrong_ratio: "seed data.torrent --seed-ratio NaN" => 2, "", "`NaN` is no ratio";
    negative_ratio: "serve data --seed-ratio=-1" => 2, "", "`-1` is no ratio";
    stdin_twice: "seed - -" => 2, "", "give `-` once";
    state_below_a_file: "download data.torrent -o out --state-dir data/a.bin/state" => 6, "",
        "--state-dir data/a.bin/state: progress can't be kept there: ";
    a_file_that_is_not_the_content: "verify data.torrent --data data/a.bin" => 2, "",
        "data/a.bin: is neither `data` nor a directory that holds it";
    serve_nothing: "serve none" => 6, "", "torrent: none: No such file";
    list: "download data.torrent --list" => 0, "     0   292.97 KiB  data/a.bin\n     1    68.36 KiB  data/docs/b.txt\n", "";
    list_selected: "download data.torrent --list --select 1" => 0, "data/a.bin  (not selected)\n", "";
    list_json: "download data.torrent --list --json --select 1" => 0,
        "{\"index\":1,\"path\":\"data/docs/b.txt\",\"length\":70000,\"selected\":true}", "";
    magnet_selection: "magnet magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&so=0,2,4-6&x.pe=[::1]:6" => 0,
        "selected files     0,2,4-6\n", "";
    magnet_selection_json: "magnet magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&so=3&x.pe=[::1]:6 --json" => 0,
        "\"peers\":[\"[::1]:6\"],\"selected_files\":\"3\"", "";
    edit_quietly: "-q edit data.torrent --private -o new.torrent" => 0, "", "";
    failures_are_told_quietly: "-q announce http://127.0.0.1:1/announce aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" => 8, "",
        "http://127.0.0.1:1: ";
    no_peers_in_time: "-q download data.torrent -o out --no-trackers --timeout 1s --state-dir state" => 4, "",
        "torrent: nothing came for 1s";
}

#[test]
fn variables_that_are_empty_are_unset_and_nonsense_is_refused() {
    let scene = Scene::new();
    for (words, variable) in [
        ("download data.torrent --list", "RIVERRUN_SELECT"),
        ("download data.torrent --list", "RIVERRUN_OUTPUT"),
        ("download data.torrent --list", "RIVERRUN_TIMEOUT"),
        ("download data.torrent --list", "RIVERRUN_MAX_PEERS"),
        ("download data.torrent --list", "RIVERRUN_JSON"),
        ("metainfo data.torrent", "RIVERRUN_LOG"),
        ("create data --dry-run", "RIVERRUN_CREATE_PIECE_LENGTH"),
    ] {
        let (with, without) = (scene.run_with(words, &[(variable, "")]), scene.run(words));
        assert_eq!((with.code, with.text()), (Some(0), without.text()), "{variable} {with:?}");
    }
    for (variable, value) in [("RIVERRUN_JSON", "maybe"), ("RIVERRUN_SEED", "2"), ("RIVERRUN_LOG", "loud")] {
        let outcome = scene.run_with("download data.torrent --list", &[(variable, value)]);
        assert_eq!((outcome.code, outcome.text().as_str()), (Some(2), ""), "{variable} {outcome:?}");
        assert!(outcome.stderr.contains(value), "{outcome:?}");
    }
    assert!(
        scene.run_with("download data.torrent --list", &[("RIVERRUN_JSON", "yes")]).stdout.starts_with(b"{")
    );
}

#[test]
fn every_wrong_option_is_told_in_a_sentence_of_its_own() {
    let scene = Scene::new();
    let outcome = scene.run(
        "download none --peer foo --peer 127.0.0.1:6881 --peer bar:0 --blocklist gone --select [ -o data/a.bin \
         --save-metainfo data/a.bin --state-dir data/a.bin/s",
    );
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(2), ""), "{outcome:?}");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let begins = [
        "--select: ",
        "--output ",
        "--save-metainfo ",
        "--peer foo: ",
        "--peer bar:0: ",
        "--blocklist ",
        "--state-dir ",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(&format!("torrent: {begin}")), "{begin}: {lines:#?}");
    }
    assert!(!outcome.stderr.contains("none"), "the source was opened: {outcome:?}");
}

#[test]
fn a_name_for_requests_that_breaks_them_is_refused() {
    let scene = Scene::new();
    for words in [
        "announce http://127.0.0.1:1/announce X",
        "scrape http://127.0.0.1:1/announce X",
        "download X",
        "seed X",
    ] {
        for name in ["a\u{1}b", "a\nb", "", "caf\u{e9}"] {
            let mut command = scene.command(words);
            let output = command.arg(format!("--user-agent={name}")).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{words} {name:?}: {output:?}");
        }
    }
}

/// Answers one request with success, this head and body.
fn tracker(head: &'static str, body: Vec<u8>) -> String {
    answering("200 OK", head, body)
}

fn answering(status: &'static str, head: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(format!("HTTP/1.1 {status}\r\n{head}\r\n").as_bytes()).unwrap();
        // Who has read enough may leave.
        let _ = stream.write_all(&body);
    });
    origin
}

#[test]
fn a_tracker_that_sends_too_much_did_not_answer_as_it_should() {
    let scene = Scene::bare();
    for command in ["announce", "scrape"] {
        let url = tracker("Content-Length: 999999999\r\n", Vec::new());
        scene.expect(&format!("{command} {url}/announce {HASH}"), 8, "", " sent more than ");
    }
}

#[test]
fn intervals_beyond_reason_are_told_in_words() {
    let body = b"d8:intervali9223372036854775807e5:peers0:e".to_vec();
    let url = tracker("Connection: close\r\n", body);
    let shown = Scene::bare().ok(&format!("announce {url}/announce {HASH}"));
    assert!(shown.ends_with("peers 0; again in over 10 years\n"), "{shown}");
}

#[test]
fn trackers_on_this_machine_are_asked_by_their_usual_path_or_by_leave() {
    let scene = Scene::bare();
    let mut server = scene.start("tracker --http 127.0.0.1:0 --no-udp");
    let url = server.line();
    scene.ok(&format!("announce {url} {HASH}"));
    let odd = tracker("Connection: close\r\n", b"d5:peers0:e".to_vec());
    scene.expect(&format!("announce {odd}/other {HASH}"), 2, "", "--allow-local-trackers");
    scene.ok(&format!("announce {odd}/other {HASH} --allow-local-trackers"));
}

#[test]
fn a_redirect_to_where_none_may_lead_is_the_servers_fault() {
    let scene = Scene::bare();
    let moved = |head| answering("302 Found", head, Vec::new());
    for (head, said) in [
        ("Location: /admin\r\nContent-Length: 0\r\n", "--allow-local-trackers"),
        ("Location: http://xn--bcher-kva.example/announce\r\nContent-Length: 0\r\n", "internationalised"),
    ] {
        let (announce, scrape) = (moved(head), moved(head));
        scene.expect(&format!("announce {announce}/announce {HASH}"), 8, "", said);
        scene.expect(&format!("scrape {scrape}/announce {HASH}"), 8, "", " redirects where it may not: ");
    }
    for (to, said) in [
        ("Location: http://xn--bcher-kva.example/x.torrent\r\nContent-Length: 0\r\n", "internationalised"),
        ("Location: file:///etc/passwd\r\nContent-Length: 0\r\n", "neither http nor https"),
    ] {
        for command in ["metainfo", "download"] {
            let url = moved(to);
            scene.expect(&format!("{command} {url}/x.torrent"), 8, "", said);
        }
    }
    // The user's own URL is the user's own fault.
    scene.expect("metainfo http://xn--bcher-kva.example/x.torrent", 2, "", "internationalised");
}

#[test]
fn verify_takes_the_parent_or_the_content_from_wherever_it_is_called() {
    let scene = Scene::new();
    for (dir, words) in [
        (".", "verify -q data.torrent"),
        (".", "verify -q data.torrent --data ."),
        (".", "verify -q data.torrent --data data"),
        (".", "verify -q data.torrent --data data/"),
        ("data", "verify -q ../data.torrent"),
        ("data", "verify -q ../data.torrent --data .."),
        ("data/docs", "verify -q ../../data.torrent --data .."),
    ] {
        let output = scene.command(words).current_dir(scene.path(dir)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{dir}: {words}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn seed_takes_several_torrents_and_either_form_of_their_place() {
    let scene = Scene::new();
    scene.ok("create data/a.bin -o data/a.torrent");
    for (files, data) in
        [("data.torrent", "."), ("data.torrent", "data"), ("data/a.torrent data.torrent", "data")]
    {
        let mut seed = scene.start(&format!(
            "seed {files} --data {data} --state-dir state --json --no-trackers --listen 127.0.0.1:0"
        ));
        let mut left = files.split(' ').count();
        while left > 0 {
            let line = seed.line();
            assert!(!line.is_empty(), "{files} --data {data} ended early");
            left -= usize::from(line.contains("\"event\":\"state\"") && line.contains("\"seeding\""));
        }
        let (code, rest, stderr) = seed.interrupt();
        assert_eq!((code, rest.contains("\"exit_code\":130")), (Some(130), true), "{stderr}");
    }
    scene.expect(
        "seed data.torrent --data data/docs --state-dir state",
        7,
        "",
        "pieces of `data` are missing",
    );
}

#[test]
fn the_system_may_have_nothing_left_to_give() {
    #[cfg(unix)]
    {
        let scene = Scene::new();
        let program = env!("CARGO_BIN_EXE_torrent");
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(scene.path(".")).arg("-c");
        shell.arg(format!("ulimit -n 4; exec {program} tracker --no-udp --http 127.0.0.1:0"));
        let output = shell.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("torrent: ") && stderr.lines().count() == 1, "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn thousands_of_torrents_need_no_word_to_the_shell() {
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_torrent");
    let words =
        "seed data.torrent --data . --state-dir state --no-trackers --listen 127.0.0.1:0 --seed-time 1s";
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(scene.path(".")).arg("-c");
    // Few as it begins, and enough for the program where they are raised.
    shell.arg(format!("ulimit -S -n 9; exec {program} {words}"));
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_blocklist_of_nonsense_protects_nobody_and_is_refused() {
    let scene = Scene::new();
    scene.write("junk", b"<html>\n<body>404</body>\n");
    scene.write("half", b"<html>\n10.0.0.0/8\n");
    scene.write("none", b"# nobody\n");
    let words = "download data.torrent -o out --no-trackers --listen 127.0.0.1:0 --state-dir s --timeout 1s";
    let refused = scene.run(&format!("{words} --blocklist junk"));
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let said = "junk: this is no blocklist: none of its 2 lines gives a range, the first is line 1: ";
    assert!(refused.stderr.contains(said) && refused.stderr.lines().count() == 1, "{refused:?}");
    for list in ["half", "none"] {
        scene.expect(&format!("{words} --blocklist {list}"), 4, "", "nothing came for 1s");
    }
    scene.expect("blocklist pack junk -o packed", 3, "", "this is no blocklist");
    assert!(!scene.path("packed").exists());
}
