//! Sound torrents to put defects into, and what to show of a torrent.

use bencode::Value;
use riverrun_metainfo::{Metainfo, merkle};

pub(crate) fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let mut out = Value::dict();
    for (key, value) in entries {
        out.insert(key, value);
    }
    out
}

pub(crate) fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.to_vec())
}

pub(crate) fn text(value: impl AsRef<[u8]>) -> Value {
    Value::bytes(value)
}

pub(crate) fn int(value: i64) -> Value {
    Value::Int(value)
}

/// The value under a path of keys and list indexes, to change it.
pub(crate) fn at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::List(items) => &mut items[step.parse::<usize>().expect("an index")],
        Value::Dict(entries) => entries.entry(step.as_bytes().to_vec()).or_insert_with(Value::dict),
        _ => panic!("no way on at {step}"),
    })
}

fn made(mut value: Value, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    edit(&mut value);
    value.encode()
}

/// A v1 torrent of one file of 5 bytes; `edit` sees its info dictionary.
pub(crate) fn single(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    outer(|torrent| edit(at(torrent, &["info"])))
}

/// The same; `edit` sees the whole.
pub(crate) fn outer(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let info =
        [("length", int(5)), ("name", text("a")), ("piece length", int(16_384)), ("pieces", text([7; 20]))];
    made(dict([("info", dict(info))]), edit)
}

/// A v1 torrent named `t` of two files, `x` of 5 and `y` of 6 bytes; `edit` sees its info dictionary.
pub(crate) fn many(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let file = |name: &str, len| dict([("length", int(len)), ("path", list([text(name)]))]);
    let info = [
        ("files", list([file("x", 5), file("y", 6)])),
        ("name", text("t")),
        ("piece length", int(16_384)),
        ("pieces", text([7; 20])),
    ];
    made(dict([("info", dict(info))]), |torrent| edit(at(torrent, &["info"])))
}

/// A v1 torrent named `t` with a file of one byte for each path.
pub(crate) fn paths<P: AsRef<[C]>, C: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Vec<u8> {
    let file = |path: P| {
        let path = path.as_ref().iter().map(text).collect();
        dict([("length", int(1)), ("path", Value::List(path))])
    };
    let files = paths.into_iter().map(file).collect();
    many(|info| *at(info, &["files"]) = Value::List(files))
}

/// A leaf of a file tree.
pub(crate) fn leaf(len: i64, root: [u8; 32]) -> Value {
    dict([("", dict([("length", int(len)), ("pieces root", text(root))]))])
}

/// The piece layer of `a.bin` below: two pieces of 32 KiB.
pub(crate) fn layer() -> [[u8; 32]; 2] {
    [[1; 32], [2; 32]]
}

pub(crate) fn root() -> [u8; 32] {
    merkle::root_of_layer(&layer(), 32_768)
}

/// A v2 torrent named `t` of `a.bin` with 40 000 bytes, two pieces, and `dir/b` with 5; `edit` sees the whole.
pub(crate) fn v2(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let tree = dict([("a.bin", leaf(40_000, root())), ("dir", dict([("b", leaf(5, [9; 32]))]))]);
    let info =
        [("file tree", tree), ("meta version", int(2)), ("name", text("t")), ("piece length", int(32_768))];
    let mut layers = Value::dict();
    layers.insert(root(), layer().concat());
    made(dict([("info", dict(info)), ("piece layers", layers)]), edit)
}

/// The same as a hybrid.
pub(crate) fn hybrid(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    v2(|torrent| {
        let file = |path: Value, len| dict([("length", int(len)), ("path", path)]);
        let mut pad = file(list([text(".pad"), text("25536")]), 25_536);
        pad.insert("attr", "p");
        let files = list([file(list([text("a.bin")]), 40_000), pad, file(list([text("dir"), text("b")]), 5)]);
        at(torrent, &["info"]).insert("files", files);
        at(torrent, &["info"]).insert("pieces", text([7; 60]));
        edit(torrent);
    })
}

/// The safe paths of all files.
pub(crate) fn show_paths(torrent: &Metainfo) -> String {
    torrent.info().files().iter().map(|f| f.path()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn show_name(torrent: &Metainfo) -> String {
    let name = torrent.info().name();
    if name == torrent.info_hashes().to_string() { "(the info hash)".into() } else { name.to_owned() }
}

pub(crate) fn show_hash(torrent: &Metainfo) -> String {
    format!("info hash {}", torrent.info_hashes())
}

pub(crate) fn show_lens(torrent: &Metainfo) -> String {
    let kind = |f: &riverrun_metainfo::File| if f.is_padding() { " of padding" } else { "" };
    let files = torrent.info().files().iter();
    files.map(|f| format!("{} ({}{})", f.path(), f.len(), kind(f))).collect::<Vec<_>>().join(", ")
}

pub(crate) fn show_links(torrent: &Metainfo) -> String {
    let link = |f: &riverrun_metainfo::File| format!("{} -> {}", f.path(), f.symlink().unwrap_or("nothing"));
    let links = torrent.info().files().iter().filter(|f| f.attributes().symlink);
    links.map(link).collect::<Vec<_>>().join(", ")
}

pub(crate) fn show_pieces(torrent: &Metainfo) -> String {
    let geometry = torrent.info().geometry();
    format!("{} pieces of {} bytes", geometry.pieces(), geometry.nominal_piece_len())
}

pub(crate) fn show_private(torrent: &Metainfo) -> String {
    format!("private: {}", torrent.info().is_private())
}

pub(crate) fn show_obstacle(torrent: &Metainfo) -> String {
    torrent.info().obstacle().map_or("complete".into(), |obstacle| obstacle.to_string())
}

pub(crate) fn show_version(torrent: &Metainfo) -> String {
    format!("{:?}", torrent.info().version())
}

pub(crate) fn show_tiers(torrent: &Metainfo) -> String {
    let tiers: Vec<_> = torrent.tiers().iter().map(|tier| tier.join(" ")).collect();
    tiers.join("; ")
}

pub(crate) fn show_seeds(torrent: &Metainfo) -> String {
    torrent.web_seeds().join(" ")
}

pub(crate) fn show_nodes(torrent: &Metainfo) -> String {
    torrent.nodes().iter().map(|n| format!("{} port {}", n.host, n.port)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn show_notes(torrent: &Metainfo) -> String {
    let Some(date) = torrent.creation_date() else {
        return format!("{:?} by {:?}", torrent.comment(), torrent.created_by());
    };
    format!("created at {date}")
}

pub(crate) fn show_count(torrent: &Metainfo) -> String {
    format!("{} trackers", torrent.tiers().iter().map(Vec::len).sum::<usize>())
}

/// The outer keys that are kept.
pub(crate) fn show_keys(torrent: &Metainfo) -> String {
    let keys =
        torrent.outer_keys().map(|(key, value)| format!("{}={}", key.escape_ascii(), value.escape_ascii()));
    keys.collect::<Vec<_>>().join(" ")
}
