//! Oddities of the keys around the info dictionary, none of which stops a download.

use bencode::Value;

use super::Case;
use super::base::*;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = trackers();
    cases.extend(seeds_and_nodes());
    cases.extend(notes());
    cases
}

fn with(key: &'static str, value: Value) -> Vec<u8> {
    outer(|t| drop(t.insert(key, value)))
}

fn trackers() -> Vec<Case> {
    let ok = |name, key, value, expected| Case::accepted(name, with(key, value), show_tiers, expected);
    let many = (0..1_001).map(|n| list([text(format!("http://{n}/"))])).collect();
    vec![
        ok("announce_is_an_integer", "announce", int(1), ""),
        ok("announce_empty", "announce", text(""), ""),
        ok("announce_with_spaces", "announce", text(" http://t/ \r\n"), "http://t/"),
        ok("announce_not_utf8", "announce", text(b"http://\xff/"), ""),
        ok("announce_with_control_character", "announce", text("http://t/\0x"), ""),
        ok("announce_over_4096_bytes", "announce", text("u".repeat(4_097)), ""),
        ok("announce_list_is_a_string", "announce-list", text("http://t/"), ""),
        ok(
            "announce_list_flat",
            "announce-list",
            list([text("http://a/"), text("http://b/")]),
            "http://a/; http://b/",
        ),
        ok(
            "announce_list_of_integers",
            "announce-list",
            list([int(1), list([int(2), text("http://b/")])]),
            "http://b/",
        ),
        ok(
            "announce_list_with_empty_tiers",
            "announce-list",
            list([list([]), list([text("http://a/")])]),
            "http://a/",
        ),
        ok(
            "announce_list_with_duplicates",
            "announce-list",
            list([list([text("http://a/"), text("http://a/")]), list([text("http://a/")])]),
            "http://a/",
        ),
        Case::accepted(
            "announce_list_empty_beside_announce",
            outer(|t| {
                t.insert("announce", "http://t/");
                t.insert("announce-list", list([list([])]));
            }),
            show_tiers,
            "http://t/",
        ),
        Case::accepted(
            "announce_list_of_1001",
            with("announce-list", Value::List(many)),
            show_count,
            "1000 trackers",
        ),
    ]
}

fn seeds_and_nodes() -> Vec<Case> {
    let seeds = |name, value, expected| Case::accepted(name, with("url-list", value), show_seeds, expected);
    let nodes = |name, value, expected| Case::accepted(name, with("nodes", value), show_nodes, expected);
    let node = |host: &str, port| list([list([text(host), int(port)])]);
    vec![
        seeds("url_list_is_a_string", text("http://w/"), "http://w/"),
        seeds("url_list_is_an_empty_string", text(""), ""),
        seeds("url_list_is_an_integer", int(1), ""),
        seeds(
            "url_list_with_duplicates",
            list([text("http://w/"), text(" http://w/ "), int(3)]),
            "http://w/",
        ),
        nodes("nodes_is_a_string", text("h:1"), ""),
        nodes("nodes_as_strings", list([text("h:6881"), text("[::1]:1")]), "h port 6881, ::1 port 1"),
        nodes("node_port_zero", node("h", 0), ""),
        nodes("node_port_over_65535", node("h", 65_536), ""),
        nodes("node_port_negative", node("h", -1), ""),
        nodes("node_host_empty", node("", 1), ""),
        nodes("node_of_one_item", list([list([text("h")])]), ""),
    ]
}

fn notes() -> Vec<Case> {
    let ok = |name, key, value, expected| Case::accepted(name, with(key, value), show_notes, expected);
    vec![
        ok("creation_date_is_a_string", "creation date", text("1700000000"), "created at 1700000000"),
        ok("creation_date_negative", "creation date", int(-1), "created at -1"),
        ok("creation_date_is_text", "creation date", text("yesterday"), "None by None"),
        ok(
            "creation_date_over_an_i64",
            "creation date",
            Value::Raw(b"i99999999999999999999e".into()),
            "None by None",
        ),
        ok("comment_is_a_list", "comment", list([]), "None by None"),
        ok("comment_not_utf8", "comment", text(b"\xff"), "Some(\"\u{fffd}\") by None"),
        ok("created_by_is_an_integer", "created by", int(1), "None by None"),
        Case::accepted("unknown_key", with("x-thing", list([int(1)])), show_keys, "x-thing=li1ee"),
    ]
}
