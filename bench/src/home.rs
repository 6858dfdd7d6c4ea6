//! The directories of a run: they go with it, or with the next one where it was killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::Result;

/// What the names of directories begin with. The lock of each lies beside it, so that it is there before the directory.
const PREFIX: &str = "riverrun-bench.";
/// What the names of locks end with.
const LOCK: &str = "lock";
/// Where a disk is.
const DISK: &str = "/var/tmp";
/// Beside the payload and a copy of it there must be so many MiB.
const SPARE: u64 = 256;

/// The directories of a run.
pub(crate) struct Home {
    /// In memory.
    pub(crate) dir: PathBuf,
    memory: Claim,
    /// On a disk, once it was asked for.
    disk: OnceLock<Claim>,
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
        let memory = Claim::new(base)?;
        Ok(Home { dir: memory.dir.clone(), memory, disk: OnceLock::new() })
    }

    /// A directory on a disk.
    pub(crate) fn disk(&self) -> Result<&Path> {
        if self.disk.get().is_none() {
            sweep(Path::new(DISK));
            let _ = self.disk.set(Claim::new(Path::new(DISK))?);
        }
        Ok(&self.disk.get().unwrap_or(&self.memory).dir)
    }
}

/// A directory that goes with the value.
struct Claim {
    dir: PathBuf,
    lock: PathBuf,
    /// Locked as long as the run is.
    _file: File,
}

impl Claim {
    fn new(base: &Path) -> Result<Claim> {
        for _ in 0..100 {
            let dir = base.join(format!("{PREFIX}{}", std::time::UNIX_EPOCH.elapsed()?.as_nanos()));
            let lock = dir.with_added_extension(LOCK);
            let file = File::create_new(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
            // Whoever sweeps may have it, and have removed its name.
            if file.try_lock().is_ok() && lock.exists() {
                std::fs::create_dir(&dir)?;
                return Ok(Claim { dir, lock, _file: file });
            }
        }
        Err(format!("{}: somebody else removes our locks", base.display()).into())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for result in [std::fs::remove_dir_all(&self.dir), std::fs::remove_file(&self.lock)] {
            if let Err(error) = result {
                eprintln!("{} is left: {error}", self.dir.display());
            }
        }
    }
}

/// Removes the directories of runs that are no more: those whose lock nobody has.
fn sweep(base: &Path) {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let locks = entries
        .filter(|path| name(path).starts_with(PREFIX) && path.extension().is_some_and(|it| it == LOCK));
    for lock in locks {
        let Ok(file) = File::open(&lock) else { continue };
        if file.try_lock().is_ok() {
            // Somebody else's files may stay.
            let _ = std::fs::remove_dir_all(lock.with_extension(""));
            let _ = std::fs::remove_file(&lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_what_was_left_goes() {
        let base = std::env::temp_dir().join(format!("riverrun-home-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        let ours = Claim::new(&base).unwrap();
        let left = base.join(format!("{PREFIX}7"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("data"), "").unwrap();
        File::create(left.with_added_extension(LOCK)).unwrap();
        let unlocked = base.join(format!("{PREFIX}8"));
        std::fs::create_dir(&unlocked).unwrap();
        sweep(&base);
        assert!(ours.dir.is_dir() && !left.exists() && unlocked.is_dir());
        drop(ours);
        std::fs::remove_dir(unlocked).unwrap();
        std::fs::remove_dir(base).unwrap();
    }
}
