//! Bounds on what strangers can make us hold. Each is checked before memory is taken.

/// Largest `.torrent` file read, in bytes: a million pieces of 20 bytes, and then some.
pub const METAINFO_LEN: usize = 32 << 20;
/// Most pieces a torrent may have.
pub const PIECES: u32 = 0x20_0000;
/// Largest piece, in bytes.
pub const PIECE_LEN: u32 = 512 << 20;
/// Largest file, and largest torrent, in bytes.
pub const FILE_LEN: u64 = 1 << 48;
/// Deepest nesting of bencoded containers.
pub const BENCODE_DEPTH: usize = 100;
/// Most bencoded values in one metainfo.
pub const BENCODE_TOKENS: usize = 3_000_000;
/// Deepest directory inside a torrent.
pub const PATH_DEPTH: usize = 100;
/// Longest path component, in bytes: what common filesystems take.
pub const PATH_COMPONENT_LEN: usize = 255;
/// Longest whole path inside a torrent, in bytes.
pub const PATH_LEN: usize = 4_000;
/// Longest peer message that is not a piece or a bitfield, in bytes: 8,192 hashes of a v2 torrent with their proof
/// (BEP 52), the longest that any extension in use sends. Each connection may hold one in memory while it arrives.
pub const MESSAGE_LEN: u32 = (8_192 + 64) * 32;
/// Longest block a peer may ask for, in bytes. BEP 3 clients close beyond 16 KiB to 128 KiB.
pub const REQUEST_LEN: u32 = 128 << 10;
/// Most requests of one peer that we keep waiting.
pub const INBOUND_REQUESTS: usize = 2_000;
/// Most requests taken from a peer that we choke before it is dropped.
pub const CHOKED_REQUESTS: u32 = 300;
/// Largest info dictionary fetched from peers (BEP 9), in bytes.
pub const METADATA_LEN: usize = 30 << 20;
/// Largest tracker reply, in bytes.
pub const TRACKER_REPLY_LEN: usize = 1 << 20;
/// Most peers taken from one tracker reply.
pub const TRACKER_PEERS: usize = 5_000;
/// Most HTTP redirects followed.
pub const REDIRECTS: usize = 5;
