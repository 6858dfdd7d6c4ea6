//! The directories of a run: they go with it, or with the next one where it was killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::Result;

/// What the names of directories begin with.
const PREFIX: &str = "riverrun-bench-";
/// Where a disk is.
const DISK: &str = "/var/tmp";
/// Beside the payload and a copy of it there must be so many MiB.
const SPARE: u64 = 256;

/// The directories of a run.
pub(crate) struct Home {
    /// In memory.
    pub(crate) dir: PathBuf,
    /// On a disk, once it was asked for.
    disk: OnceLock<PathBuf>,
    /// Locked as long as the run is.
    _lock: File,
}

impl Home {
    /// A directory with room for a payload of so many MiB and a copy of it. What runs that were killed left is removed.
    pub(crate) fn new(mib: usize) -> Result<Home> {
        let temporary = std::env::temp_dir();
        let bases = [Path::new("/dev/shm"), &temporary];
        let base = bases.into_iter().find(|dir| dir.is_dir()).ok_or("no temporary directory")?;
        sweep(base);
        let room = rustix::fs::statvfs(base)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize) >> 20;
        let needed = (mib as u64).saturating_mul(2).saturating_add(SPARE);
        if needed > free {
            return Err(
                format!("--size {mib}: {} has {free} MiB, and {needed} are needed", base.display()).into()
            );
        }
        let dir = base.join(format!("{PREFIX}{}", std::time::UNIX_EPOCH.elapsed()?.as_millis()));
        std::fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock()?;
        Ok(Home { dir, disk: OnceLock::new(), _lock: lock })
    }

    /// A directory on a disk.
    pub(crate) fn disk(&self) -> Result<&Path> {
        if self.disk.get().is_none() {
            sweep(Path::new(DISK));
            let dir = Path::new(DISK).join(self.dir.file_name().ok_or("no name")?);
            std::fs::create_dir_all(&dir)?;
            let _ = self.disk.set(dir);
        }
        Ok(self.disk.get().ok_or("no disk")?)
    }
}

/// Removes the directories of runs that are no more. One on a disk is in use as long as that of its name in memory is.
fn sweep(base: &Path) {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for dir in ours.map(|entry| entry.path()).filter(|dir| dir.is_dir()) {
        let memory = Path::new("/dev/shm").join(dir.file_name().unwrap_or_default());
        let in_use = |dir: &Path| File::open(dir.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if !in_use(&dir) && !in_use(&memory) {
            // Somebody else's, or swept by somebody else.
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for dir in self.disk.get().into_iter().chain([&self.dir]) {
            if let Err(error) = std::fs::remove_dir_all(dir) {
                eprintln!("{} is left: {error}", dir.display());
            }
        }
    }
}
