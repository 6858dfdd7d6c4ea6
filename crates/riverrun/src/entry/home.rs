//! Where a torrent's files are, and what they are called.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use metainfo::FileIndex;
use storage::Plan;
use storage::resume::Whereabouts;

/// The directory of a torrent's files and their names, as they are now and as they are written down.
#[derive(Debug)]
pub(crate) struct Home {
    /// The directory that it was added with, in full.
    asked: Arc<Path>,
    /// None where it is as the torrent says: most are never moved or renamed.
    known: Mutex<Option<Box<Whereabouts>>>,
}

impl Home {
    /// Of a torrent that is added with the directory `asked`, and what was saved of it.
    pub(crate) fn new(asked: Arc<Path>, saved: Option<&Whereabouts>) -> Home {
        let mut known = saved.cloned().unwrap_or_default();
        if *known.place(&asked) == *asked {
            // Its data was never moved, or the user names another place now.
            (known.asked, known.at) = (None, None);
            if saved.and_then(|saved| saved.asked.as_ref()).is_some() {
                known.other = None;
            }
        }
        let home = Home { asked, known: Mutex::default() };
        home.change(|all| *all = known);
        home
    }

    fn known(&self) -> MutexGuard<'_, Option<Box<Whereabouts>>> {
        // Every change is whole before anything can panic.
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn change(&self, change: impl FnOnce(&mut Whereabouts)) {
        let mut known = self.known();
        let mut all = known.as_deref().cloned().unwrap_or_default();
        change(&mut all);
        *known = (all != Whereabouts::default()).then(|| Box::new(all));
    }

    /// What is to be written down.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        self.known().as_deref().cloned().unwrap_or_default()
    }

    /// The directory that its files are below.
    pub(crate) fn at(&self) -> PathBuf {
        let moved = self.known().as_ref().and_then(|known| known.at.clone());
        moved.unwrap_or_else(|| self.asked.to_path_buf())
    }

    /// The path of a file below the directory.
    pub(crate) fn path_of(&self, plan: &Plan, file: FileIndex) -> PathBuf {
        match self.known().as_ref().and_then(|known| known.names.get(&file)) {
            Some(name) => name.split('/').collect(),
            None => plan.file(file).map(|file| file.relative()).unwrap_or_default(),
        }
    }

    /// The file that a path in full is of.
    pub(crate) fn file_at(&self, plan: &Plan, path: &Path) -> Option<FileIndex> {
        let below = path.strip_prefix(self.at()).ok()?;
        plan.iter().map(|(file, _)| file).find(|file| self.path_of(plan, *file) == below)
    }

    /// A file is about to be called so, or is not after all.
    pub(crate) fn set_renaming(&self, renaming: Option<(FileIndex, Box<str>)>) {
        self.change(|known| known.renaming = renaming);
    }

    /// A file is called so.
    pub(crate) fn renamed(&self, plan: &Plan, file: FileIndex, path: Box<str>) {
        self.change(|known| {
            known.renaming = None;
            if plan.file(file).is_some_and(|file| file.path == path) {
                known.names.remove(&file);
            } else {
                known.names.insert(file, path);
            }
        });
    }

    /// Data may be there too.
    pub(crate) fn set_other(&self, other: Option<PathBuf>) {
        self.change(|known| known.other = other);
    }

    /// All data is there from now on; copies may be where it was.
    pub(crate) fn moved(&self, to: PathBuf) {
        let from = self.at();
        let full = std::path::absolute(&self.asked).unwrap_or_else(|_| self.asked.to_path_buf());
        self.change(|known| {
            known.other = Some(from);
            (known.asked, known.at) = if full == to { (None, None) } else { (Some(full), Some(to)) };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::PlanFile;

    #[test]
    fn a_place_is_left_and_found_again() {
        let home = Home::new(Path::new("/a").into(), None);
        home.set_other(Some("/b".into()));
        home.moved("/b".into());
        assert_eq!(home.at(), Path::new("/b"));
        let saved = home.whereabouts();
        assert_eq!(saved.other.as_deref(), Some(Path::new("/a")));
        assert_eq!(Home::new(Path::new("/a").into(), Some(&saved)).whereabouts(), saved);
        let elsewhere = Home::new(Path::new("/c").into(), Some(&saved));
        assert_eq!((elsewhere.at(), elsewhere.whereabouts()), ("/c".into(), Whereabouts::default()));
        home.moved("/a".into());
        home.set_other(None);
        assert_eq!(home.whereabouts(), Whereabouts::default(), "it is where it was at first");
        // A kill in its first move.
        home.set_other(Some("/b".into()));
        let saved = home.whereabouts();
        assert_eq!(Home::new(Path::new("/a").into(), Some(&saved)).whereabouts(), saved);
    }

    #[test]
    fn a_file_is_known_by_its_name_of_now() {
        let plan = Plan::new(vec![PlanFile::regular("t/a", 1), PlanFile::regular("t/b", 1)], None).unwrap();
        let home = Home::new(Path::new("/d").into(), None);
        home.renamed(&plan, FileIndex(1), "t/c".into());
        assert_eq!(home.path_of(&plan, FileIndex(1)), Path::new("t/c"));
        assert_eq!(home.file_at(&plan, Path::new("/d/t/c")), Some(FileIndex(1)));
        assert_eq!(home.file_at(&plan, Path::new("/d/t/a")), Some(FileIndex(0)));
        assert_eq!(home.file_at(&plan, Path::new("/d/t/b")), None);
        home.renamed(&plan, FileIndex(1), "t/b".into());
        assert!(home.whereabouts().names.is_empty());
    }
}
