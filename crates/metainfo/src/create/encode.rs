//! The canonical bencode of a new torrent.

use bencode::Value;

use crate::create::builder::{Builder, Entry, Outer};
use crate::encoded::encode_dict;
use crate::file::Attributes;
use crate::merkle::Hash;
use crate::outer::Node;

/// The info dictionary. Lengths fit an `i64`, as the limits are far below.
pub(crate) fn info(
    builder: &Builder,
    files: &[Entry],
    roots: &[Option<Hash>],
    piece_len: u32,
    pieces: Option<&[u8]>,
) -> Vec<u8> {
    let mut info = Value::dict();
    if let Some(pieces) = pieces {
        info.insert("pieces", pieces);
        match files {
            [only] if builder.single => {
                info.insert("length", only.len as i64);
                insert_attr(&mut info, only.attributes);
            }
            _ => {
                info.insert("files", files.iter().map(v1_file).collect::<Vec<_>>());
            }
        }
    }
    if builder.version.has_v2() {
        info.insert("meta version", 2i64);
        info.insert("file tree", tree(builder, files, roots));
    }
    info.insert("name", &*builder.name);
    info.insert("piece length", piece_len);
    if builder.private || builder.write_public {
        info.insert("private", i64::from(builder.private));
    }
    if let Some(source) = &builder.source {
        info.insert("source", &**source);
    }
    info.encode()
}

fn insert_attr(file: &mut Value, attributes: Attributes) {
    let letters = attributes.to_letters();
    if !letters.is_empty() {
        file.insert("attr", letters);
    }
}

fn strings(path: &[Vec<u8>]) -> Vec<Value> {
    path.iter().map(Value::bytes).collect()
}

fn v1_file(file: &Entry) -> Value {
    let mut out = Value::dict();
    insert_attr(&mut out, file.attributes);
    out.insert("length", file.len as i64);
    out.insert("path", strings(&file.path));
    if file.attributes.symlink {
        out.insert("symlink path", strings(&file.symlink));
    }
    out
}

fn tree(builder: &Builder, files: &[Entry], roots: &[Option<Hash>]) -> Value {
    let mut tree = Value::dict();
    for (file, root) in files.iter().zip(roots).filter(|(file, _)| !file.attributes.padding) {
        let mut leaf = Value::dict();
        insert_attr(&mut leaf, file.attributes);
        if file.attributes.symlink {
            leaf.insert("symlink path", strings(&file.symlink));
        } else {
            leaf.insert("length", file.len as i64);
        }
        if let Some(root) = root {
            leaf.insert("pieces root", root);
        }
        let path = if builder.single { std::slice::from_ref(&builder.name) } else { &file.path[..] };
        insert_leaf(&mut tree, path, leaf);
    }
    tree
}

/// Puts a file into a tree. The recursion is as deep as the path, which is bounded.
fn insert_leaf(tree: &mut Value, path: &[Vec<u8>], leaf: Value) {
    let Some((first, rest)) = path.split_first() else {
        tree.insert("", leaf);
        return;
    };
    // A plan has no path that is both a file and a directory, so each step finds a dictionary or nothing.
    if let Some(entries) = tree.as_dict_mut() {
        insert_leaf(entries.entry(first.clone()).or_insert_with(Value::dict), rest, leaf);
    }
}

/// The whole file.
pub(crate) fn metainfo(builder: &Builder, info: Vec<u8>, layers: Vec<(Hash, Vec<u8>)>) -> Vec<u8> {
    let Outer { tiers, web_seeds, nodes, comment, created_by, creation_date } = &builder.outer;
    let mut out = Value::dict();
    let tiers: Vec<_> = tiers.iter().filter(|tier| !tier.is_empty()).collect();
    let list = |urls: &[String]| Value::List(urls.iter().map(|url| url.as_str().into()).collect());
    if let Some(first) = tiers.first() {
        out.insert("announce", &*first[0]);
    }
    if tiers.iter().map(|tier| tier.len()).sum::<usize>() > 1 {
        out.insert("announce-list", tiers.iter().map(|tier| list(tier)).collect::<Vec<_>>());
    }
    if !web_seeds.is_empty() {
        out.insert("url-list", list(web_seeds));
    }
    if !nodes.is_empty() {
        let pair = |node: &Node| Value::List(vec![node.host.as_str().into(), u32::from(node.port).into()]);
        out.insert("nodes", nodes.iter().map(pair).collect::<Vec<_>>());
    }
    for (key, text) in [("comment", comment), ("created by", created_by)] {
        if let Some(text) = text {
            out.insert(key, &**text);
        }
    }
    if let Some(date) = creation_date {
        out.insert("creation date", *date);
    }
    out.insert("info", Value::Raw(info));
    if builder.version.has_v2() {
        let sorted: std::collections::BTreeMap<_, _> = layers.into_iter().collect();
        let values: Vec<_> =
            sorted.iter().map(|(root, layer)| (&root[..], Value::bytes(layer).encode())).collect();
        let layers = encode_dict(values.iter().map(|(root, layer)| (*root, &**layer)));
        out.insert("piece layers", Value::Raw(layers));
    }
    out.encode()
}
