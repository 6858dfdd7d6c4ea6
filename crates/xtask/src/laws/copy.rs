//! The copy of the workspace in which laws are broken.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use crate::repo::Repo;
use crate::{Result, cache};

/// One change to a file of the copy.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// Writes the whole file.
    Write(&'static str, String),
    /// Adds to its end.
    Append(&'static str, String),
    /// Replaces the first occurrence of a text that must be there.
    Replace(&'static str, &'static str, String),
    /// Removes the file.
    Remove(&'static str),
}

/// A workspace outside the tree, with its own target directory; both stay in the cache, so that the next run is quick.
pub(crate) struct Copy {
    repo: Repo,
    target: PathBuf,
    /// What the files touched since the last restore held before; `None` for a file that was not there.
    touched: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Held until the end: two runs on one checkout must not share a copy at once.
    _lock: File,
}

impl Copy {
    /// Copies what `repo` would commit.
    pub(crate) fn of(repo: &Repo) -> Result<Copy> {
        let mut name = DefaultHasher::new();
        repo.root().hash(&mut name);
        let home = cache::dir()?.join("laws").join(format!("{:016x}", name.finish()));
        std::fs::create_dir_all(&home)?;
        let lock = File::create(home.join("lock"))?;
        lock.lock()?;
        let tree = home.join("tree");
        cache::remove_if_there(&tree)?;
        for file in repo.files()? {
            let to = tree.join(&file);
            std::fs::create_dir_all(to.parent().ok_or("a file without a directory")?)?;
            std::fs::copy(repo.path(&file), &to).map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(Copy {
            repo: Repo::at(&tree)?,
            target: home.join("target"),
            touched: BTreeMap::new(),
            _lock: lock,
        })
    }

    /// The copy as a workspace.
    pub(crate) fn repo(&self) -> &Repo {
        &self.repo
    }

    /// Cargo on the copy, with the copy's own target directory and without colours.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.repo.cargo(args);
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_TERM_COLOR", "never");
        command
    }

    /// Makes one change, to be undone by [`Copy::restore`].
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result {
        let (Edit::Write(file, _) | Edit::Append(file, _) | Edit::Replace(file, ..) | Edit::Remove(file)) =
            edit;
        let path = self.repo.path(file);
        let before = std::fs::read(&path).ok();
        let text = before.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let after = match edit {
            Edit::Write(_, text) => Some(text.clone()),
            Edit::Append(_, more) => Some(format!("{text}{more}")),
            Edit::Replace(_, from, to) if text.contains(from) => Some(text.replacen(from, to, 1)),
            Edit::Replace(_, from, _) => return Err(format!("{file} does not hold `{from}` to break").into()),
            Edit::Remove(_) => None,
        };
        match after {
            Some(text) => {
                std::fs::create_dir_all(path.parent().ok_or("a file without a directory")?)?;
                std::fs::write(&path, text)?;
            }
            None => std::fs::remove_file(&path)?,
        }
        // The lock file follows the manifests, and so must come back with them.
        let lock = self.repo.path("Cargo.lock");
        if !self.touched.contains_key(&lock) {
            self.touched.insert(lock.clone(), std::fs::read(&lock).ok());
        }
        self.touched.entry(path).or_insert(before);
        Ok(())
    }

    /// Undoes every change since the last restore.
    pub(crate) fn restore(&mut self) -> Result {
        for (path, before) in std::mem::take(&mut self.touched) {
            match before {
                Some(bytes) => std::fs::write(&path, bytes)?,
                None => {
                    std::fs::remove_file(&path)?;
                    self.prune(path)?;
                }
            }
        }
        Ok(())
    }

    /// Removes the directories that a removed file leaves empty: a crate without a manifest is no crate.
    fn prune(&self, mut path: PathBuf) -> Result {
        while path.pop() && path != self.repo.root() && std::fs::read_dir(&path)?.next().is_none() {
            std::fs::remove_dir(&path)?;
        }
        Ok(())
    }
}
