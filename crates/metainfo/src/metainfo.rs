//! A whole `.torrent` file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use types::{InfoHashes, SharedBytes};

use crate::error::{Error, Warnings};
use crate::field::Field;
use crate::hints::Hints;
use crate::info::Info;
use crate::limits::Limits;
use crate::outer::{Node, Outer};
use crate::packed::Packed;
use crate::rare::Rare;

/// From so many bytes on an info dictionary is not copied where that can be spared.
const LARGE: usize = 64 * 1024;

/// A `.torrent` file: the info dictionary, and around it where to find peers.
///
/// Keys that are not known are kept and written again. The info dictionary is written exactly as it was read.
#[derive(Clone, Debug)]
pub struct Metainfo {
    pub(crate) info: Arc<Info>,
    pub(crate) outer: Rare<Outer>,
    /// Every outer key but `info` and `piece layers`, ascending, each before its value as read or as last set.
    pub(crate) raw: Packed,
    pub(crate) warnings: Warnings,
}

impl Metainfo {
    /// Reads a `.torrent` file. Bencode that is not canonical is accepted where its meaning is clear, see
    /// [`Metainfo::warnings`].
    ///
    /// # Errors
    /// [`Error`] names the key and the offset of what is wrong.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Metainfo, Error> {
        let (mut metainfo, info) = Metainfo::read(bytes, limits)?;
        metainfo.keep(bytes[info].into());
        Ok(metainfo)
    }

    /// As [`Metainfo::from_bytes`], for bytes that are the caller's to give away: a large info dictionary stays in them
    /// instead of being copied out.
    ///
    /// # Errors
    /// As [`Metainfo::from_bytes`].
    pub fn from_vec(bytes: Vec<u8>, limits: &Limits) -> Result<Metainfo, Error> {
        let (mut metainfo, info) = Metainfo::read(&bytes, limits)?;
        let raw = if info.len() >= LARGE && info.len() >= bytes.capacity() / 2 {
            // The range is inside the bytes, for it was read from them.
            SharedBytes::part_of(bytes, info).unwrap_or_default()
        } else {
            bytes[info].into()
        };
        metainfo.keep(raw);
        Ok(metainfo)
    }

    /// Keeps the bytes of the info dictionary.
    fn keep(&mut self, raw: SharedBytes) {
        Arc::make_mut(&mut self.info).raw = raw;
    }

    /// Gives the bytes of the info dictionary another place: `keep` gets them and says where they are from now on, the very same
    /// bytes, or `None` where they are to stay. Nothing happens while somebody else holds the info dictionary
    /// ([`Metainfo::shared_info`]), as it would have both places.
    pub fn keep_raw(&mut self, keep: impl FnOnce(&[u8]) -> Option<SharedBytes>) {
        if let Some(info) = Arc::get_mut(&mut self.info)
            && let Some(kept) = keep(&info.raw).filter(|kept| kept.len() == info.raw.len())
        {
            debug_assert!(kept == info.raw, "other bytes");
            info.raw = kept;
        }
    }

    /// Reads all but the bytes of the info dictionary, and says where they are.
    fn read(bytes: &[u8], limits: &Limits) -> Result<(Metainfo, Range<usize>), Error> {
        let document = bencode::parse(bytes, &limits.bencode(limits.metainfo_len))?;
        let root = Field::root(document.root());
        root.dict()?;
        let field = root.need("info")?;
        let mut info = Info::read(&field, limits)?;
        let start = field.node().offset();
        let at = start..start + field.node().raw().len();
        if let Some(layers) = root.get("piece layers") {
            info.read_layers(&layers)?;
        }
        let mut warnings = Warnings::default();
        warnings.push_bencode(document.warnings());
        let outer = Outer::read(&root, limits, &mut warnings).into();
        let mut raw: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
        for (key, value) in root.entries().filter(|(key, _)| !matches!(*key, b"info" | b"piece layers")) {
            raw.entry(key).or_insert_with(|| value.node().raw());
        }
        let raw = pack(&raw);
        Ok((Metainfo { info: Arc::new(info), outer, raw, warnings }, at))
    }

    /// A metainfo around an info dictionary that came from peers, with nothing else in it.
    pub fn from_info(info: Info) -> Metainfo {
        Metainfo {
            info: Arc::new(info),
            outer: Rare::default(),
            raw: Packed::default(),
            warnings: Warnings::default(),
        }
    }

    /// The file again: outer keys sorted, the info dictionary as it was read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let layers = self.encode_layers();
        let info = [(&b"info"[..], self.info.raw())];
        let layers = layers.as_deref().map(|layers| (&b"piece layers"[..], layers));
        let mut entries: BTreeMap<&[u8], &[u8]> = self.outer_keys().collect();
        entries.extend(info.into_iter().chain(layers));
        crate::encoded::encode_dict(entries.iter().map(|(key, value)| (*key, *value)))
    }

    fn encode_layers(&self) -> Option<Vec<u8>> {
        if !self.info.version().has_v2() {
            return None;
        }
        let layers = self.info.seldom.layers.iter().map(|(root, layer)| {
            let bytes = layer.as_flattened();
            (root, crate::encoded::encode_bytes(bytes))
        });
        let layers: Vec<_> = layers.collect();
        Some(crate::encoded::encode_dict(layers.iter().map(|(root, layer)| (&root[..], &**layer))))
    }

    /// The info dictionary.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The info dictionary, to be held elsewhere without a copy.
    pub fn shared_info(&self) -> Arc<Info> {
        self.info.clone()
    }

    /// The info dictionary, leaving all else.
    pub fn into_info(self) -> Info {
        Arc::unwrap_or_clone(self.info)
    }

    /// The hashes that name this torrent.
    pub fn info_hashes(&self) -> InfoHashes {
        self.info.info_hashes()
    }

    /// `announce`: the tracker for programs that know only one (BEP 3).
    pub fn announce(&self) -> Option<&str> {
        self.outer.announce.as_deref()
    }

    /// The tiers of trackers to use (BEP 12): `announce-list`, or, where that has none, `announce` alone.
    pub fn tiers(&self) -> Vec<Vec<String>> {
        match &self.outer.announce {
            Some(only) if self.outer.tiers.is_empty() => vec![vec![only.clone()]],
            _ => self.outer.tiers.clone(),
        }
    }

    /// `url-list`: web seeds (BEP 19).
    pub fn web_seeds(&self) -> &[String] {
        &self.outer.web_seeds
    }

    /// `httpseeds`: web seeds of the older kind (BEP 17).
    pub fn http_seeds(&self) -> &[String] {
        &self.outer.http_seeds
    }

    /// DHT nodes to begin at (BEP 5).
    pub fn nodes(&self) -> &[Node] {
        &self.outer.nodes
    }

    /// `similar` and `collections`: which torrents may have the same files (BEP 38). What is said in the info dictionary and
    /// beside it, together.
    pub fn hints(&self) -> Hints {
        self.info.seldom.hints.and(&self.outer.hints)
    }

    /// A note by whoever made the torrent.
    pub fn comment(&self) -> Option<&str> {
        self.outer.comment.as_deref()
    }

    /// The program that made the torrent.
    pub fn created_by(&self) -> Option<&str> {
        self.outer.created_by.as_deref()
    }

    /// When the torrent was made, in seconds since 1970.
    pub fn creation_date(&self) -> Option<i64> {
        self.outer.creation_date
    }

    /// The encoding that `name` and `path` are said to be in. Not used: they are read as UTF-8.
    pub fn encoding(&self) -> Option<&str> {
        self.outer.encoding.as_deref()
    }

    /// Every outer key but `info` and `piece layers`, known or not, with its bencoded value, in ascending order.
    pub fn outer_keys(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut strings = self.raw.iter();
        std::iter::from_fn(move || Some((strings.next()?, strings.next()?)))
    }

    /// What was odd about the file, outside the info dictionary; for that see [`Info::warnings`].
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }
}

