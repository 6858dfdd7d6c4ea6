//! Names and paths that are not safe on disk, or not apart.

use bencode::Value;

use super::Case;
use super::base::*;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(unsafe_paths());
    cases.extend(clashes());
    cases.extend(links());
    cases
}

fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    single(|i| *at(i, &["name"]) = text(name))
}

fn names() -> Vec<Case> {
    let ok = |name, raw: &[u8], expected| Case::accepted(name, named(raw), show_name, expected);
    let hashed = |name, raw: &[u8]| Case::accepted(name, named(raw), show_name, "(the info hash)");
    let utf8 = |value: Value| {
        single(|i| {
            i.insert("name.utf-8", value);
        })
    };
    vec![
        hashed("name_empty", b""),
        hashed("name_dot", b"."),
        hashed("name_dot_dot", b".."),
        hashed("name_slash", b"/"),
        ok("name_leaves_the_directory", b"../../etc/passwd", ".._.._etc_passwd"),
        ok("name_absolute", b"/etc/passwd", "_etc_passwd"),
        ok("name_with_backslashes", b"C:\\Windows\\x", "C:_Windows_x"),
        ok("name_with_nul", b"a\0.txt", "a_.txt"),
        ok("name_with_control_characters", b"a\x1b[31m\n.txt", "a_[31m_.txt"),
        ok("name_with_direction_override", "invoice\u{202e}fdp.exe".as_bytes(), "invoice_fdp.exe"),
        ok("name_with_zero_width_space", "a\u{200b}b".as_bytes(), "a_b"),
        ok("name_not_utf8", b"caf\xe9", "caf\u{fffd}"),
        ok("name_of_a_device", b"CON", "_CON"),
        ok("name_of_a_device_with_extension", b"nul.tar.gz", "_nul.tar.gz"),
        ok("name_of_a_numbered_device", b"Lpt1", "_Lpt1"),
        ok("name_with_spaces_at_its_ends", b" a ", " a "),
        Case::accepted(
            "name_of_300_bytes",
            named("x".repeat(300) + ".mkv"),
            |torrent| {
                format!("{} bytes, ends in {}", torrent.info().name().len(), &torrent.info().name()[247..])
            },
            "255 bytes, ends in xxxx.mkv",
        ),
        Case::accepted("name_utf8_preferred", utf8(text("é")), show_name, "é"),
        Case::accepted("name_utf8_not_utf8", utf8(text(b"\xff")), show_name, "a"),
        Case::accepted("name_utf8_is_an_integer", utf8(int(1)), show_name, "a"),
    ]
}

fn unsafe_paths() -> Vec<Case> {
    let ok = |name, path: &[&str], expected| Case::accepted(name, paths([path]), show_paths, expected);
    let utf8 = |value: Value| many(|i| drop(at(i, &["files", "0"]).insert("path.utf-8", value)));
    let long = vec!["d".repeat(250); 16];
    vec![
        ok("path_leaves_the_directory", &["..", "..", "etc", "passwd"], "t/etc/passwd"),
        ok("path_of_dots", &[".", "a", ".", "b"], "t/a/b"),
        ok("path_of_dot_dots_alone", &["..", ".."], "t/_"),
        ok("path_with_empty_component", &["a", "", "b"], "t/a/b"),
        ok("path_of_an_empty_component", &[""], "t/_"),
        ok("path_absolute", &["/etc", "passwd"], "t/_etc/passwd"),
        ok("path_with_slash_in_component", &["a/../../b"], "t/a_.._.._b"),
        ok("path_with_backslash_in_component", &["..\\..\\b"], "t/.._.._b"),
        ok("path_with_drive_letter", &["C:", "x"], "t/C:/x"),
        ok("path_with_device_directory", &["aux", "com1.txt"], "t/_aux/_com1.txt"),
        ok("path_with_direction_override", &["a\u{202e}cod.exe"], "t/a_cod.exe"),
        ok("path_with_line_separator", &["a\u{2028}b"], "t/a_b"),
        Case::accepted("path_not_utf8", paths([[&b"a\xff\xfe"[..]]]), show_paths, "t/a\u{fffd}\u{fffd}"),
        Case::accepted(
            "path_component_of_300_bytes",
            paths([["é".repeat(150) + ".txt"]]),
            |torrent| {
                format!(
                    "{} bytes, ends in é.txt: {}",
                    torrent.info().files()[0].name().len(),
                    torrent.info().files()[0].name().ends_with("é.txt")
                )
            },
            "254 bytes, ends in é.txt: true",
        ),
        Case::refused("path_of_101_components", paths([["d"; 101]]), "info.files[0]: "),
        Case::refused("path_over_4000_bytes", paths([&long]), "info.files[0]: "),
        Case::accepted("path_utf8_preferred", utf8(list([text("é")])), show_paths, "t/é, t/y"),
        Case::accepted("path_utf8_not_utf8", utf8(list([text(b"\xff")])), show_paths, "t/x, t/y"),
        Case::accepted("path_utf8_is_a_string", utf8(text("z")), show_paths, "t/x, t/y"),
        Case::accepted("path_utf8_empty", utf8(list([])), show_paths, "t/x, t/y"),
    ]
}

