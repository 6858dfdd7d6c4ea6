//! The checkout a chore works on: its root, its files, its cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// A workspace on disk: the checkout itself, or the copy in which `laws` breaks things.
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The workspace whose `cargo xtask` runs this program.
    ///
    /// Asked of cargo at run time: checkouts that share a target directory share the built program too.
    pub(crate) fn find() -> Result<Repo> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run this as `cargo xtask`")?;
        let manifest = PathBuf::from(manifest);
        let root = manifest.ancestors().nth(2).ok_or("crates/xtask has no workspace above it")?;
        Repo::at(root)
    }

    /// The workspace at `root`.
    pub(crate) fn at(root: &Path) -> Result<Repo> {
        if !root.join("Cargo.toml").is_file() {
            return Err(format!("{} holds no Cargo.toml", root.display()).into());
        }
        Ok(Repo { root: root.to_path_buf() })
    }

    /// The directory of the workspace manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The same cargo that runs this chore, working at the root.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).args(args);
        command
    }

    /// The workspace as cargo sees it, without the dependencies of its members.
    pub(crate) fn metadata(&self) -> Result<cargo_metadata::Metadata> {
        let mut command = cargo_metadata::MetadataCommand::new();
        command.current_dir(&self.root).no_deps();
        Ok(command.exec()?)
    }

    /// Where builds of this checkout go.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        Ok(self.metadata()?.target_directory.into_std_path_buf())
    }

    /// Every file git tracks, and every new one it does not ignore, as `/`-separated paths below the root, in order.
    ///
    /// Outside a git checkout (a source archive, or the copy `laws` makes) it is every file but build output.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut files = if self.root.join(".git").exists() { self.git_files()? } else { self.walk()? };
        files.sort();
        files.dedup();
        files.retain(|file| self.root.join(file).is_file());
        Ok(files)
    }

    fn git_files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()?;
        if !output.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    fn walk(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut pending = vec![self.root.clone()];
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default();
                if path.is_dir() {
                    if name != "target" && name != ".git" {
                        pending.push(path);
                    }
                } else if let Ok(relative) = path.strip_prefix(&self.root) {
                    files.push(relative.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        Ok(files)
    }
}
