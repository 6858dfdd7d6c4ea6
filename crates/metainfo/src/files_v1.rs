//! The file list of a v1 or hybrid info dictionary (BEP 3, 47).

use crate::error::{Error, ErrorKind, Warning, WarningKind, Warnings};
use crate::field::Field;
use crate::file::{Attributes, File, Odd};
use crate::limits::Limits;
use crate::names::Names;
use crate::packed::Packed;

/// The name that BitComet gives to its padding, which has no `p` attribute.
const BITCOMET_PADDING: &[u8] = b"_____padding_file_";

/// A symbolic link whose target is not looked up yet.
pub(crate) struct Link<'a> {
    /// Its index among the files.
    pub(crate) file: usize,
    /// What it points to, as the torrent has it.
    pub(crate) target: Vec<&'a [u8]>,
    /// Where the torrent says so.
    pub(crate) key: String,
    pub(crate) offset: usize,
}

/// Collects the files of a torrent in payload order.
pub(crate) struct Files<'a, 'l> {
    pub(crate) names: Names<'a, 'l>,
    pub(crate) limits: &'l Limits,
    pub(crate) warnings: Warnings,
    pub(crate) files: Vec<File>,
    pub(crate) links: Vec<Link<'a>>,
}

/// What is known of a file besides its path.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) len: u64,
    pub(crate) attributes: Attributes,
    pub(crate) root: Option<[u8; 32]>,
}

impl<'a, 'l> Files<'a, 'l> {
    pub(crate) fn new(root: String, limits: &'l Limits) -> Self {
        let names = Names::new(root, limits);
        Files { names, limits, warnings: Warnings::default(), files: Vec::new(), links: Vec::new() }
    }

    /// Reads `info.files`, or the single file that `info` itself describes.
    pub(crate) fn read_v1(&mut self, info: &Field<'a, '_, '_>, name: &'a [u8]) -> Result<bool, Error> {
        let Some(list) = info.get("files") else {
            let facts = self.facts(info, true)?;
            self.push_single(name, facts);
            return Ok(true);
        };
        if list.list()? == 0 {
            return Err(list.error(ErrorKind::Empty));
        }
        for file in list.items() {
            file.dict()?;
            let path = self.path(&file)?;
            let mut facts = self.facts(&file, false)?;
            facts.attributes.padding |= path.last().is_some_and(|name| name.starts_with(BITCOMET_PADDING));
            self.push(&file, &path, facts)?;
        }
        Ok(false)
    }

    /// Length and attributes, which v1 files and v2 leaves write alike.
    pub(crate) fn facts(&mut self, file: &Field<'a, '_, '_>, single: bool) -> Result<Facts, Error> {
        let mut attributes = Attributes::default();
        if let Some(attr) = file.get("attr") {
            match attr.node().as_bytes() {
                Some(letters) => attributes = Attributes::from_bytes(letters),
                None => attr.warn(&mut self.warnings, WarningKind::Ignored("a string")),
            }
        }
        // The only file of a torrent can be neither: there would be nothing to download.
        attributes.padding &= !single;
        attributes.symlink &= !single && file.get("symlink path").is_some();
        // A link takes no room in the payload, whatever its length says (BEP 47).
        let len =
            if attributes.symlink { 0 } else { file.need("length")?.number(0, self.limits.file_len)? };
        Ok(Facts { len, attributes, root: None })
    }

    /// The components of a path, as bytes: `path.utf-8` where it is right, else `path`.
    fn path(&mut self, file: &Field<'a, '_, '_>) -> Result<Vec<&'a [u8]>, Error> {
        if let Some(better) = file.get("path.utf-8") {
            let texts =
                better.node().as_list().and_then(|l| l.map(|c| c.as_str()).collect::<Option<Vec<_>>>());
            match texts {
                Some(texts) if !texts.is_empty() => {
                    return Ok(texts.into_iter().map(str::as_bytes).collect());
                }
                _ => better.warn(&mut self.warnings, WarningKind::Ignored("a list of UTF-8 strings")),
            }
        }
        let padding = file.get("attr").and_then(|a| a.node().as_bytes()).is_some_and(|a| a.contains(&b'p'));
        match file.get("path") {
            None if padding => Ok(Vec::new()),
            _ => {
                let path = file.need("path")?;
                if path.list()? == 0 && !padding {
                    return Err(path.error(ErrorKind::Empty));
                }
                path.items().map(|component| component.bytes()).collect()
            }
        }
    }

    /// Adds a file of a torrent of many.
    pub(crate) fn push(
        &mut self,
        file: &Field<'a, '_, '_>,
        path: &[&'a [u8]],
        facts: Facts,
    ) -> Result<(), Error> {
        let padding = facts.attributes.padding;
        let named = if padding { self.names.padding(path) } else { self.names.file(path) };
        let named = named.map_err(|kind| file.error(kind))?;
        if named.raw.is_some() && !padding {
            let kind = || WarningKind::Renamed(named.path.to_string());
            self.warnings.push(|| Warning { kind: kind(), key: file.key(), offset: file.node().offset() });
        }
        if facts.attributes.symlink {
            self.link(file)?;
        }
        self.add(named.path, named.raw, facts);
        Ok(())
    }

    /// Adds the only file of a torrent.
    pub(crate) fn push_single(&mut self, name: &'a [u8], facts: Facts) {
        let named = self.names.single(name);
        self.add(named.path, named.raw, facts);
    }

    fn add(&mut self, path: Box<str>, raw: Option<Packed>, facts: Facts) {
        let Facts { len, attributes, root } = facts;
        // The layout sets the offset once all lengths are known.
        let (root, odd) = (root.map(Box::new), Odd { raw, symlink: None }.into());
        self.files.push(File { path, offset: 0, len, root, odd, attributes });
    }

    /// Keeps the target of the link that is added next.
    fn link(&mut self, file: &Field<'a, '_, '_>) -> Result<(), Error> {
        let path = file.need("symlink path")?;
        path.list()?;
        let target = path.items().map(|component| component.bytes()).collect::<Result<_, _>>()?;
        let (key, offset) = (path.key(), path.node().offset());
        self.links.push(Link { file: self.files.len(), target, key, offset });
        Ok(())
    }
}
