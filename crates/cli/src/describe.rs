//! What is said and written of a torrent by several commands.

use std::fmt::Write;
use std::path::Path;

use metainfo::{Metainfo, Node, Version};

use crate::exit::Failure;

/// Says what is odd about a torrent that was accepted all the same.
pub(crate) fn warn(torrent: &Metainfo) {
    for warning in torrent.warnings().iter().chain(torrent.info().warnings().iter()) {
        tracing::info!("{warning}");
    }
}

/// Each info hash in hexadecimal, v1 first.
pub(crate) fn infohashes(torrent: &Metainfo) -> Vec<String> {
    let hashes = torrent.info_hashes();
    let v1 = hashes.get_v1().map(|hash| hash.to_string());
    v1.into_iter().chain(hashes.get_v2().map(|hash| hash.to_string())).collect()
}

/// `v1`, `v2` or `hybrid`.
pub(crate) fn version_word(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
        _ => "hybrid",
    }
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Writes a torrent as INFOHASH.torrent.
pub(crate) fn save(torrent: &Metainfo, dir: &Path) -> Result<(), Failure> {
    let path = dir.join(format!("{}.torrent", torrent.info_hashes()));
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&path, torrent.to_bytes()))
        .map_err(|error| Failure::io(path.display(), &error))
}

/// `host:port`, with an IPv6 address in brackets.
pub(crate) fn host_port(node: &Node) -> String {
    if node.host.contains(':') {
        format!("[{}]:{}", node.host, node.port)
    } else {
        format!("{}:{}", node.host, node.port)
    }
}
