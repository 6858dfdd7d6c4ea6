//! The bytes of a resume file.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bencode::{Node, Options, Value};
use types::{Bitfield, InfoHash, InfoHashV2, InfoHashes, PieceIndex, limits};

use super::{PartialPiece, ResumeData, Whereabouts};
use crate::storage::{FileState, Selection};

const MAGIC: &[u8; 8] = b"RRRESUME";
const VERSION: u32 = 1;
/// Magic, version, length of the body, SHA-256 of the body.
const HEAD: usize = 8 + 4 + 8 + 32;
/// Most bytes of a resume file: a torrent of the most pieces and files that are read, with room.
pub(super) const MAX_LEN: usize = 64 << 20;
/// Most files: more fit no metainfo.
const MAX_FILES: usize = limits::METAINFO_LEN / 8;
/// Most unfinished pieces that are kept.
const MAX_PARTIAL: usize = 1 << 16;

/// Why nothing of a resume file may be believed. The torrent is checked instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// It is no resume file.
    #[error("not a resume file")]
    Magic,
    /// It was written by another version of the format.
    #[error("a resume file of version {found}, where version {VERSION} is read")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It ends too early, or goes on too long: its writing was cut short.
    #[error("a resume file of {found} bytes that should have {expected}")]
    Length {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// It is longer than any torrent needs.
    #[error("a resume file of {found} bytes, over the limit of {MAX_LEN}")]
    TooLong {
        /// Bytes there are.
        found: u64,
    },
    /// Its checksum does not fit: it was damaged.
    #[error("a resume file with a wrong checksum: it was damaged")]
    Checksum,
    /// The checksum fits but the contents make no sense.
    #[error("a resume file that makes no sense: {what}")]
    Shape {
        /// What does not.
        what: &'static str,
    },
    /// It is about another torrent.
    #[error("a resume file of the torrent {found}")]
    OtherTorrent {
        /// The torrent it is about.
        found: InfoHashes,
    },
}

/// The key of the priorities, with the version of its form: one byte for each file, 0 where it is the normal one, else
/// 1 to 7. Another form is another key, so that each version reads what it knows.
const PRIORITIES: &str = "priorities-1";

/// What makes no sense is left out: it costs nothing but the order.
fn decode_priorities(bytes: &[u8], files: usize) -> Vec<(metainfo::FileIndex, u8)> {
    if bytes.len() != files {
        return Vec::new();
    }
    let numbered = (0..).map(metainfo::FileIndex).zip(bytes.iter().copied());
    numbered.filter(|(_, priority)| (1..=7).contains(priority)).collect()
}

fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn encode(data: &ResumeData) -> Vec<u8> {
    let mut body = Value::dict();
    if let Some(v1) = data.hashes.get_v1() {
        body.insert("info-hash", Value::bytes(v1.as_bytes()));
    }
    if let Some(v2) = data.hashes.get_v2() {
        body.insert("info-hash2", Value::bytes(v2.as_bytes()));
    }
    body.insert("pieces", Value::Int(data.have.len().into()));
    body.insert("have", Value::bytes(data.have.as_bytes()));
    let partial = data.partial.iter().take(MAX_PARTIAL).map(|p| {
        let (piece, blocks) = (Value::Int(p.piece.0.into()), Value::Int(p.blocks.len().into()));
        Value::List(vec![piece, blocks, Value::bytes(p.blocks.as_bytes())])
    });
    body.insert("partial", Value::List(partial.collect()));
    body.insert("files", Value::bytes(encode_files(&data.files)));
    // A key of its own: files of earlier versions are read without it.
    let ctimes: Vec<u8> = data.files.iter().flat_map(|file| file.ctime.to_be_bytes()).collect();
    body.insert("ctimes", Value::bytes(ctimes));
    if !data.selection.is_all() {
        let wanted = |n| u8::from(data.selection.wants(metainfo::FileIndex(n as u32)));
        body.insert("wanted", Value::Bytes((0..data.files.len()).map(wanted).collect()));
    }
    if !data.priorities.is_empty() {
        let mut of_files = vec![0; data.files.len()];
        for (file, priority) in &data.priorities {
            if let Some(slot) = of_files.get_mut(file.as_usize()) {
                *slot = *priority;
            }
        }
        body.insert(PRIORITIES, Value::bytes(of_files));
    }
    body.insert("downloaded", number(data.downloaded));
    body.insert("uploaded", number(data.uploaded));
    body.insert("completed", Value::Int(data.completed.into()));
    let tier = |tier: &Vec<String>| Value::List(tier.iter().map(Value::bytes).collect());
    body.insert("trackers", Value::List(data.trackers.iter().map(tier).collect()));
    body.insert("paused", Value::Int(data.paused.into()));
    body.insert("peers", Value::bytes(encode_peers(&data.peers)));
    data.whereabouts.encode(&mut body);
    seal(&body.encode())
}