/// Keys and their values for [`Metainfo::outer_keys`].
pub(crate) fn pack(keys: &BTreeMap<&[u8], &[u8]>) -> Packed {
    Packed::new(keys.iter().flat_map(|(key, value)| [*key, *value]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::File;
    use crate::layout::FileLayout;

    #[test]
    fn what_an_ordinary_torrent_keeps_is_small() {
        assert_eq!((size_of::<File>(), size_of::<FileLayout>(), size_of::<Metainfo>()), (56, 16, 40));
        assert!(size_of::<Info>() <= 160, "{} bytes", size_of::<Info>());
    }

    #[test]
    fn names_are_told_from_the_files() {
        let read = |name: &str, rest: &str| {
            let info =
                format!("4:name{}:{name}12:piece lengthi16384e6:pieces20:{}", name.len(), "h".repeat(20));
            let bytes = format!("d4:infod{rest}{info}ee").into_bytes();
            Metainfo::from_bytes(&bytes, &Limits::default()).unwrap().into_info()
        };
        let many = "5:filesld6:lengthi1e4:pathl1:a1:beee";
        for (rest, path) in [("6:lengthi5e", "a_b"), (many, "a_b/a/b")] {
            let info = read("a/b", rest);
            assert_eq!((info.name(), info.raw_name(), info.files()[0].path()), ("a_b", &b"a/b"[..], path));
            let info = read("ab", rest);
            assert_eq!((info.name(), info.raw_name()), ("ab", &b"ab"[..]));
            assert!(info.v1_pieces().unwrap() == [b'h'; 20] && info.warnings().is_empty());
            let info = read("..", rest);
            assert_eq!(
                (info.name(), info.raw_name()),
                (&*info.info_hashes().primary().to_string(), &b".."[..])
            );
        }
    }

    #[test]
    fn outer_keys_ascend_and_the_first_of_two_counts() {
        let info = b"4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let bytes = [b"d1:zi1e1:b2:xy", &info[..], b"1:zi2e0:lee"].concat();
        let mut torrent = Metainfo::from_bytes(&bytes, &Limits::default()).unwrap();
        let keys = |torrent: &Metainfo| {
            let pairs = torrent.outer_keys().map(|(key, value)| [key, b"=", value].concat());
            String::from_utf8(pairs.collect::<Vec<_>>().join(&b' ')).unwrap()
        };
        assert_eq!(keys(&torrent), "=le b=2:xy z=i1e");
        torrent.set_comment(Some("c:1"));
        assert_eq!(keys(&torrent), "=le b=2:xy comment=3:c:1 z=i1e");
        torrent.set_comment(None);
        assert_eq!(keys(&torrent), "=le b=2:xy z=i1e");
    }
}
