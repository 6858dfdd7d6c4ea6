//! Whole torrents, built by hand, read back.

use bencode::Value;
use riverrun_metainfo::{
    ErrorKind, Expected, FileIndex, Info, Limits, Metainfo, Obstacle, Place, Version, edit::InfoEdit, merkle,
};
use types::{InfoHash, InfoHashV2, InfoHashes, PieceIndex};

const K16: usize = 16_384;

fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let mut out = Value::dict();
    for (key, value) in entries {
        out.insert(key, value);
    }
    out
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.to_vec())
}

fn read(value: &Value) -> Metainfo {
    Metainfo::from_bytes(&value.encode(), &Limits::default()).unwrap()
}

fn leaf(data: &[u8]) -> [u8; 32] {
    hash::sha256(data)
}

fn leaves(data: &[u8]) -> Vec<[u8; 32]> {
    data.chunks(K16).map(leaf).collect()
}

/// Two files, 40 000 and 5 bytes, in pieces of 32 KiB.
fn v2() -> (Value, Vec<u8>, [[u8; 32]; 2]) {
    let data: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8).collect();
    let layer =
        [merkle::reduce(&leaves(&data[..2 * K16]), 0, 1), merkle::reduce(&leaves(&data[2 * K16..]), 0, 1)];
    let root = merkle::root_of_layer(&layer, 2 * K16 as u32);
    let file = |len: i64, root: [u8; 32]| {
        dict([("", dict([("length", len.into()), ("pieces root", (&root).into())]))])
    };
    let mut layers = Value::dict();
    layers.insert(root, Value::bytes(layer.concat()));
    let tree = dict([("a.bin", file(40_000, root)), ("dir", dict([("b", file(5, leaf(b"hello")))]))]);
    let info = dict([
        ("file tree", tree),
        ("meta version", 2i64.into()),
        ("name", "two".into()),
        ("piece length", 32_768i64.into()),
    ]);
    (dict([("info", info), ("piece layers", layers)]), data, layer)
}

#[test]
fn a_v1_torrent_of_many_files() {
    let file = |len: i64, path: Value| dict([("length", len.into()), ("path", path)]);
    let info = dict([
        ("files", list([file(20_000, list(["x".into(), "y".into()])), file(10, list(["z".into()]))])),
        ("name", "many".into()),
        ("piece length", 16_384i64.into()),
        ("pieces", Value::bytes([7; 40])),
        ("private", 1i64.into()),
        ("source", "SRC".into()),
    ]);
    let torrent = read(&dict([
        ("announce", " http://t/announce ".into()),
        (
            "announce-list",
            list([list(["udp://a:1".into(), "udp://a:1".into()]), list([]), list(["udp://b:2".into()])]),
        ),
        ("creation date", "1700000000".into()),
        ("info", info.clone()),
        ("nodes", list([list(["h".into(), 6881i64.into()]), "[::1]:7".into(), "bad".into()])),
        ("unknown", list([1i64.into()])),
        ("url-list", "http://w/".into()),
    ]));
    let read = torrent.info();
    assert_eq!(read.info_hashes().get_v1(), Some(InfoHash(hash::sha1(&info.encode()))));
    assert_eq!((read.version(), read.name(), read.is_single_file()), (Version::V1, "many", false));
    assert!(read.is_private() && read.has_piece_layers() && read.obstacle().is_none());
    assert_eq!(read.source(), Some("SRC"));
    let paths: Vec<_> = read.files().iter().map(|f| (f.path(), f.offset(), f.len())).collect();
    assert_eq!(paths, [("many/x/y", 0, 20_000), ("many/z", 20_000, 10)]);
    assert_eq!(read.geometry().pieces(), 2);
    assert_eq!(read.piece_hash(PieceIndex(1)).v1(), Some(&[7; 20]));
    assert_eq!(read.piece_hash(PieceIndex(2)).v1(), None);
    assert_eq!(torrent.announce(), Some("http://t/announce"));
    assert_eq!(torrent.tiers(), [["udp://a:1"], ["udp://b:2"]]);
    assert_eq!(torrent.web_seeds(), ["http://w/"]);
    assert_eq!(torrent.creation_date(), Some(1_700_000_000));
    assert_eq!(
        torrent.nodes().iter().map(|n| (&*n.host, n.port)).collect::<Vec<_>>(),
        [("h", 6881), ("::1", 7)]
    );
    assert_eq!(
        torrent.warnings().iter().next().unwrap().to_string().split(", at").next(),
        Some("nodes[2]: ignored, as it is not a pair of host and port")
    );
    assert!(torrent.to_bytes().windows(14).any(|w| w == b"7:unknownli1ee"));
}

