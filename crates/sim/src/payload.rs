//! A torrent made from a seed: its payload and its metainfo.

use std::collections::BTreeMap;
use std::sync::Arc;

use bencode::Encoder;
use metainfo::{Info, Limits, Metainfo, Version, merkle};
use types::{BLOCK_LEN, PieceIndex, Rng};

/// What a torrent is to look like.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) version: Version,
    pub(crate) piece_len: u32,
    /// Lengths of its files, in bytes; none is 0.
    pub(crate) files: Vec<u64>,
    /// Peers are named by its tracker alone (BEP 27).
    pub(crate) private: bool,
}

impl Shape {
    /// A v1 torrent of one file.
    pub(crate) fn one_file(len: u64, piece_len: u32) -> Shape {
        Shape { version: Version::V1, piece_len, files: vec![len], private: false }
    }
}

/// The original that every copy is compared with.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) info: Arc<Info>,
    /// The payload space; gaps and padding are zeros.
    bytes: Vec<u8>,
}

impl Payload {
    pub(crate) fn new(shape: &Shape, rng: &mut Rng) -> Payload {
        let starts = starts(shape);
        let end = starts.last().zip(shape.files.last()).map_or(0, |(start, len)| start + len);
        let mut bytes = vec![0; end as usize];
        for (start, len) in starts.iter().zip(&shape.files) {
            fill(&mut bytes[*start as usize..(start + len) as usize], rng.next_u64());
        }
        let file = metainfo_of(shape, &starts, &bytes);
        let metainfo =
            Metainfo::from_bytes(&file, &Limits::default()).expect("the torrent is made by the book");
        Payload { info: Arc::new(metainfo.into_info()), bytes }
    }

    /// The length of the payload space, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes from `at`; nothing where they do not exist.
    pub(crate) fn get(&self, at: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..at.checked_add(len)?)
    }

    /// The bytes of a piece.
    pub(crate) fn piece(&self, piece: PieceIndex) -> &[u8] {
        let range = self.info.geometry().piece_range(piece);
        &self.bytes[range.start as usize..range.end as usize]
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where each file begins: v2 files at a piece boundary.
fn starts(shape: &Shape) -> Vec<u64> {
    let align = if shape.version.has_v2() { u64::from(shape.piece_len) } else { 1 };
    let place = |at: &mut u64, len: &u64| {
        let start = at.next_multiple_of(align);
        *at = start + len;
        Some(start)
    };
    shape.files.iter().scan(0, place).collect()
}

/// Bytes that look random and cost little (splitmix64).
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
    }
}

/// The merkle tree of one file.
struct Tree {
    root: merkle::Hash,
    layer: Vec<merkle::Hash>,
}

fn tree(data: &[u8], piece_len: u32) -> Tree {
    let leaves: Vec<merkle::Hash> = data.chunks(BLOCK_LEN as usize).map(hash::sha256).collect();
    let per_piece = (piece_len / BLOCK_LEN) as usize;
    if leaves.len() <= per_piece {
        return Tree { root: merkle::root_of_blocks(&leaves), layer: Vec::new() };
    }
    let level = merkle::piece_level(piece_len);
    let layer: Vec<merkle::Hash> =
        leaves.chunks(per_piece).map(|run| merkle::reduce(run, 0, level)).collect();
    Tree { root: merkle::root_of_layer(&layer, piece_len), layer }
}

const NAME: &str = "payload";

fn file_name(shape: &Shape, n: usize) -> String {
    if shape.files.len() == 1 { NAME.to_owned() } else { format!("file {n:04}") }
}

fn metainfo_of(shape: &Shape, starts: &[u64], bytes: &[u8]) -> Vec<u8> {
    let slice = |n: usize| &bytes[starts[n] as usize..(starts[n] + shape.files[n]) as usize];
    let trees: Vec<Tree> = match shape.version.has_v2() {
        true => (0..starts.len()).map(|n| tree(slice(n), shape.piece_len)).collect(),
        false => Vec::new(),
    };
    let mut out = Encoder::new();
    out.begin_dict().key("info").begin_dict();
    if shape.version.has_v2() {
        out.key("file tree").begin_dict();
        for (n, tree) in trees.iter().enumerate() {
            out.key(file_name(shape, n)).begin_dict().key("").begin_dict();
            out.key("length").uint(shape.files[n]).key("pieces root").bytes(tree.root);
            out.end().end();
        }
        out.end();
    }
    v1_files(shape, starts, &mut out);
    if shape.version.has_v2() {
        out.key("meta version").int(2);
    }
    out.key("name").bytes(NAME).key("piece length").uint(shape.piece_len.into());
    if shape.version.has_v1() {
        let pieces: Vec<u8> = bytes.chunks(shape.piece_len as usize).flat_map(hash::sha1).collect();
        out.key("pieces").bytes(pieces);
    }
    if shape.private {
        out.key("private").int(1);
    }
    out.end();
    let layers: BTreeMap<merkle::Hash, Vec<u8>> =
        trees.into_iter().filter(|t| !t.layer.is_empty()).map(|t| (t.root, t.layer.concat())).collect();
    if shape.version.has_v2() {
        out.key("piece layers").begin_dict();
        layers.iter().for_each(|(root, layer)| {
            out.key(root).bytes(layer);
        });
        out.end();
    }
    out.end();
    out.finish().expect("keys ascend and every container is closed")
}

/// `files` or `length` of a v1 or hybrid torrent, with padding files up to where the next file begins (BEP 47).
fn v1_files(shape: &Shape, starts: &[u64], out: &mut Encoder) {
    if !shape.version.has_v1() {
        return;
    }
    if let [only] = shape.files[..] {
        out.key("length").uint(only);
        return;
    }
    out.key("files").begin_list();
    for (n, len) in shape.files.iter().enumerate() {
        out.begin_dict().key("length").uint(*len);
        out.key("path").begin_list().bytes(file_name(shape, n)).end().end();
        let pad = starts.get(n + 1).map_or(0, |next| next - starts[n] - len);
        if pad > 0 {
            out.begin_dict().key("attr").bytes("p").key("length").uint(pad);
            out.key("path").begin_list().bytes(".pad").bytes(pad.to_string()).end().end();
        }
    }
    out.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_the_hashes_of_its_payload() {
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let shape = Shape {
                version,
                piece_len: 32 << 10,
                files: vec![100_000, 1, 16_384, 70_001],
                private: false,
            };
            let payload = Payload::new(&shape, &mut Rng::from_number(3));
            assert_eq!(payload.info.version(), version);
            assert_eq!(payload.info.obstacle(), None);
            assert_eq!(payload.info.layout().total_len(), payload.len());
            for piece in payload.info.geometry().piece_indexes() {
                let expected = payload.info.piece_hash(piece);
                assert_eq!(expected.v1().is_some(), version.has_v1());
                if let Some(v1) = expected.v1() {
                    assert_eq!(*v1, hash::sha1(payload.piece(piece)));
                }
            }
        }
    }
}
