//! As much bencode as the harness needs, apart from the project's own: the info dictionary's bytes, one more key.

use crate::Result;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_go_in_front() {
        let out = with_trackers(b"d4:infod1:ai1eee", &["u".to_owned()]).unwrap();
        assert_eq!(out, b"d8:announce1:u13:announce-listll1:uee4:infod1:ai1eee");
        assert_eq!(value(&out, "info"), Some(&b"d1:ai1ee"[..]));
    }
}
