//! Gives every file of a torrent a safe path that no other file of it has, on any file system.

use std::collections::BTreeMap;

use crate::error::ErrorKind;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::path::{clash_key, safe_component, with_suffix};

/// The number of a directory; 0 is the torrent's own.
type Dir = u32;

/// The names given so far.
///
/// Directories are told apart by their raw bytes, so that all files of one stay together; names by what any file system
/// would make of them ([`clash_key`]). Whatever comes later and falls on a name that is taken gets a suffix.
pub(crate) struct Names<'a, 'l> {
    limits: &'l Limits,
    /// The torrent's name, which is the path of a single file.
    root: String,
    dirs: BTreeMap<(Dir, &'a [u8]), Dir>,
    paths: Vec<String>,
    /// For each name taken, how often it was asked for.
    taken: BTreeMap<(Dir, String), u32>,
    bytes: usize,
}

/// A path that was given.
pub(crate) struct Named {
    pub(crate) path: Box<str>,
    /// The raw path, where it differs.
    pub(crate) raw: Option<Packed>,
}

impl<'a, 'l> Names<'a, 'l> {
    /// For a torrent of the safe name `root`.
    pub(crate) fn new(root: String, limits: &'l Limits) -> Self {
        let paths = vec![root.clone()];
        Names { limits, root, dirs: BTreeMap::new(), paths, taken: BTreeMap::new(), bytes: 0 }
    }

    /// The path of the only file of a torrent, whose raw name is `raw`.
    pub(crate) fn single(&mut self, raw: &'a [u8]) -> Named {
        let same = raw == self.root.as_bytes();
        Named { path: self.root.as_str().into(), raw: (!same).then(|| Packed::new([raw].into_iter())) }
    }