#[test]
fn a_v2_torrent_aligns_its_files_and_its_last_pieces_are_short() {
    let (value, data, layer) = v2();
    let torrent = read(&value);
    let info = torrent.info();
    assert_eq!(info.version(), Version::V2);
    assert!(info.has_piece_layers());
    assert_eq!(info.info_hashes().get_v1(), None);
    let lens: Vec<_> = info.geometry().piece_indexes().map(|p| info.piece_len_of(p)).collect();
    assert_eq!(lens, [32_768, 7_232, 5]);
    assert_eq!(info.geometry().total_len(), 65_541);
    assert_eq!(info.layout().file_range(FileIndex(1)), 65_536..65_541);
    assert_eq!(info.layout().extents(40_000..65_536).map(|e| e.place).collect::<Vec<_>>(), [Place::Zeros]);
    let expected: Vec<Expected> = info.geometry().piece_indexes().map(|p| info.piece_hash(p)).collect();
    assert_eq!(expected[1].v2().unwrap().hash(), &layer[1]);
    assert_eq!((expected[1].v2().unwrap().leaves(), expected[1].v2().unwrap().leaf_len(0)), (1, 7_232));
    assert!(expected[0].verify(None, Some(&leaves(&data[..2 * K16]))).is_ok());
    assert!(expected[1].verify(None, Some(&leaves(&data[2 * K16..]))).is_ok());
    assert!(expected[2].verify(None, Some(&[leaf(b"hello")])).is_ok());
    assert!(expected[2].verify(None, Some(&[leaf(b"hellp")])).is_err());
    assert_eq!(torrent.to_bytes(), value.encode());
}

#[test]
fn piece_layers_may_come_later() {
    let (mut value, _, layer) = v2();
    value.remove("piece layers");
    let mut info = read(&value).into_info();
    assert_eq!(info.obstacle(), Some(Obstacle::PieceLayers));
    assert_eq!(info.missing_piece_layers().collect::<Vec<_>>(), [FileIndex(0)]);
    assert!(!info.piece_hash(PieceIndex(0)).is_known() && info.piece_hash(PieceIndex(2)).is_known());
    let root = *info.files()[0].root().unwrap();
    assert!(info.add_piece_layer(&root, &[0; 64]).is_err());
    assert!(info.add_piece_layer(&root, &[0; 63]).is_err());
    assert!(info.add_piece_layer(&[9; 32], &[0; 64]).is_err());
    info.add_piece_layer(&root, layer.as_flattened()).unwrap();
    assert!(info.has_piece_layers() && info.piece_hash(PieceIndex(0)).is_known());
}

#[test]
fn edits_keep_what_they_do_not_touch() {
    let (mut value, ..) = v2();
    value.insert("zzz", 9i64);
    let mut torrent = read(&value);
    torrent.set_tiers(&[vec!["http://a/".into(), "http://b/".into()], vec![], vec!["http://c/".into()]]);
    torrent.set_comment(Some("note"));
    torrent.set_web_seeds(&["http://w/".into()]);
    let again = Metainfo::from_bytes(&torrent.to_bytes(), &Limits::default()).unwrap();
    assert_eq!(again.info_hashes(), torrent.info_hashes());
    assert_eq!(again.announce(), Some("http://a/"));
    assert_eq!(again.tiers(), torrent.tiers());
    assert_eq!(again.comment(), Some("note"));
    assert!(again.outer_keys().any(|(key, value)| key == b"zzz" && value == b"i9e"));
    torrent.set_tiers(&[]);
    torrent.set_comment(None);
    torrent.set_web_seeds(&[]);
    assert_eq!(torrent.to_bytes(), value.encode());
    let other =
        torrent.with_info_edit(&InfoEdit::new().private(true).source(Some("S")), &Limits::default()).unwrap();
    assert!(other.info().is_private() && other.info().has_piece_layers());
    assert_ne!(other.info_hashes(), torrent.info_hashes());
    let back =
        other.with_info_edit(&InfoEdit::new().private(false).source(None), &Limits::default()).unwrap();
    assert_eq!(back.info_hashes(), torrent.info_hashes());
}

#[test]
fn what_peers_send_must_be_what_was_asked_for() {
    let limits = Limits::default();
    let v2 = read(&v2().0).into_info();
    let raw = v2.raw();
    let (sha1, sha256) = (InfoHash(hash::sha1(raw)), InfoHashV2(hash::sha256(raw)));
    let wrong = |wanted: InfoHashes| {
        Info::from_peers(raw, &wanted, &limits).unwrap_err().kind == ErrorKind::WrongHash
    };
    assert!(Info::from_peers(raw, &InfoHashes::v2(sha256), &limits).is_ok());
    // The short form, of which nobody knows that it is one.
    assert!(Info::from_peers(raw, &InfoHashes::v1(sha256.truncated()), &limits).is_ok());
    assert!(wrong(InfoHashes::v1(InfoHash([0; 20]))));
    assert!(wrong(InfoHashes::v2(InfoHashV2([0; 32]))));
    assert!(wrong(InfoHashes::hybrid(InfoHash([0; 20]), sha256)));
    // The SHA-1 of a torrent without a v1 part names nothing.
    assert!(wrong(InfoHashes::v1(sha1)) && wrong(InfoHashes::hybrid(sha1, sha256)));
}

#[test]
fn renaming_a_single_file_renames_it_in_every_version() {
    let leaf = dict([("", dict([("length", 5i64.into()), ("pieces root", (&leaf(b"hello")).into())]))]);
    let info = dict([
        ("file tree", dict([("a", leaf)])),
        ("length", 5i64.into()),
        ("meta version", 2i64.into()),
        ("name", "a".into()),
        ("piece length", 16_384i64.into()),
        ("pieces", Value::bytes([7; 20])),
    ]);
    let torrent = read(&dict([("info", info), ("piece layers", dict([]))]));
    let renamed = torrent.with_info_edit(&InfoEdit::new().name("b.txt"), &Limits::default()).unwrap();
    assert_eq!(renamed.info().files()[0].path(), "b.txt");
    assert!(renamed.info().is_single_file() && renamed.info().version() == Version::Hybrid);
    assert_eq!(renamed.info().files()[0].root(), torrent.info().files()[0].root());
}
