//! The cache outside the tree: tools and scratch space that outlive one run.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::process;

/// `$RIVERRUN_CACHE`, or `~/.cache/riverrun`; made when missing.
pub(crate) fn dir() -> Result<PathBuf> {
    let path = match std::env::var_os("RIVERRUN_CACHE").filter(|value| !value.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .ok_or("no home directory: set RIVERRUN_CACHE")?
            .join(".cache")
            .join("riverrun"),
    };
    std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.canonicalize()?)
}

/// A program from crates.io, built once into the cache with its own lock file.
pub(crate) struct Tool {
    /// The package on crates.io.
    pub(crate) package: &'static str,
    /// The exact version.
    pub(crate) version: &'static str,
    /// The program it installs.
    pub(crate) program: &'static str,
}

impl Tool {
    /// Where the program is, if it has been installed.
    pub(crate) fn installed(&self) -> Result<Option<PathBuf>> {
        let program =
            self.home()?.join("bin").join(format!("{}{}", self.program, std::env::consts::EXE_SUFFIX));
        Ok(program.is_file().then_some(program))
    }

    /// Where the program is, installing it first when it is missing.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(program) = self.installed()? {
            return Ok(program);
        }
        println!("installing {} {} into the cache", self.package, self.version);
        let home = self.home()?;
        let mut command =
            std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["install", self.package, "--locked", "--version", self.version, "--root"]).arg(&home);
        // The tool is no part of the workspace: its build must not land in the workspace's target directory.
        command.current_dir(&home).env("CARGO_TARGET_DIR", home.join("build"));
        process::check(command)?;
        remove_if_there(&home.join("build"))?;
        Ok(self.installed()?.ok_or_else(|| format!("{} installed no `{}`", self.package, self.program))?)
    }

    fn home(&self) -> Result<PathBuf> {
        let home = dir()?.join(format!("{}-{}", self.package, self.version));
        std::fs::create_dir_all(&home)?;
        Ok(home)
    }
}

/// Removes a directory and all below it; a missing one is fine.
pub(crate) fn remove_if_there(path: &Path) -> Result {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}