fn clashes() -> Vec<Case> {
    let ok = |name, list: &[&[&str]], expected| Case::accepted(name, paths(list), show_paths, expected);
    vec![
        ok("files_of_one_path", &[&["a.txt"], &["a.txt"], &["a.txt"]], "t/a.txt, t/a (1).txt, t/a (2).txt"),
        ok("files_that_differ_in_case", &[&["A"], &["a"]], "t/A, t/a (1)"),
        ok("files_that_differ_in_folding", &[&["straße"], &["STRASSE"]], "t/straße, t/STRASSE (1)"),
        ok("files_that_differ_in_normalisation", &[&["é"], &["e\u{301}"]], "t/é, t/e\u{301} (1)"),
        ok("files_that_differ_in_invisible_joiner", &[&["ab"], &["a\u{200d}b"]], "t/ab, t/a\u{200d}b (1)"),
        ok("files_that_sanitise_alike", &[&["a/b"], &["a\\b"]], "t/a_b, t/a_b (1)"),
        ok("file_called_like_a_suffix", &[&["a (1)"], &["a"], &["a"]], "t/a (1), t/a, t/a (2)"),
        ok("directory_where_a_file_is", &[&["a"], &["a", "b"]], "t/a, t/a (1)/b"),
        ok("file_where_a_directory_is", &[&["a", "b"], &["a"]], "t/a/b, t/a (1)"),
        ok("directories_that_differ_in_case", &[&["D", "x"], &["d", "x"]], "t/D/x, t/d (1)/x"),
        Case::accepted(
            "files_not_utf8_that_map_alike",
            paths([[&b"a\xff"[..]], [&b"a\xfe"[..]]]),
            show_paths,
            "t/a\u{fffd}, t/a\u{fffd} (1)",
        ),
        Case::refused("files_of_one_path_502_times", paths(vec![["same"]; 502]), "info.files[501]: "),
    ]
}

/// A torrent of `x` and of a link `l` to `target`, both in directory `d`.
fn link(target: &[&str]) -> Vec<u8> {
    let target: Vec<Value> = target.iter().map(text).collect();
    many(|i| {
        *at(i, &["files", "0", "path"]) = list([text("d"), text("x")]);
        *at(i, &["files", "1"]) = dict([
            ("attr", text("l")),
            ("path", list([text("d"), text("l")])),
            ("symlink path", Value::List(target)),
        ]);
    })
}

fn links() -> Vec<Case> {
    let ok = |name, target: &[&str], expected| Case::accepted(name, link(target), show_links, expected);
    vec![
        ok("link", &["d", "x"], "t/d/l -> t/d/x"),
        ok("link_out_of_the_torrent", &["..", "..", "etc", "passwd"], "t/d/l -> nothing"),
        ok("link_absolute", &["", "etc", "passwd"], "t/d/l -> nothing"),
        ok("link_absolute_in_one_component", &["/etc/passwd"], "t/d/l -> nothing"),
        ok("link_to_nothing", &[], "t/d/l -> nothing"),
        ok("link_to_a_missing_file", &["d", "y"], "t/d/l -> nothing"),
        ok("link_to_itself", &["d", "l"], "t/d/l -> nothing"),
        ok("link_to_its_directory", &["d"], "t/d/l -> nothing"),
        Case::accepted(
            "link_by_way_of_a_link",
            many(|i| {
                let path = |path: &str| Value::List(path.split('/').map(text).collect());
                let link =
                    |from, to| dict([("attr", text("l")), ("path", path(from)), ("symlink path", path(to))]);
                let file = dict([("length", int(1)), ("path", path("V/A/f"))]);
                *at(i, &["files"]) = list([link("f", "V/Current/f"), file, link("V/Current", "V/A")]);
            }),
            show_links,
            "t/f -> t/V/A/f, t/V/Current -> t/V/A",
        ),
        Case::accepted(
            "links_in_a_circle",
            many(|i| {
                let link = |name, to| {
                    dict([
                        ("attr", text("l")),
                        ("path", list([text(name)])),
                        ("symlink path", list([text(to)])),
                    ])
                };
                *at(i, &["files"]) = list([link("a", "b"), link("b", "a"), at(i, &["files", "0"]).clone()]);
            }),
            show_links,
            "t/a -> nothing, t/b -> nothing",
        ),
        Case::accepted(
            "file_below_a_link",
            many(|i| {
                *at(i, &["files", "1"]) = dict([
                    ("attr", text("l")),
                    ("path", list([text("l")])),
                    ("symlink path", list([text("x")])),
                ]);
                let below = dict([("length", int(1)), ("path", list([text("l"), text("z")]))]);
                let Value::List(files) = at(i, &["files"]) else { unreachable!() };
                files.push(below);
            }),
            show_paths,
            "t/x, t/l, t/l (1)/z",
        ),
        Case::refused(
            "link_target_is_a_string",
            many(|i| {
                at(i, &["files", "1"]).insert("attr", "l");
                at(i, &["files", "1"]).insert("symlink path", "x");
            }),
            "info.files[1].symlink path: ",
        ),
        Case::refused(
            "link_target_of_an_integer",
            many(|i| {
                at(i, &["files", "1"]).insert("attr", "l");
                at(i, &["files", "1"]).insert("symlink path", list([int(1)]));
            }),
            "info.files[1].symlink path[0]: ",
        ),
        Case::accepted(
            "link_without_target",
            many(|i| drop(at(i, &["files", "1"]).insert("attr", "l"))),
            show_lens,
            "t/x (5), t/y (6)",
        ),
        Case::accepted(
            "link_with_a_length",
            many(|i| {
                at(i, &["files", "1"]).insert("attr", "l");
                at(i, &["files", "1"]).insert("symlink path", list([text("x")]));
            }),
            show_lens,
            "t/x (5), t/y (0)",
        ),
    ]
}
