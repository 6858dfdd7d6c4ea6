//! As much bencode as the harness needs, apart from the project's own: the info dictionary's bytes, one more key.

use std::net::SocketAddr;

use sha2::Digest;

use crate::Result;
use crate::trackers::hex;

/// The bytes of the value under `key` in the dictionary that is `bytes`.
pub(crate) fn value<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut at = 1;
    if bytes.first() != Some(&b'd') {
        return None;
    }
    while bytes.get(at)? != &b'e' {
        let key_end = end(bytes, at)?;
        let value_end = end(bytes, key_end)?;
        let wanted = format!("{}:{key}", key.len());
        if bytes.get(at..key_end)? == wanted.as_bytes() {
            return bytes.get(key_end..value_end);
        }
        at = value_end;
    }
    None
}

/// Where the value that starts at `at` ends.
fn end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'i' => Some(at + bytes.get(at..)?.iter().position(|byte| *byte == b'e')? + 1),
        b'l' | b'd' => {
            let mut at = at + 1;
            while bytes.get(at)? != &b'e' {
                at = end(bytes, at)?;
            }
            Some(at + 1)
        }
        _ => {
            let colon = at + bytes.get(at..)?.iter().position(|byte| *byte == b':')?;
            let len: usize = std::str::from_utf8(bytes.get(at..colon)?).ok()?.parse().ok()?;
            let end = colon.checked_add(1)?.checked_add(len)?;
            (end <= bytes.len()).then_some(end)
        }
    }
}

/// The torrent with these trackers, in one tier. `announce` and `announce-list` sort before any other key there is.
pub(crate) fn with_trackers(torrent: &[u8], urls: &[String]) -> Result<Vec<u8>> {
    let Some((first, _)) = urls.split_first() else { return Ok(torrent.to_vec()) };
    if value(torrent, "announce").is_some() || value(torrent, "announce-list").is_some() {
        return Err("the torrent has trackers already".into());
    }
    let mut out = format!("d8:announce{}:{first}13:announce-listll", first.len()).into_bytes();
    for url in urls {
        out.extend_from_slice(format!("{}:{url}", url.len()).as_bytes());
    }
    out.extend_from_slice(b"ee");
    out.extend_from_slice(&torrent[1..]);
    Ok(out)
}

/// A magnet link: the info hashes of the torrent, its name, the trackers (`tr`) and the peers (`x.pe`).
pub(crate) fn magnet(torrent: &[u8], trackers: &[String], peers: &[SocketAddr]) -> Result<String> {
    let info = value(torrent, "info").ok_or("a torrent without info")?;
    let mut topics = Vec::new();
    if value(info, "pieces").is_some() {
        topics.push(format!("xt=urn:btih:{}", hex(&sha1::Sha1::digest(info))));
    }
    if value(info, "meta version").is_some() {
        // A multihash: SHA-256 is `12`, its length `20`.
        topics.push(format!("xt=urn:btmh:1220{}", hex(&sha2::Sha256::digest(info))));
    }
    let name = value(info, "name").and_then(|name| name.splitn(2, |byte| *byte == b':').nth(1));
    let name = format!("dn={}", escape(name.ok_or("an info without name")?));
    let trackers = trackers.iter().map(|url| format!("tr={}", escape(url.as_bytes())));
    let peers = peers.iter().map(|peer| format!("x.pe={peer}"));
    let parts: Vec<String> = topics.into_iter().chain([name]).chain(trackers).chain(peers).collect();
    Ok(format!("magnet:?{}", parts.join("&")))
}

/// Percent-escaped, but for letters, digits and `-._~`.
fn escape(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    bytes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_go_in_front() {
        let out = with_trackers(b"d4:infod1:ai1eee", &["u".to_owned()]).unwrap();
        assert_eq!(out, b"d8:announce1:u13:announce-listll1:uee4:infod1:ai1eee");
        assert_eq!(value(&out, "info"), Some(&b"d1:ai1ee"[..]));
    }

    #[test]
    fn a_link_names_both_hashes() {
        let torrent = b"d4:infod12:meta versioni2e4:name3:a b6:pieces0:ee";
        let link = magnet(torrent, &["http://t/a".to_owned()], &["127.0.0.1:1".parse().unwrap()]).unwrap();
        assert!(link.starts_with("magnet:?xt=urn:btih:") && link.contains("&xt=urn:btmh:1220"));
        assert!(link.ends_with("&dn=a%20b&tr=http%3A%2F%2Ft%2Fa&x.pe=127.0.0.1:1"));
    }
}
