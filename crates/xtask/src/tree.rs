//! What stands below one package, by `cargo tree`.

use crate::repo::Repo;
use crate::{Result, process};

/// Normal and build dependencies of one package, as lines of `DEPTH NAME VERSION ...`.
pub(crate) struct Tree {
    text: String,
}

impl Tree {
    /// The tree of one package alone: features that other members of the workspace switch on do not show in it.
    pub(crate) fn of(repo: &Repo, package: &str, args: &[&str]) -> Result<Tree> {
        let mut command = repo.cargo(&["tree", "--quiet", "--edges", "normal,build", "--prefix", "depth"]);
        command.args(["--format", " {p}", "--package", package]).args(args);
        let (success, text) = process::capture(command)?;
        if success {
            Ok(Tree { text })
        } else {
            Err(format!("cargo tree of {package}: {}", text.trim()).into())
        }
    }

    /// The tree that such lines describe.
    #[cfg(test)]
    pub(crate) fn read(text: &str) -> Tree {
        Tree { text: text.to_owned() }
    }

    /// Shows every package once, as the way of names that leads from the root to it.
    pub(crate) fn each(&self, mut show: impl FnMut(&[&str])) {
        let mut way: Vec<&str> = Vec::new();
        for line in self.text.lines() {
            let Some((depth, rest)) = line.split_once(' ') else { continue };
            let (Ok(depth), Some(name)) = (depth.parse::<usize>(), rest.split(' ').next()) else { continue };
            way.truncate(depth);
            way.push(name);
            show(&way);
        }
    }
}
