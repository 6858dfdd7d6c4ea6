//! Symbolic links (BEP 47): each ends at a file or directory of its own torrent, or is left out.

use std::collections::BTreeMap;

use crate::error::{Warning, WarningKind};
use crate::file::File;
use crate::files_v1::{Files, Link};
use crate::names::Names;

/// Most links followed on the way of one.
const HOPS: usize = 40;
/// Most path components looked up for all links of a torrent: links that point at each other could make it endless.
const STEPS: usize = 10_000_000;

/// What the links of a torrent can point to, by raw path with `/` between its components.
struct Targets<'t, 'a, 'l> {
    files: BTreeMap<Vec<u8>, &'t str>,
    links: BTreeMap<Vec<u8>, &'t [&'a [u8]]>,
    names: &'t Names<'a, 'l>,
    steps: usize,
}

impl<'t, 'a> Targets<'t, 'a, '_> {
    /// The safe path of what `target` ends at, links on the way followed.
    fn find(&mut self, target: &[&'a [u8]]) -> Option<&'t str> {
        let mut path = target.to_vec();
        'hop: for _ in 0..HOPS {
            for end in 1..=path.len() {
                self.steps = self.steps.checked_sub(1)?;
                let Some(next) = self.links.get(&path[..end].join(&b'/')) else { continue };
                path = next.iter().chain(&path[end..]).copied().collect();
                continue 'hop;
            }
            let file = self.files.get(&path.join(&b'/')).copied();
            let dir = || self.names.known_dir(&path).filter(|_| !path.is_empty());
            return file.or_else(dir);
        }
        None
    }
}

impl Files<'_, '_> {
    /// Points each link at the safe path of what it ends at. What is stored is that path and no other link, so that
    /// nothing depends on the order in which links are made, and no chain of them leads out.
    pub(crate) fn resolve_links(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let links = std::mem::take(&mut self.links);
        let raw = |file: &File| file.raw_path().join(&b'/');
        let mut targets = Targets {
            files: self.files.iter().filter(|f| f.is_stored()).map(|f| (raw(f), f.path())).collect(),
            links: links.iter().map(|link| (raw(&self.files[link.file]), &*link.target)).collect(),
            names: &self.names,
            steps: STEPS,
        };
        let found: Vec<Option<Box<str>>> =
            links.iter().map(|link| targets.find(&link.target).map(Into::into)).collect();
        for (link, found) in links.into_iter().zip(found) {
            let file = &mut self.files[link.file];
            // A link to a directory that it lies in would make every walk of the tree endless.
            let around = |dir: &str| file.path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
            let found = found.filter(|dir| !around(dir));
            if found.is_some() {
                file.odd.symlink = found;
            } else {
                let Link { key, offset, .. } = link;
                self.warnings.push(|| Warning { kind: WarningKind::Symlink, key, offset });
            }
        }
    }
}
