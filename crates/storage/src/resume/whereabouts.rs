//! Where a torrent's files are, once they were moved or renamed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bencode::{Node, Value};
use metainfo::FileIndex;

/// Where a torrent's files are and what they are called.
///
/// What is under way is noted before it begins, so that after a kill at any moment one look at the disk tells what holds:
/// for [`Whereabouts::renaming`] see [`OpenRequest::names`](crate::OpenRequest::names), for [`Whereabouts::other`]
/// [`Storage::gather`](crate::Storage::gather).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Whereabouts {
    /// The directory that the torrent was added with, before any move; none if its data was never moved.
    pub asked: Option<PathBuf>,
    /// The directory that holds the data; none if it was never moved.
    pub at: Option<PathBuf>,
    /// A directory that a move was going to, or has come from, and that may still hold some of the data.
    pub other: Option<PathBuf>,
    /// Files that were renamed, with their paths below the directory.
    pub names: BTreeMap<FileIndex, Box<str>>,
    /// A file that is being renamed, and the path it gets.
    pub renaming: Option<(FileIndex, Box<str>)>,
}

impl Whereabouts {
    /// The directory that holds the data of a torrent that is added with the directory `asked`: where it was moved to, if
    /// it was added with the same directory then. Another one is the user's new word.
    pub fn place(&self, asked: &Path) -> PathBuf {
        match (&self.asked, &self.at) {
            (Some(then), Some(at)) if same(then, asked) => at.clone(),
            _ => asked.to_owned(),
        }
    }

    pub(super) fn encode(&self, body: &mut Value) {
        let mut put = |key: &str, path: &Option<PathBuf>| {
            if let Some(bytes) = path.as_deref().and_then(to_bytes) {
                body.insert(key, Value::bytes(bytes));
            }
        };
        put("asked", &self.asked);
        put("at", &self.at);
        put("other", &self.other);
        let pair = |file: FileIndex, path: &str| {
            Value::List(vec![Value::Int(file.0.into()), Value::bytes(path.as_bytes())])
        };
        if !self.names.is_empty() {
            body.insert(
                "names",
                Value::List(self.names.iter().map(|(file, path)| pair(*file, path)).collect()),
            );
        }
        if let Some((file, path)) = &self.renaming {
            body.insert("renaming", pair(*file, path));
        }
    }

    /// What makes no sense is left out: then files count as missing, and are never looked for elsewhere.
    pub(super) fn decode(root: &Node<'_, '_>) -> Whereabouts {
        let path = |key: &str| root.get(key.as_bytes()).and_then(|node| node.as_bytes()).and_then(from_bytes);
        let pair = |node: Node<'_, '_>| {
            let mut parts = node.as_list()?;
            let file = u32::try_from(parts.next()?.as_int()?).ok()?;
            Some((FileIndex(file), Box::from(parts.next()?.as_str()?)))
        };
        let names = root.get(b"names").and_then(|node| node.as_list()).into_iter().flatten();
        Whereabouts {
            asked: path("asked"),
            at: path("at"),
            other: path("other"),
            names: names.filter_map(pair).collect(),
            renaming: root.get(b"renaming").and_then(pair),
        }
    }
}

/// Whether two paths are one, written in full.
fn same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    full(one) == full(other)
}

#[cfg(unix)]
fn to_bytes(path: &Path) -> Option<&[u8]> {
    use std::os::unix::ffi::OsStrExt;
    Some(path.as_os_str().as_bytes())
}

#[cfg(unix)]
fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    (!bytes.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

/// A path that is no text can't be kept.
#[cfg(not(unix))]
fn to_bytes(path: &Path) -> Option<&[u8]> {
    path.to_str().map(str::as_bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    Some(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResumeData;
    use types::{InfoHash, InfoHashes};

    #[test]
    fn the_place_is_where_it_was_moved_to_unless_the_user_says_otherwise() {
        let mut data = ResumeData::new(InfoHashes::v1(InfoHash([7; 20])), 3);
        assert_eq!(data.whereabouts.place(Path::new("/a")), Path::new("/a"));
        data.whereabouts = Whereabouts {
            asked: Some("/a".into()),
            at: Some("/b".into()),
            other: Some("/c d".into()),
            names: BTreeMap::from([(FileIndex(0), "x/\u{e9}".into()), (FileIndex(70_000), "y".into())]),
            renaming: Some((FileIndex(2), "z".into())),
        };
        let back = ResumeData::decode(&data.encode()).unwrap();
        assert_eq!(back, data);
        assert_eq!(back.whereabouts.place(Path::new("/a")), Path::new("/b"));
        assert_eq!(back.whereabouts.place(Path::new("/z")), Path::new("/z"));
    }

    #[cfg(unix)]
    #[test]
    fn paths_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt;
        let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"/a\xff"));
        let mut data = ResumeData::new(InfoHashes::v1(InfoHash([7; 20])), 3);
        data.whereabouts.at = Some(odd);
        assert_eq!(ResumeData::decode(&data.encode()).unwrap(), data);
    }
}
