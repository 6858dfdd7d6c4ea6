//! Defects of v2 and hybrid torrents.

use bencode::Value;

use super::Case;
use super::base::*;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = trees();
    cases.extend(leaves());
    cases.extend(names());
    cases.extend(layers());
    cases.extend(hybrids());
    cases
}

fn tree(value: Value) -> Vec<u8> {
    v2(|t| *at(t, &["info", "file tree"]) = value)
}

/// A file tree of entries in the order given.
fn raw_tree(entries: &[&str]) -> Vec<u8> {
    let leaf = leaf(5, [9; 32]).encode();
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|name| [format!("{}:{name}", name.len()).as_bytes(), &leaf].concat())
        .collect();
    tree(Value::Raw([b"d", &*entries, b"e"].concat()))
}

fn trees() -> Vec<Case> {
    let deep = |depth| (0..depth).fold(leaf(5, [9; 32]), |tree, _| dict([("d", tree)]));
    vec![
        Case::refused("v2_file_tree_is_a_list", tree(list([])), "info.file tree: "),
        Case::refused("v2_file_tree_empty", tree(dict([])), "info.file tree: "),
        Case::refused("v2_file_without_name", tree(leaf(5, [9; 32])), "info.file tree.\"\": "),
        Case::refused("v2_entry_is_a_string", tree(dict([("a", text("x"))])), "info.file tree.a: "),
        Case::refused("v2_directory_empty", tree(dict([("a", dict([]))])), "info.file tree.a: "),
        Case::refused(
            "v2_entry_both_file_and_directory",
            v2(|t| drop(at(t, &["info", "file tree", "a.bin"]).insert("z", leaf(5, [9; 32])))),
            "info.file tree.a.bin: ",
        ),
        Case::refused(
            "v2_file_is_a_string",
            tree(dict([("a", dict([("", text("x"))]))])),
            "info.file tree.a.\"\": ",
        ),
        Case::refused("v2_files_unsorted", raw_tree(&["b", "a"]), "info.file tree.a: "),
        Case::refused("v2_file_twice", raw_tree(&["a", "a"]), "info.file tree.a: "),
        Case::refused("v2_tree_97_deep", tree(deep(97)), "torrent: "),
        Case::accepted(
            "v2_tree_90_deep",
            no_layers(tree(deep(90))),
            |torrent| format!("{} components", torrent.info().files()[0].components().count()),
            "91 components",
        ),
        Case::refused(
            "v2_piece_length_not_a_power_of_two",
            v2(|t| *at(t, &["info", "piece length"]) = int(40_000)),
            "info.piece length: ",
        ),
        Case::refused(
            "v2_piece_length_8_kib",
            v2(|t| *at(t, &["info", "piece length"]) = int(8_192)),
            "info.piece length: ",
        ),
        Case::accepted(
            "v2_with_v1_files_but_no_pieces",
            v2(|t| drop(at(t, &["info"]).insert("files", list([])))),
            show_version,
            "V2",
        ),
    ]
}

fn leaves() -> Vec<Case> {
    let b: &[&str] = &["info", "file tree", "dir", "b", ""];
    let edit = |key: &'static str, value: Value| v2(move |t| drop(at(t, b).insert(key, value)));
    let without = |key: &'static str| v2(move |t| drop(at(t, b).remove(key)));
    vec![
        Case::refused("v2_length_missing", without("length"), "info.file tree.dir.b.\"\".length: "),
        Case::refused("v2_length_negative", edit("length", int(-1)), "info.file tree.dir.b.\"\".length: "),
        Case::refused(
            "v2_length_is_a_string",
            edit("length", text("5")),
            "info.file tree.dir.b.\"\".length: ",
        ),
        Case::refused(
            "v2_length_over_2_to_48",
            edit("length", int(1 << 49)),
            "info.file tree.dir.b.\"\".length: ",
        ),
        Case::refused("v2_pieces_over_2_million", edit("length", int(1 << 47)), "info: "),
        Case::refused("v2_root_missing", without("pieces root"), "info.file tree.dir.b.\"\".pieces root: "),
        Case::refused(
            "v2_root_too_short",
            edit("pieces root", text([9; 31])),
            "info.file tree.dir.b.\"\".pieces root: ",
        ),
        Case::refused(
            "v2_root_is_an_integer",
            edit("pieces root", int(9)),
            "info.file tree.dir.b.\"\".pieces root: ",
        ),
        Case::refused(
            "v2_root_of_zeros",
            edit("pieces root", text([0; 32])),
            "info.file tree.dir.b.\"\".pieces root: ",
        ),
        Case::accepted(
            "v2_root_of_an_empty_file",
            edit("length", int(0)),
            show_lens,
            "t/a.bin (40000), t/dir/b (0)",
        ),
        Case::refused("v2_padding", edit("attr", text("p")), "info.file tree.dir.b.\"\": "),
        Case::refused(
            "v2_single_file_of_padding",
            v2(|t| {
                let mut file = leaf(40_000, root());
                at(&mut file, &[""]).insert("attr", "p");
                *at(t, &["info", "file tree"]) = dict([("t", file)]);
            }),
            "info.file tree.t.\"\": ",
        ),
        Case::accepted(
            "v2_link",
            v2(|t| {
                let leaf = [("attr", text("l")), ("symlink path", list([text("a.bin")]))];
                *at(t, b) = dict(leaf);
            }),
            show_links,
            "t/dir/b -> t/a.bin",
        ),
    ]
}

