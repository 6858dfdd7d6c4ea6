//! Which other torrents may have the same files (BEP 38).

use std::collections::BTreeSet;

use types::{InfoHash, InfoHashV2};

use crate::error::{WarningKind, Warnings};
use crate::field::Field;

/// Most info hashes, and most collections, that are kept of a torrent.
const MOST: usize = 1_000;
/// Longest name of a collection that is kept, in bytes.
const LONGEST: usize = 256;

/// Torrents that may share files with this one: those it names, and those of its collections (BEP 38).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hints {
    /// The names of torrents on the wire: v1 hashes, and v2 hashes cut to 20 bytes.
    pub similar: BTreeSet<InfoHash>,
    /// What its makers call the collections that it is in.
    pub collections: BTreeSet<Box<str>>,
}

impl Hints {
    /// None at all.
    pub(crate) const NONE: Hints = Hints { similar: BTreeSet::new(), collections: BTreeSet::new() };

    /// Reads both keys, of an info dictionary or beside it. What is wrong is left out with a warning.
    pub(crate) fn read(dict: &Field<'_, '_, '_>, warnings: &mut Warnings) -> Hints {
        let similar = dict.get("similar").map(|list| read_list(&list, warnings, "info hashes", hash));
        let collections = dict.get("collections").map(|list| read_list(&list, warnings, "names", name));
        Hints { similar: similar.unwrap_or_default(), collections: collections.unwrap_or_default() }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.similar.is_empty() && self.collections.is_empty()
    }

    /// What both say.
    #[must_use]
    pub(crate) fn and(&self, other: &Hints) -> Hints {
        Hints {
            similar: self.similar.union(&other.similar).copied().collect(),
            collections: self.collections.union(&other.collections).cloned().collect(),
        }
    }
}

fn read_list<T: Ord>(
    list: &Field<'_, '_, '_>,
    warnings: &mut Warnings,
    expected: &'static str,
    read: fn(&[u8]) -> Option<T>,
) -> BTreeSet<T> {
    let mut all = BTreeSet::new();
    if list.list().is_err() {
        list.warn(warnings, WarningKind::Ignored("a list"));
    }
    for item in list.items() {
        if all.len() == MOST {
            list.warn(warnings, WarningKind::Truncated(MOST));
            break;
        }
        match item.node().as_bytes().and_then(read) {
            Some(value) => _ = all.insert(value),
            None => item.warn(warnings, WarningKind::Ignored(expected)),
        }
    }
    all
}

fn hash(bytes: &[u8]) -> Option<InfoHash> {
    let v1 = || bytes.try_into().ok().map(InfoHash);
    v1().or_else(|| bytes.try_into().ok().map(|v2| InfoHashV2(v2).truncated()))
}

fn name(bytes: &[u8]) -> Option<Box<str>> {
    let name = std::str::from_utf8(bytes).ok()?;
    (1..=LONGEST).contains(&name.len()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Hints, usize) {
        let document = bencode::parse(bytes, &bencode::Options::lenient()).unwrap();
        let mut warnings = Warnings::default();
        let hints = Hints::read(&Field::root(document.root()), &mut warnings);
        (hints, warnings.iter().count())
    }

    #[test]
    fn hints_are_read_and_nonsense_is_left_out() {
        assert_eq!(read(b"de"), (Hints::NONE, 0));
        let (v1, v2) = ([1; 20], [2; 32]);
        let mut dict = b"d11:collectionsl3:one3:onei7e0:e7:similarl20:".to_vec();
        dict.extend(v1);
        dict.extend(b"32:");
        dict.extend(v2);
        dict.extend(b"3:abcee");
        let (hints, warnings) = read(&dict);
        assert_eq!(hints.similar, [InfoHash(v1), InfoHash([2; 20])].into());
        assert_eq!(hints.collections, ["one".into()].into());
        assert_eq!(warnings, 3);
        let other = Hints { collections: ["two".into()].into(), ..Hints::NONE };
        assert_eq!(hints.and(&other).collections.len(), 2);
        let (hints, warnings) = read(b"d11:collections3:one7:similari1ee");
        assert_eq!((hints.is_empty(), warnings), (true, 2));
    }

    #[test]
    fn so_many_are_kept() {
        let mut dict = b"d11:collectionsl".to_vec();
        (0..2_000).for_each(|n| dict.extend(format!("4:{n:04}").into_bytes()));
        dict.extend(b"257:".iter().chain(&[b'x'; 257]));
        dict.extend(b"ee");
        assert_eq!(read(&dict).0.collections.len(), MOST);
    }
}
