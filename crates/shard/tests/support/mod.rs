//! Torrents made for tests: payloads from a seed, and their info dictionaries of every version.
#![allow(dead_code, reason = "each test binary uses its part")]

use metainfo::{Info, Limits, merkle};
use types::{BLOCK_LEN, Rng};

/// Which hashes a torrent has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    V1,
    V2,
    Hybrid,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::V1, Kind::V2, Kind::Hybrid];

/// Bytes that repeat for the same seed.
pub(crate) fn payload(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::from_number(seed);
    let mut out = Vec::with_capacity(len + 32);
    while out.len() < len {
        out.extend_from_slice(&rng.bytes::<32>());
    }
    out.truncate(len);
    out
}

/// The info dictionary of a torrent of one file.
pub(crate) fn info(kind: Kind, payload: &[u8], piece_len: u32) -> Info {
    let text = |s: &[u8]| [format!("{}:", s.len()).as_bytes(), s].concat();
    let leaves: Vec<_> = payload.chunks(BLOCK_LEN as usize).map(hash::sha256).collect();
    let per_piece = (piece_len / BLOCK_LEN).max(1) as usize;
    let level = merkle::piece_level(piece_len);
    let layer: Vec<_> = leaves.chunks(per_piece).map(|part| merkle::reduce(part, 0, level)).collect();
    let is_long = payload.len() > piece_len as usize;
    let root =
        if is_long { merkle::root_of_layer(&layer, piece_len) } else { merkle::root_of_blocks(&leaves) };
    let mut raw = b"d".to_vec();
    if kind != Kind::V1 {
        let file = format!("d6:lengthi{}e11:pieces root32:", payload.len());
        let tree = [b"9:file treed4:filed0:".as_slice(), file.as_bytes(), &root, b"eee"].concat();
        raw.extend(tree);
    }
    if kind != Kind::V2 {
        raw.extend(format!("6:lengthi{}e", payload.len()).as_bytes());
    }
    if kind != Kind::V1 {
        raw.extend(b"12:meta versioni2e");
    }
    raw.extend(format!("4:name4:file12:piece lengthi{piece_len}e").as_bytes());
    if kind != Kind::V2 {
        let pieces: Vec<u8> = payload.chunks(piece_len as usize).flat_map(hash::sha1).collect();
        raw.extend([b"6:pieces".as_slice(), &text(&pieces)].concat());
    }
    raw.push(b'e');
    let mut info = Info::from_bytes(&raw, &Limits::default()).unwrap();
    if kind != Kind::V1 && is_long {
        info.add_piece_layer(&root, &layer.concat()).unwrap();
    }
    info
}

/// The info dictionary of a v1 torrent whose `files`, `(length, is padding)` each, lie one after the other in
/// `payload`.
pub(crate) fn padded(payload: &[u8], files: &[(usize, bool)], piece_len: u32) -> Info {
    let mut raw = b"d5:filesl".to_vec();
    for (n, (len, padding)) in files.iter().enumerate() {
        let attr = if *padding { "4:attr1:p" } else { "" };
        let name = format!("f{n}");
        raw.extend(format!("d{attr}6:lengthi{len}e4:pathl{}:{name}ee", name.len()).as_bytes());
    }
    raw.extend(format!("e4:name4:many12:piece lengthi{piece_len}e6:pieces").as_bytes());
    let pieces: Vec<u8> = payload.chunks(piece_len as usize).flat_map(hash::sha1).collect();
    raw.extend([format!("{}:", pieces.len()).as_bytes(), &pieces, b"e"].concat());
    Info::from_bytes(&raw, &Limits::default()).unwrap()
}