/// Puts the head before a body.
pub(super) fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + body.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    out.extend_from_slice(&hash::sha256(body));
    out.extend_from_slice(body);
    out
}

/// Bytes of one file's state: flags, size, time of change.
const FILE_STATE: usize = 1 + 8 + 8;

fn encode_files(files: &[FileState]) -> Vec<u8> {
    let mut out = Vec::with_capacity(files.len() * FILE_STATE);
    for file in files {
        out.push(u8::from(file.present) | u8::from(file.in_part_file) << 1);
        out.extend_from_slice(&file.size.to_be_bytes());
        out.extend_from_slice(&file.mtime.to_be_bytes());
    }
    out
}

fn decode_files(bytes: &[u8]) -> Result<Vec<FileState>, ResumeError> {
    let (states, rest) = bytes.as_chunks::<FILE_STATE>();
    if !rest.is_empty() || states.len() > MAX_FILES {
        return Err(ResumeError::Shape { what: "files" });
    }
    let state = |bytes: &[u8; FILE_STATE]| {
        let size = bytes[1..].first_chunk().copied().map_or(0, u64::from_be_bytes);
        let mtime = bytes[9..].first_chunk().copied().map_or(0, i64::from_be_bytes);
        FileState { present: bytes[0] & 1 != 0, in_part_file: bytes[0] & 2 != 0, size, mtime, ctime: 0 }
    };
    Ok(states.iter().map(state).collect())
}

/// Bytes of one address: an IPv6 address, or an IPv4 one mapped into it, and the port.
const PEER: usize = 16 + 2;