    /// A path for the file that the torrent calls `raw`.
    pub(crate) fn file(&mut self, raw: &[&'a [u8]]) -> Result<Named, ErrorKind> {
        self.check_depth(raw)?;
        let mut dir = 0;
        let mut kept = raw.iter().filter_map(|c| Some((*c, safe_component(c, self.limits)?)));
        let mut next = kept.next();
        let mut last = None;
        let mut dirs = Vec::new();
        while let Some(component) = next {
            next = kept.next();
            if next.is_some() {
                dirs.push(component);
            } else {
                last = Some(component.1);
            }
        }
        for (bytes, name) in dirs {
            dir = match self.dirs.get(&(dir, bytes)) {
                Some(known) => *known,
                None => self.make_dir(dir, bytes, &name)?,
            };
        }
        let path = self.claim(dir, &last.unwrap_or("_".into()))?;
        self.finish(path, raw)
    }

    /// A path for padding, which is never on disk and so may clash.
    pub(crate) fn padding(&mut self, raw: &[&'a [u8]]) -> Result<Named, ErrorKind> {
        self.check_depth(raw)?;
        let mut path = self.root.clone();
        let safe = raw.iter().filter_map(|c| safe_component(c, self.limits));
        safe.for_each(|c| path.extend(["/", &*c]));
        if path.len() == self.root.len() {
            path.push_str("/.pad");
        }
        self.finish(path, raw)
    }

    /// The safe path of the directory that the torrent calls `raw`, where some file lies in it.
    pub(crate) fn known_dir(&self, raw: &[&'a [u8]]) -> Option<&str> {
        let dir = raw.iter().try_fold(0, |dir, component| self.dirs.get(&(dir, *component)).copied())?;
        self.paths.get(dir as usize).map(String::as_str)
    }

    fn check_depth(&self, raw: &[&[u8]]) -> Result<(), ErrorKind> {
        let (got, limit) = (raw.len() as u64, self.limits.path_depth as u64);
        if got > limit {
            return Err(ErrorKind::TooMany { what: "path components", got, limit });
        }
        Ok(())
    }

    fn make_dir(&mut self, parent: Dir, raw: &'a [u8], name: &str) -> Result<Dir, ErrorKind> {
        let path = self.claim(parent, name)?;
        self.count(path.len())?;
        // Each directory took a token of the input, and those are counted in a u32.
        let dir = self.paths.len() as Dir;
        self.paths.push(path);
        self.dirs.insert((parent, raw), dir);
        Ok(dir)
    }

    /// The path of a new entry of `dir`, called `name` or, where that is taken, something like it.
    fn claim(&mut self, dir: Dir, name: &str) -> Result<String, ErrorKind> {
        let key = (dir, clash_key(name));
        let mut chosen = name.to_owned();
        if let Some(asked) = self.taken.get(&key).copied() {
            let mut n = asked;
            loop {
                if n > self.limits.duplicates {
                    let limit = self.limits.duplicates.into();
                    return Err(ErrorKind::TooMany { what: "files of the same name", got: n.into(), limit });
                }
                chosen = with_suffix(name, &format!(" ({n})"), self.limits.path_component_len);
                n += 1;
                if !self.taken.contains_key(&(dir, clash_key(&chosen))) {
                    break;
                }
            }
            self.taken.insert(key, n);
            self.taken.insert((dir, clash_key(&chosen)), 1);
        } else {
            self.taken.insert(key, 1);
        }
        let path = format!("{}/{chosen}", self.paths[dir as usize]);
        let (got, limit) = (path.len() as u64, self.limits.path_len as u64);
        if got > limit {
            return Err(ErrorKind::TooMany { what: "bytes of path", got, limit });
        }
        Ok(path)
    }

    fn finish(&mut self, path: String, raw: &[&[u8]]) -> Result<Named, ErrorKind> {
        let below = path.get(self.root.len() + 1..).unwrap_or_default();
        let same = below.split('/').map(str::as_bytes).eq(raw.iter().copied());
        let raw = (!same).then(|| Packed::new(raw.iter().copied()));
        self.count(path.len() + raw.as_ref().map_or(0, Packed::size))?;
        Ok(Named { path: path.into(), raw })
    }

    fn count(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.bytes += bytes;
        let (got, limit) = (self.bytes as u64, self.limits.paths_len as u64);
        if got > limit {
            return Err(ErrorKind::TooMany { what: "bytes of all paths", got, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(paths: &[&[&str]]) -> Vec<String> {
        let limits = Limits { windows_names: false, ..Limits::default() };
        let mut names = Names::new("t".into(), &limits);
        let raw: Vec<Vec<&[u8]>> = paths.iter().map(|p| p.iter().map(|c| c.as_bytes()).collect()).collect();
        raw.iter().map(|p| names.file(p).unwrap().path.into()).collect()
    }

    #[test]
    fn later_clashes_get_a_suffix() {
        assert_eq!(names(&[&["a.txt"], &["A.TXT"], &["a.txt"]]), ["t/a.txt", "t/A (1).TXT", "t/a (2).txt"]);
        assert_eq!(names(&[&["a (1)"], &["a"], &["a"]]), ["t/a (1)", "t/a", "t/a (2)"]);
        assert_eq!(names(&[&["é"], &["e\u{301}"]]), ["t/é", "t/e\u{301} (1)"]);
        assert_eq!(names(&[&["a/b"], &["a_b"]]), ["t/a_b", "t/a_b (1)"]);
    }

    #[test]
    fn directories_stay_together_and_clash_with_files() {
        assert_eq!(
            names(&[&["D", "x"], &["d", "x"], &["D", "y"], &["d", "y"]]),
            ["t/D/x", "t/d (1)/x", "t/D/y", "t/d (1)/y"]
        );
        assert_eq!(names(&[&["a"], &["a", "b"]]), ["t/a", "t/a (1)/b"]);
        assert_eq!(names(&[&["a", "b"], &["a"]]), ["t/a/b", "t/a (1)"]);
    }

    #[test]
    fn dangerous_components_vanish() {
        assert_eq!(
            names(&[&["..", "..", "etc", ".", "x"], &[".."], &["", "/"]]),
            ["t/etc/x", "t/_", "t/_ (1)"]
        );
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { duplicates: 3, path_depth: 4, path_len: 20, ..Limits::default() };
        let mut names = Names::new("t".into(), &limits);
        for _ in 0..3 {
            assert!(names.file(&[b"same"]).is_ok());
        }
        assert!(names.file(&[b"same"]).is_ok());
        assert!(matches!(names.file(&[b"same"]), Err(ErrorKind::TooMany { limit: 3, .. })));
        assert!(matches!(names.file(&[&b"x"[..]; 5]), Err(ErrorKind::TooMany { limit: 4, .. })));
        assert!(matches!(names.file(&[&[b'x'; 30]]), Err(ErrorKind::TooMany { limit: 20, .. })));
    }

    proptest! {
        #[test]
        fn no_two_paths_fall_together(
            paths in proptest::collection::vec(proptest::collection::vec("[aAbéE\u{301}./ ()1]{0,4}", 1..4), 1..40)
        ) {
            let limits = Limits::default();
            let mut names = Names::new("t".into(), &limits);
            let mut seen = std::collections::BTreeSet::new();
            let mut dirs = std::collections::BTreeSet::new();
            for path in &paths {
                let raw: Vec<&[u8]> = path.iter().map(|c| c.as_bytes()).collect();
                let named = names.file(&raw).unwrap();
                let key = clash_key(&named.path);
                let mut up = &*key;
                while let Some((dir, _)) = up.rsplit_once('/') {
                    dirs.insert(dir.to_owned());
                    up = dir;
                }
                prop_assert!(named.path.starts_with("t/"));
                prop_assert!(seen.insert(key));
            }
            prop_assert!(seen.is_disjoint(&dirs));
        }
    }
}
