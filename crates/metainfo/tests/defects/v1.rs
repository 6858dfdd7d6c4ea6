//! Defects of v1 info dictionaries.

use super::Case;
use super::base::*;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = keys();
    cases.extend(pieces());
    cases.extend(files());
    cases.extend(flags());
    cases
}

fn keys() -> Vec<Case> {
    vec![
        Case::refused("info_missing", outer(|t| drop(t.remove("info"))), "info: "),
        Case::refused("info_is_a_string", outer(|t| *at(t, &["info"]) = text("x")), "info: "),
        Case::refused("info_is_a_list", outer(|t| *at(t, &["info"]) = list([])), "info: "),
        Case::refused("info_is_empty", outer(|t| *at(t, &["info"]) = dict([])), "info.name: "),
        Case::refused("name_missing", single(|i| drop(i.remove("name"))), "info.name: "),
        Case::refused("name_is_an_integer", single(|i| *at(i, &["name"]) = int(1)), "info.name: "),
        Case::refused("name_is_a_list", single(|i| *at(i, &["name"]) = list([text("a")])), "info.name: "),
        Case::refused(
            "piece_length_missing",
            single(|i| drop(i.remove("piece length"))),
            "info.piece length: ",
        ),
        Case::refused(
            "piece_length_is_a_string",
            single(|i| *at(i, &["piece length"]) = text("16384")),
            "info.piece length: ",
        ),
        Case::refused(
            "piece_length_zero",
            single(|i| *at(i, &["piece length"]) = int(0)),
            "info.piece length: ",
        ),
        Case::refused(
            "piece_length_negative",
            single(|i| *at(i, &["piece length"]) = int(-1)),
            "info.piece length: ",
        ),
        Case::refused(
            "piece_length_over_512_mib",
            single(|i| *at(i, &["piece length"]) = int((512 << 20) + 1)),
            "info.piece length: ",
        ),
        Case::refused(
            "piece_length_over_4_gib",
            single(|i| *at(i, &["piece length"]) = int((1 << 32) + 16_384)),
            "info.piece length: ",
        ),
        Case::accepted(
            "piece_length_512_mib",
            single(|i| *at(i, &["piece length"]) = int(512 << 20)),
            show_pieces,
            "1 pieces of 536870912 bytes",
        ),
        Case::accepted(
            "piece_length_odd",
            single(|i| *at(i, &["piece length"]) = int(12_345)),
            show_pieces,
            "1 pieces of 12345 bytes",
        ),
    ]
}

fn pieces() -> Vec<Case> {
    let with = |len: usize| single(|i| *at(i, &["pieces"]) = text(vec![7; len]));
    let root_hash = |len: usize| {
        single(|i| {
            i.remove("pieces");
            i.insert("root hash", text(vec![3; len]));
        })
    };
    let len = |len: i64| single(|i| *at(i, &["length"]) = int(len));
    vec![
        Case::refused("pieces_missing", single(|i| drop(i.remove("pieces"))), "info.pieces: "),
        Case::refused("pieces_is_an_integer", single(|i| *at(i, &["pieces"]) = int(1)), "info.pieces: "),
        Case::refused("pieces_is_a_list", single(|i| *at(i, &["pieces"]) = list([])), "info.pieces: "),
        Case::refused("pieces_empty", with(0), "info.pieces: "),
        Case::refused("pieces_not_a_multiple_of_20", with(21), "info.pieces: "),
        Case::refused(
            "pieces_too_few",
            many(|i| *at(i, &["files", "0", "length"]) = int(20_000)),
            "info.pieces: ",
        ),
        Case::refused("pieces_too_many", with(40), "info.pieces: "),
        Case::accepted(
            "merkle_torrent",
            root_hash(20),
            show_obstacle,
            "this is a merkle torrent of BEP 30, whose pieces cannot be checked",
        ),
        Case::refused("merkle_root_too_short", root_hash(19), "info.root hash: "),
        Case::refused("length_missing", single(|i| drop(i.remove("length"))), "info.length: "),
        Case::refused("length_is_a_string", single(|i| *at(i, &["length"]) = text("5")), "info.length: "),
        Case::refused("length_negative", len(-5), "info.length: "),
        Case::refused("length_zero", len(0), "info: "),
        Case::refused("length_over_2_to_48", len((1 << 48) + 1), "info.length: "),
        Case::refused("length_most_of_an_i64", len(i64::MAX), "info.length: "),
        Case::refused("pieces_over_2_million", len(1 << 40), "info: "),
    ]
}