fn encode_peers(peers: &[SocketAddr]) -> Vec<u8> {
    let mut out = Vec::new();
    for peer in peers.iter().take(ResumeData::MAX_PEERS) {
        let ip = match peer.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        out.extend_from_slice(&ip.octets());
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
    out
}

/// What makes no sense is left out: it is only a hint.
fn decode_peers(bytes: &[u8]) -> Vec<SocketAddr> {
    let (peers, _) = bytes.as_chunks::<PEER>();
    let peer = |bytes: &[u8; PEER]| {
        let ip = Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_canonical();
        let port = u16::from_be_bytes(*bytes.last_chunk()?);
        (port != 0).then_some(SocketAddr::new(ip, port))
    };
    peers.iter().take(ResumeData::MAX_PEERS).filter_map(peer).collect()
}

/// Checks the head and gives the body.
fn body_of(bytes: &[u8]) -> Result<&[u8], ResumeError> {
    if bytes.len() > MAX_LEN {
        return Err(ResumeError::TooLong { found: bytes.len() as u64 });
    }
    let magic = &bytes[..bytes.len().min(8)];
    if magic != &MAGIC[..magic.len()] || bytes.is_empty() {
        return Err(ResumeError::Magic);
    }
    let short = ResumeError::Length { found: bytes.len() as u64, expected: HEAD as u64 };
    let version = bytes.get(8..12).and_then(|b| b.first_chunk()).ok_or(short.clone())?;
    let version = u32::from_be_bytes(*version);
    if version != VERSION {
        return Err(ResumeError::Version { found: version });
    }
    let (head, body) = bytes.split_at_checked(HEAD).ok_or(short)?;
    let len = head[12..].first_chunk().copied().map_or(0, u64::from_be_bytes);
    if len != body.len() as u64 {
        let (found, expected) = (bytes.len() as u64, len.saturating_add(HEAD as u64));
        return Err(ResumeError::Length { found, expected });
    }
    if hash::sha256(body) != head[20..] {
        return Err(ResumeError::Checksum);
    }
    Ok(body)
}

pub(super) fn decode(bytes: &[u8]) -> Result<ResumeData, ResumeError> {
    let body = body_of(bytes)?;
    let shape = |what| ResumeError::Shape { what };
    let options = Options::strict().max_len(MAX_LEN).max_depth(8).max_tokens(1 << 20);
    let document = bencode::parse(body, &options).map_err(|_| shape("not bencoded"))?;
    let root = document.root();
    let int = |key: &str| root.get(key.as_bytes()).and_then(|node| node.as_int());
    let count = |key: &str| int(key).and_then(|n| u64::try_from(n).ok());
    let text = |key: &str| root.get(key.as_bytes()).and_then(|node| node.as_bytes());
    let v1 = text("info-hash").and_then(|b| b.try_into().ok()).map(InfoHash);
    let v2 = text("info-hash2").and_then(|b| b.try_into().ok()).map(InfoHashV2);
    let hashes = match (v1, v2) {
        (Some(v1), Some(v2)) => InfoHashes::hybrid(v1, v2),
        (Some(v1), None) => InfoHashes::v1(v1),
        (None, Some(v2)) => InfoHashes::v2(v2),
        (None, None) => return Err(shape("info-hash")),
    };
    let pieces = count("pieces").and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= limits::PIECES);
    let pieces = pieces.ok_or(shape("pieces"))?;
    let have = Bitfield::from_bytes(text("have").unwrap_or_default(), pieces).map_err(|_| shape("have"))?;
    let mut files = decode_files(text("files").unwrap_or_default())?;
    if let Some(bytes) = text("ctimes") {
        let (ctimes, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || ctimes.len() != files.len() {
            return Err(shape("ctimes"));
        }
        files.iter_mut().zip(ctimes).for_each(|(file, bytes)| file.ctime = i64::from_be_bytes(*bytes));
    }
    let selection = match text("wanted") {
        None => Selection::all(),
        Some(wanted) if wanted.len() == files.len() => Selection::of(wanted.iter().map(|w| *w != 0)),
        Some(_) => return Err(shape("wanted")),
    };
    Ok(ResumeData {
        hashes,
        partial: decode_partial(root.get(b"partial"), &have)?,
        have,
        priorities: decode_priorities(text(PRIORITIES).unwrap_or_default(), files.len()),
        files,
        selection,
        downloaded: count("downloaded").unwrap_or(0),
        uploaded: count("uploaded").unwrap_or(0),
        completed: int("completed") == Some(1),
        trackers: decode_trackers(root.get(b"trackers")),
        paused: int("paused") == Some(1),
        peers: decode_peers(text("peers").unwrap_or_default()),
        whereabouts: Whereabouts::decode(&root),
    })
}

fn decode_partial(node: Option<Node<'_, '_>>, have: &Bitfield) -> Result<Vec<PartialPiece>, ResumeError> {
    let bad = || ResumeError::Shape { what: "partial" };
    let mut found = BTreeMap::new();
    for item in node.and_then(|node| node.as_list()).into_iter().flatten() {
        let mut parts = item.as_list().ok_or_else(bad)?;
        let mut number = |most: u32| {
            let n = parts.next().and_then(|node| node.as_int()).and_then(|n| u32::try_from(n).ok());
            n.filter(|n| *n <= most).ok_or_else(bad)
        };
        let piece = number(have.len().saturating_sub(1))?;
        let blocks = number(limits::PIECE_LEN.div_ceil(types::BLOCK_LEN))?;
        let mask = parts.next().and_then(|node| node.as_bytes()).ok_or_else(bad)?;
        let blocks = Bitfield::from_bytes(mask, blocks).map_err(|_| bad())?;
        if found.len() >= MAX_PARTIAL {
            return Err(bad());
        }
        found.insert(piece, blocks);
    }
    Ok(found.into_iter().map(|(piece, blocks)| PartialPiece { piece: PieceIndex(piece), blocks }).collect())
}

fn decode_trackers(node: Option<Node<'_, '_>>) -> Vec<Vec<String>> {
    let url = |node: Node<'_, '_>| node.as_str().map(str::to_owned);
    let tier = |node: Node<'_, '_>| node.as_list().into_iter().flatten().filter_map(url).collect();
    node.and_then(|node| node.as_list()).into_iter().flatten().map(tier).collect()
}
