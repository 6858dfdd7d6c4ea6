//! The other clients, installed into the cache.

use std::path::PathBuf;
use std::process::Command;

use crate::{Result, cache, process};

/// The version of libtorrent measured against.
const LIBTORRENT: &str = "libtorrent==2.1.1";

/// A Python interpreter that has libtorrent.
pub(crate) fn libtorrent() -> Result<PathBuf> {
    let home = cache::dir()?.join("python-libtorrent-2.1.1");
    let python = home.join("bin").join("python");
    if !home.join("ready").is_file() {
        println!("installing {LIBTORRENT} into the cache");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&home);
        process::check(venv)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", LIBTORRENT]);
        process::check(pip)?;
        std::fs::write(home.join("ready"), LIBTORRENT)?;
    }
    Ok(python)
}