fn names() -> Vec<Case> {
    let ok = |name, entries: &[&str], expected| {
        Case::accepted(name, no_layers(raw_tree(entries)), show_paths, expected)
    };
    vec![
        ok("v2_name_dot_dot", &[".."], "t/_"),
        ok("v2_name_with_slash", &["a/b"], "t/a_b"),
        ok("v2_names_that_differ_in_case", &["A", "a"], "t/A, t/a (1)"),
        ok("v2_name_of_a_device", &["NUL"], "t/_NUL"),
        ok("v2_single_file", &["t"], "t"),
        Case::accepted(
            "v2_directory_dot_dot",
            no_layers(tree(dict([("..", dict([("x", leaf(5, [9; 32]))]))]))),
            show_paths,
            "t/x",
        ),
        Case::accepted(
            "v2_name_not_utf8",
            no_layers(tree({
                let mut tree = Value::dict();
                tree.insert(b"\xff".to_vec(), leaf(5, [9; 32]));
                tree
            })),
            show_paths,
            "t/\u{fffd}",
        ),
    ]
}

/// Without the layer of `a.bin`, which these trees do not have.
fn no_layers(bytes: Vec<u8>) -> Vec<u8> {
    let options = bencode::Options::lenient().max_depth(200);
    let document = bencode::parse(&bytes, &options).expect("made here");
    // The info dictionary goes over as it is, as some are out of order.
    let info = document.root().get(b"info").expect("made here").raw().to_vec();
    dict([("info", Value::Raw(info)), ("piece layers", dict([]))]).encode()
}

fn layers() -> Vec<Case> {
    let set = |layer: Value| v2(move |t| drop(at(t, &["piece layers"]).insert(root(), layer)));
    let key = "piece layers.f818afd37a6dc3bc92fb44731011277006db4efa6e9023cd7468c02335d22a4d: ";
    let add = |key: Vec<u8>| v2(move |t| drop(at(t, &["piece layers"]).insert(key, text([1; 64]))));
    let missing = "the piece layers of this v2 torrent are missing and must be fetched from peers first";
    vec![
        Case::accepted("v2_layers_missing", v2(|t| drop(t.remove("piece layers"))), show_obstacle, missing),
        Case::accepted(
            "v2_layers_empty",
            v2(|t| *at(t, &["piece layers"]) = dict([])),
            show_obstacle,
            missing,
        ),
        Case::refused("v2_layers_are_a_list", v2(|t| *at(t, &["piece layers"]) = list([])), "piece layers: "),
        Case::refused("v2_layer_is_an_integer", set(int(1)), key),
        Case::refused("v2_layer_too_short", set(text([1; 32])), key),
        Case::refused("v2_layer_too_long", set(text([1; 96])), key),
        Case::refused("v2_layer_not_a_multiple_of_32", set(text([1; 63])), key),
        Case::refused("v2_layer_of_another_root", set(text([1; 64])), key),
        Case::refused("v2_layer_of_no_file", add(vec![5; 32]), "piece layers."),
        Case::refused("v2_layer_key_too_short", add(vec![b'5'; 31]), "piece layers."),
        Case::accepted("v2_layer_of_a_file_of_one_piece", add(vec![9; 32]), show_obstacle, "complete"),
        Case::accepted(
            "layers_in_a_v1_torrent",
            outer(|t| drop(t.insert("piece layers", dict([])))),
            show_version,
            "V1",
        ),
    ]
}

fn hybrids() -> Vec<Case> {
    let file: &[&str] = &["info", "files", "2"];
    let tree = "info.file tree";
    vec![
        Case::accepted(
            "hybrid",
            hybrid(|_| ()),
            show_lens,
            "t/a.bin (40000), t/.pad/25536 (25536 of padding), t/dir/b (5)",
        ),
        Case::refused(
            "hybrid_lengths_differ",
            hybrid(|t| *at(t, file) = dict([("length", int(6)), ("path", list([text("dir"), text("b")]))])),
            tree,
        ),
        Case::refused(
            "hybrid_paths_differ",
            hybrid(|t| drop(at(t, file).insert("path", list([text("b")])))),
            tree,
        ),
        Case::refused(
            "hybrid_order_differs",
            hybrid(|t| {
                let Value::List(files) = at(t, &["info", "files"]) else { unreachable!() };
                files.swap(0, 2);
            }),
            tree,
        ),
        Case::refused(
            "hybrid_v1_file_too_many",
            hybrid(|t| {
                let Value::List(files) = at(t, &["info", "files"]) else { unreachable!() };
                files.push(dict([("length", int(1)), ("path", list([text("z")]))]));
            }),
            tree,
        ),
        Case::refused(
            "hybrid_v2_file_too_many",
            hybrid(|t| drop(at(t, &["info", "file tree"]).insert("z", leaf(1, [8; 32])))),
            tree,
        ),
        Case::refused(
            "hybrid_without_padding",
            hybrid(|t| {
                let Value::List(files) = at(t, &["info", "files"]) else { unreachable!() };
                files.remove(1);
                at(t, &["info"]).insert("pieces", text([7; 40]));
            }),
            "info: ",
        ),
        Case::refused(
            "hybrid_padding_of_another_length",
            hybrid(|t| drop(at(t, &["info", "files", "1"]).insert("length", 25_535i64))),
            "info: ",
        ),
        Case::refused(
            "hybrid_pieces_too_few",
            hybrid(|t| drop(at(t, &["info"]).insert("pieces", text([7; 40])))),
            "info.pieces: ",
        ),
        Case::refused(
            "hybrid_without_files",
            hybrid(|t| drop(at(t, &["info"]).remove("files"))),
            "info.length: ",
        ),
        Case::accepted(
            "hybrid_without_layers",
            hybrid(|t| drop(t.remove("piece layers"))),
            show_obstacle,
            "complete",
        ),
    ]
}
