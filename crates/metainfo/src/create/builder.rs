//! What a new torrent is to contain.

use std::collections::BTreeMap;

use types::limits;

use crate::create::{CreateError, HashPlan, auto_piece_len, check_piece_len};
use crate::file::Attributes;
use crate::info::Version;
use crate::layout::{self, FileLayout};
use crate::outer::Node;

/// The order of the files in the payload. v2 and hybrid torrents always have [`FileOrder::Tree`] (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FileOrder {
    /// By the bytes of the components: the order of a v2 file tree, in which all of a directory stays together.
    #[default]
    Tree,
    /// By the bytes of whole paths joined by `/`, as some programs sort: `a-b/x` comes before `a/x`.
    Path,
    /// As they were given.
    Given,
}

/// The keys around the info dictionary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outer {
    pub(crate) tiers: Vec<Vec<String>>,
    pub(crate) web_seeds: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) comment: Option<String>,
    pub(crate) created_by: Option<String>,
    pub(crate) creation_date: Option<i64>,
}

/// A file of the torrent to be.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Empty for the single file.
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) len: u64,
    pub(crate) attributes: Attributes,
    pub(crate) symlink: Vec<Vec<u8>>,
    /// The number under which the caller gave it; none for padding.
    pub(crate) source: Option<usize>,
}

/// Describes a torrent to be made. Nothing is checked until [`Builder::plan`].
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) name: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) single: bool,
    pub(crate) private: bool,
    pub(crate) write_public: bool,
    pub(crate) source: Option<String>,
    pub(crate) outer: Outer,
    files: Vec<Entry>,
    order: FileOrder,
    piece_len: Option<u32>,
    align_v1: bool,
    tail_padding: bool,
}

impl Builder {
    /// A v1 torrent called `name`: that of its only file, or of the directory of all files.
    pub fn new(name: impl AsRef<[u8]>) -> Builder {
        Builder {
            name: name.as_ref().to_vec(),
            version: Version::V1,
            single: false,
            private: false,
            write_public: false,
            source: None,
            outer: Outer::default(),
            files: Vec::new(),
            order: FileOrder::Tree,
            piece_len: None,
            align_v1: false,
            tail_padding: true,
        }
    }

    /// Sets the version of the format.
    #[must_use]
    pub fn version(mut self, version: Version) -> Builder {
        self.version = version;
        self
    }

    /// Makes it a torrent of one file of `len` bytes, called like the torrent.
    #[must_use]
    pub fn single_file(mut self, len: u64, attributes: Attributes) -> Builder {
        self.single = true;
        self.add(Vec::new(), len, attributes, Vec::new());
        self
    }

    /// Adds a file of `len` bytes, with its path below the torrent's directory. Files are numbered from 0 as they are
    /// added, see [`HashPlan::source`].
    #[must_use]
    pub fn file<C: AsRef<[u8]>>(
        mut self,
        path: impl IntoIterator<Item = C>,
        len: u64,
        attributes: Attributes,
    ) -> Builder {
        self.add(components(path), len, Attributes { symlink: false, ..attributes }, Vec::new());
        self
    }

    /// Adds a symbolic link to another file or directory of the torrent, named by its path below the torrent's
    /// directory (BEP 47).
    #[must_use]
    pub fn symlink<C: AsRef<[u8]>>(
        mut self,
        path: impl IntoIterator<Item = C>,
        target: impl IntoIterator<Item = C>,
    ) -> Builder {
        let attributes = Attributes { symlink: true, ..Attributes::default() };
        self.add(components(path), 0, attributes, components(target));
        self
    }

    fn add(&mut self, path: Vec<Vec<u8>>, len: u64, attributes: Attributes, symlink: Vec<Vec<u8>>) {
        let attributes = Attributes { padding: false, ..attributes };
        let source = Some(self.files.len());
        self.files.push(Entry { path, len, attributes, symlink, source });
    }

    /// Sets the order of the files of a v1 torrent.
    #[must_use]
    pub fn order(mut self, order: FileOrder) -> Builder {
        self.order = order;
        self
    }

    /// Sets the piece length, in bytes: a power of two from 16 KiB to 512 MiB, see [`check_piece_len`]. Otherwise it is
    /// [`auto_piece_len`] of the content.
    #[must_use]
    pub fn piece_len(mut self, len: u32) -> Builder {
        self.piece_len = Some(len);
        self
    }

    /// Lets each file of a v1 torrent begin at a piece, by padding files (BEP 47), as it always is in hybrid torrents.
    #[must_use]
    pub fn align_v1(mut self, align: bool) -> Builder {
        self.align_v1 = align;
        self
    }

    /// Whether padding also follows the last file of a padded torrent, so that its last piece is whole; so by default.
    #[must_use]
    pub fn tail_padding(mut self, pad: bool) -> Builder {
        self.tail_padding = pad;
        self
    }

    /// Marks it private (BEP 27).
    #[must_use]
    pub fn private(mut self, private: bool) -> Builder {
        self.private = private;
        self
    }

    /// Writes `private` as 0 where it is not private, as transmission-create 3 does; otherwise the key is left out.
    #[must_use]
    pub fn write_public(mut self, write: bool) -> Builder {
        self.write_public = write;
        self
    }

