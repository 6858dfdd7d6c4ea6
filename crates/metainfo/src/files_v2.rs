//! The file tree of a v2 or hybrid info dictionary (BEP 52).

use crate::error::{Error, ErrorKind};
use crate::field::Field;
use crate::files_v1::{Facts, Files};
use crate::merkle::Hash;

/// Is shown the description of each file of a tree, with its path.
type See<'s, 'a, 'd> = dyn FnMut(&Field<'a, 'd, '_>, &[&'a [u8]]) -> Result<(), Error> + 's;

/// Walks a file tree in order and shows each file, with its path, to `see`.
pub(crate) fn walk<'a, 'd>(
    tree: &Field<'a, 'd, '_>,
    path: &mut Vec<&'a [u8]>,
    see: &mut See<'_, 'a, 'd>,
) -> Result<(), Error> {
    // The decoder's limit on depth bounds this recursion.
    if tree.dict()? == 0 {
        return Err(tree.error(ErrorKind::TreeEntry));
    }
    let mut last: Option<&[u8]> = None;
    for (name, entry) in tree.entries() {
        if name.is_empty() {
            return Err(entry.error(ErrorKind::TreeEntry));
        }
        if last.is_some_and(|last| last >= name) {
            return Err(entry.error(ErrorKind::TreeOrder));
        }
        last = Some(name);
        entry.dict()?;
        path.push(name);
        match leaf(&entry)? {
            Some(file) => see(&file, path)?,
            None => walk(&entry, path, see)?,
        }
        path.pop();
    }
    Ok(())
}

/// The description of a file: what stands under the empty key, alone.
fn leaf<'a, 'd, 'k>(entry: &'k Field<'a, 'd, '_>) -> Result<Option<Field<'a, 'd, 'k>>, Error> {
    let Some(file) = entry.get("") else { return Ok(None) };
    if entry.dict()? != 1 {
        return Err(entry.error(ErrorKind::TreeEntry));
    }
    file.dict()?;
    Ok(Some(file))
}

/// The file whose tree has nothing else and is called like the torrent: a torrent of a single file.
pub(crate) fn is_single(tree: &Field<'_, '_, '_>, name: &[u8]) -> bool {
    let Some(mut entries) = tree.node().as_dict() else { return false };
    entries.len() == 1 && entries.next().is_some_and(|(key, entry)| key == name && entry.get(b"").is_some())
}

impl<'a> Files<'a, '_> {
    /// Reads the file tree of a torrent that is v2 alone. Whether it has a single file.
    pub(crate) fn read_v2(&mut self, tree: &Field<'a, '_, '_>, name: &'a [u8]) -> Result<bool, Error> {
        let single = is_single(tree, name);
        walk(tree, &mut Vec::new(), &mut |file, path| {
            let facts = self.v2_facts(file, single)?;
            if !single {
                return self.push(file, path, facts);
            }
            self.push_single(name, facts);
            Ok(())
        })?;
        Ok(single)
    }

    /// Reads the file tree of a hybrid torrent, whose v1 files are already here: both must list the same.
    pub(crate) fn join_v2(&mut self, tree: &Field<'a, '_, '_>, single: bool) -> Result<(), Error> {
        let mut next = 0;
        walk(tree, &mut Vec::new(), &mut |file, path| {
            while self.files.get(next).is_some_and(|f| f.is_padding()) {
                next += 1;
            }
            let facts = self.v2_facts(file, single)?;
            let hybrid = |what| file.error(ErrorKind::Hybrid(what));
            let Some(v1) = self.files.get_mut(next) else {
                return Err(hybrid("the file tree has a file that `files` has not"));
            };
            if v1.raw_path().iter().map(|c| &**c).ne(path.iter().copied()) {
                return Err(hybrid("`files` has another path in this place"));
            }
            if v1.len != facts.len {
                return Err(hybrid("`files` has another length for this file"));
            }
            v1.root = facts.root.map(Box::new);
            next += 1;
            Ok(())
        })?;
        if self.files[next..].iter().any(|f| !f.is_padding()) {
            return Err(tree.error(ErrorKind::Hybrid("`files` has a file that the file tree has not")));
        }
        Ok(())
    }

    fn v2_facts(&mut self, file: &Field<'a, '_, '_>, single: bool) -> Result<Facts, Error> {
        if file.get("attr").and_then(|attr| attr.node().as_bytes()).is_some_and(|attr| attr.contains(&b'p')) {
            return Err(file.error(ErrorKind::TreePadding));
        }
        let mut facts = self.facts(file, single)?;
        if facts.len > 0 {
            facts.root = Some(root(file)?);
        }
        Ok(facts)
    }
}

/// The merkle root of a file that is not empty.
fn root(file: &Field<'_, '_, '_>) -> Result<Hash, Error> {
    let field = file.need("pieces root")?;
    let bytes = field.bytes()?;
    let Ok(root) = Hash::try_from(bytes) else {
        return Err(field.error(ErrorKind::Len { got: bytes.len() as u64, expected: 32 }));
    };
    if root == [0; 32] {
        return Err(field.error(ErrorKind::ZeroRoot));
    }
    Ok(root)
}