fn files() -> Vec<Case> {
    let set = |path: &'static [&'static str], value| many(move |i| *at(i, path) = value);
    let drop_key = |key: &'static str| many(move |i| drop(at(i, &["files", "1"]).remove(key)));
    vec![
        Case::refused("files_is_an_integer", set(&["files"], int(1)), "info.files: "),
        Case::refused("files_is_a_dictionary", set(&["files"], dict([])), "info.files: "),
        Case::refused("files_empty", set(&["files"], list([])), "info.files: "),
        Case::refused("file_is_a_string", set(&["files", "1"], text("y")), "info.files[1]: "),
        Case::refused("file_empty", set(&["files", "1"], dict([])), "info.files[1].path: "),
        Case::refused("file_path_missing", drop_key("path"), "info.files[1].path: "),
        Case::refused(
            "file_path_is_a_string",
            set(&["files", "1", "path"], text("y")),
            "info.files[1].path: ",
        ),
        Case::refused("file_path_empty", set(&["files", "1", "path"], list([])), "info.files[1].path: "),
        Case::refused(
            "file_path_of_an_integer",
            set(&["files", "1", "path"], list([text("d"), int(1)])),
            "info.files[1].path[1]: ",
        ),
        Case::refused("file_length_missing", drop_key("length"), "info.files[1].length: "),
        Case::refused(
            "file_length_negative",
            set(&["files", "1", "length"], int(-1)),
            "info.files[1].length: ",
        ),
        Case::refused(
            "file_length_is_a_string",
            set(&["files", "1", "length"], text("6")),
            "info.files[1].length: ",
        ),
        Case::refused(
            "file_length_over_2_to_48",
            set(&["files", "1", "length"], int(1 << 49)),
            "info.files[1].length: ",
        ),
        Case::refused(
            "file_lengths_together_over_2_to_48",
            set(&["files", "1", "length"], int(1 << 48)),
            "info: ",
        ),
        Case::refused(
            "files_all_empty",
            many(|i| {
                *at(i, &["files", "0", "length"]) = int(0);
                *at(i, &["files", "1", "length"]) = int(0);
            }),
            "info: ",
        ),
        Case::accepted(
            "file_empty_among_others",
            set(&["files", "0", "length"], int(0)),
            show_lens,
            "t/x (0), t/y (6)",
        ),
        Case::accepted(
            "both_files_and_length",
            many(|i| drop(i.insert("length", 5i64))),
            show_lens,
            "t/x (5), t/y (6)",
        ),
        Case::accepted(
            "file_tree_without_meta_version",
            many(|i| drop(i.insert("file tree", dict([])))),
            show_version,
            "V1",
        ),
    ]
}

fn flags() -> Vec<Case> {
    let private = |value| single(move |i| drop(i.insert("private", value)));
    let attr = |value| many(move |i| drop(at(i, &["files", "0"]).insert("attr", value)));
    let meta = |value| single(move |i| drop(i.insert("meta version", value)));
    vec![
        Case::accepted("private_zero", private(int(0)), show_private, "private: false"),
        Case::accepted("private_two", private(int(2)), show_private, "private: true"),
        Case::accepted("private_negative", private(int(-1)), show_private, "private: true"),
        Case::accepted("private_is_a_string", private(text("1")), show_private, "private: true"),
        Case::accepted("attr_is_an_integer", attr(int(1)), show_lens, "t/x (5), t/y (6)"),
        Case::accepted("attr_of_unknown_letters", attr(text("qz")), show_lens, "t/x (5), t/y (6)"),
        Case::accepted("padding", attr(text("p")), show_lens, "t/x (5 of padding), t/y (6)"),
        Case::accepted(
            "padding_without_path",
            many(|i| {
                at(i, &["files", "0"]).insert("attr", "p");
                at(i, &["files", "0"]).remove("path");
            }),
            show_lens,
            "t/.pad (5 of padding), t/y (6)",
        ),
        Case::accepted(
            "padding_of_bitcomet",
            many(|i| *at(i, &["files", "0", "path"]) = list([text("_____padding_file_0_x")])),
            show_lens,
            "t/_____padding_file_0_x (5 of padding), t/y (6)",
        ),
        Case::refused(
            "padding_alone",
            many(|i| {
                at(i, &["files", "0"]).insert("attr", "p");
                at(i, &["files", "1"]).insert("attr", "p");
            }),
            "info: ",
        ),
        Case::accepted("meta_version_1", meta(int(1)), show_version, "V1"),
        Case::refused("meta_version_0", meta(int(0)), "info.meta version: "),
        Case::refused("meta_version_3", meta(int(3)), "info.meta version: "),
        Case::refused("meta_version_is_a_string", meta(text("2")), "info.meta version: "),
        Case::refused("meta_version_2_without_file_tree", meta(int(2)), "info.file tree: "),
    ]
}