    /// Sets `source`, which makes the info hash differ from that of the same files elsewhere.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Builder {
        self.source = Some(source.into());
        self
    }

    /// Sets the tiers of trackers (BEP 12).
    #[must_use]
    pub fn tiers(mut self, tiers: Vec<Vec<String>>) -> Builder {
        self.outer.tiers = tiers;
        self
    }

    /// Sets the web seeds (BEP 19).
    #[must_use]
    pub fn web_seeds(mut self, urls: Vec<String>) -> Builder {
        self.outer.web_seeds = urls;
        self
    }

    /// Sets the DHT nodes (BEP 5).
    #[must_use]
    pub fn nodes(mut self, nodes: Vec<Node>) -> Builder {
        self.outer.nodes = nodes;
        self
    }

    /// Sets the comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Builder {
        self.outer.comment = Some(comment.into());
        self
    }

    /// Names the program.
    #[must_use]
    pub fn created_by(mut self, program: impl Into<String>) -> Builder {
        self.outer.created_by = Some(program.into());
        self
    }

    /// Sets the creation date, in seconds since 1970; without it there is none, and the file can be made again alike.
    #[must_use]
    pub fn creation_date(mut self, date: i64) -> Builder {
        self.outer.creation_date = Some(date);
        self
    }

    /// Checks all of it, orders the files and cuts them into pieces.
    ///
    /// # Errors
    /// [`CreateError`] names the path or the value that is not possible.
    pub fn plan(mut self) -> Result<HashPlan, CreateError> {
        let mut files = std::mem::take(&mut self.files);
        self.check_paths(&files)?;
        let content = files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.len));
        let content = content.filter(|sum| *sum <= limits::FILE_LEN).ok_or(CreateError::TooLong)?;
        if content == 0 {
            return Err(CreateError::NoContent);
        }
        let piece_len = self.piece_len.unwrap_or_else(|| auto_piece_len(content));
        check_piece_len(piece_len.into())?;
        match self.order {
            _ if self.version.has_v2() => files.sort_by(|a, b| a.path.cmp(&b.path)),
            FileOrder::Tree => files.sort_by(|a, b| a.path.cmp(&b.path)),
            FileOrder::Path => files.sort_by_cached_key(|file| file.path.join(&b'/')),
            FileOrder::Given => {}
        }
        let padded = self.version == Version::Hybrid || (self.version == Version::V1 && self.align_v1);
        if padded && !self.single {
            files = self.with_padding(files, piece_len);
        }
        let align = (self.version == Version::V2).then_some(piece_len);
        let lens = files.iter().map(|file| (file.len, file.attributes.padding));
        let layout = FileLayout::new(lens, align).ok_or(CreateError::TooLong)?;
        let geometry =
            layout::geometry(&layout, piece_len, align.is_some()).map_err(CreateError::Geometry)?;
        Ok(HashPlan::new(self, files, layout, geometry))
    }

    fn check_paths(&self, files: &[Entry]) -> Result<(), CreateError> {
        if self.single && files.len() != 1 {
            return Err(CreateError::SingleAndMany);
        }
        self.check_component(&self.name, &self.name)?;
        // A file tree nests once for each component, and a reader's bencode has a limit on depth.
        let limit = if self.version.has_v2() { limits::BENCODE_DEPTH - 5 } else { limits::PATH_DEPTH };
        let mut seen: BTreeMap<&[Vec<u8>], bool> = BTreeMap::new();
        for file in files.iter().filter(|_| !self.single) {
            let shown = || String::from_utf8_lossy(&file.path.join(&b'/')).into_owned();
            if file.path.is_empty() || file.path.len() > limit {
                return Err(CreateError::Depth { path: shown(), limit });
            }
            for component in file.path.iter().chain(&file.symlink) {
                self.check_component(component, &file.path.join(&b'/'))?;
            }
            let dirs = (1..file.path.len()).map(|n| (&file.path[..n], false));
            for (path, is_file) in dirs.chain([(&file.path[..], true)]) {
                let before = seen.insert(path, is_file);
                if before.is_some_and(|was_file| was_file || is_file) {
                    return Err(CreateError::Duplicate(shown()));
                }
            }
        }
        Ok(())
    }

    fn check_component(&self, component: &[u8], path: &[u8]) -> Result<(), CreateError> {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if matches!(component, b"" | b"." | b"..") || component.contains(&b'/') || component.contains(&0) {
            return Err(CreateError::Component { path: shown(path), component: shown(component) });
        }
        if self.version.has_v2() && std::str::from_utf8(component).is_err() {
            return Err(CreateError::NotUtf8(shown(path)));
        }
        Ok(())
    }

    /// Padding files after each file that ends inside a piece, so that the next begins at one (BEP 47).
    fn with_padding(&self, files: Vec<Entry>, piece_len: u32) -> Vec<Entry> {
        let last = files.iter().rposition(|file| file.len > 0);
        let mut out = Vec::with_capacity(files.len() * 2);
        for (n, file) in files.into_iter().enumerate() {
            let tail = file.len % u64::from(piece_len);
            out.push(file);
            if tail == 0 || (Some(n) == last && !self.tail_padding) {
                continue;
            }
            let len = u64::from(piece_len) - tail;
            let path = vec![b".pad".to_vec(), len.to_string().into_bytes()];
            let attributes = Attributes { padding: true, ..Attributes::default() };
            out.push(Entry { path, len, attributes, symlink: Vec::new(), source: None });
        }
        out
    }
}

fn components<C: AsRef<[u8]>>(path: impl IntoIterator<Item = C>) -> Vec<Vec<u8>> {
    path.into_iter().map(|component| component.as_ref().to_vec()).collect()
}
