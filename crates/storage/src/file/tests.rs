use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use types::InfoHashes;

use super::*;
use crate::conformance;
use crate::error::ErrorKind;
use crate::plan::{FileKind, PlanFile};
use crate::storage::StorageFactory;

fn request(files: Vec<PlanFile>) -> OpenRequest {
    OpenRequest::new(InfoHashes::v1(InfoHash([1; 20])), Arc::new(Plan::new(files, None).unwrap()))
}

fn open(dir: &Path, files: Vec<PlanFile>) -> Arc<dyn Storage> {
    FileFactory::new(dir).open(&request(files)).unwrap()
}

fn two() -> Vec<PlanFile> {
    vec![PlanFile::regular("t/a", 100), PlanFile::regular("t/b", 100)]
}

fn write(storage: &dyn Storage, offset: u64, data: &[u8]) -> Result<(), StorageError> {
    storage.write(offset, &[IoSlice::new(data)])
}

fn read(storage: &dyn Storage, offset: u64, len: usize) -> Result<Vec<u8>, StorageError> {
    let mut out = vec![0; len];
    storage.read(offset, &mut [IoSliceMut::new(&mut out)])?;
    Ok(out)
}

#[test]
fn keeps_every_promise() {
    for (mode, limit) in [(Preallocate::None, 128), (Preallocate::Sparse, 1), (Preallocate::Full, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let handles = Arc::new(HandleCache::new(limit));
        // Each torrent gets a directory of its own: the suite uses one list of files under several names.
        struct Apart(FileFactory);
        impl StorageFactory for Apart {
            fn open(&self, request: &OpenRequest) -> Result<Arc<dyn Storage>, StorageError> {
                let mut factory = self.0.clone();
                factory.root = self.0.root.join(request.hashes.to_string());
                factory.open(request)
            }
        }
        let factory = FileFactory::new(dir.path()).preallocate(mode).handles(handles.clone());
        conformance::run(&Apart(factory));
        assert!(handles.is_empty(), "closed storages keep no file open");
    }
}

#[test]
fn a_file_cut_short_under_us_is_not_made_long_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), two());
    write(&*storage, 0, &[7; 50]).unwrap();
    let path = dir.path().join("t/a");
    fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    for _ in 0..2 {
        assert_eq!(write(&*storage, 50, &[7; 50]).unwrap_err().kind(), ErrorKind::Truncated);
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 10);
    assert_eq!(storage.sync(&[0..50]).unwrap_err().kind(), ErrorKind::Truncated);
    fs::write(&path, [7; 50]).unwrap();
    write(&*storage, 50, &[7; 50]).unwrap();
    storage.sync(&[0..100]).unwrap();
}

#[test]
fn a_file_deleted_or_moved_under_us_is_not_made_anew() {
    for moved in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), two());
        write(&*storage, 0, &[7; 50]).unwrap();
        let (path, away) = (dir.path().join("t/a"), dir.path().join("away"));
        fs::copy(&path, &away).unwrap();
        if moved {
            fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(storage.sync(&[0..50]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(write(&*storage, 50, &[7; 50]).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(!path.exists());
        fs::rename(&away, &path).unwrap();
        write(&*storage, 50, &[7; 50]).unwrap();
        storage.sync(&[0..100]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [7; 100]);
    }
}

#[test]
fn nothing_exists_before_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/root");
    let storage = open(&root, two());
    assert_eq!(read(&*storage, 0, 1).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!root.exists());
    write(&*storage, 150, b"x").unwrap();
    assert!(root.join("t/b").exists() && !root.join("t/a").exists());
    assert_eq!(fs::metadata(root.join("t/b")).unwrap().len(), 51);
}

#[test]
fn space_is_reserved_as_asked() {
    for mode in [Preallocate::Sparse, Preallocate::Full] {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileFactory::new(dir.path()).preallocate(mode).open(&request(two())).unwrap();
        write(&*storage, 0, b"x").unwrap();
        assert_eq!(fs::metadata(dir.path().join("t/a")).unwrap().len(), 100);
        assert!(!dir.path().join("t/b").exists());
        storage.prepare().unwrap();
        assert_eq!(dir.path().join("t/b").exists(), mode == Preallocate::Full);
    }
}

#[test]
fn an_oversized_file_keeps_its_tail() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(dir.path().join("t/a"), vec![7; 1000]).unwrap();
    let storage = FileFactory::new(dir.path()).preallocate(Preallocate::Full).open(&request(two())).unwrap();
    storage.prepare().unwrap();
    write(&*storage, 0, &[1; 200]).unwrap();
    assert_eq!(fs::metadata(dir.path().join("t/a")).unwrap().len(), 1000);
    assert_eq!(storage.probe().unwrap()[0].size, 1000);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let storage = open(root, two());
    fs::create_dir_all(root.join("t/a")).unwrap();
    let error = write(&*storage, 0, b"x").unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::IsDirectory, Some(&*root.join("t/a"))));
    assert_eq!(read(&*storage, 0, 1).unwrap_err().kind(), ErrorKind::IsDirectory);
    fs::remove_dir_all(root.join("t")).unwrap();
    fs::write(root.join("t"), "a file").unwrap();
    assert_eq!(write(&*storage, 0, b"x").unwrap_err().kind(), ErrorKind::NotADirectory);
    // The cause goes away, and the same storage works again.
    fs::remove_file(root.join("t")).unwrap();
    write(&*storage, 0, b"x").unwrap();
    let below_a_file = FileFactory::new(root.join("t/a/deeper")).open(&request(two())).unwrap().prepare();
    assert_eq!(below_a_file.unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn a_file_that_shrank_or_went_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), two());
    write(&*storage, 0, &[1; 200]).unwrap();
    let a = dir.path().join("t/a");
    fs::OpenOptions::new().write(true).open(&a).unwrap().set_len(40).unwrap();
    assert!(matches!(
        read(&*storage, 0, 60),
        Err(StorageError::Truncated { path, expected: 60, found: 40 }) if path == a
    ));
    let mut buf = [0; 10];
    assert!(read(&*storage, 0, 10).is_ok());
    assert!(storage.try_read_resident(50, &mut [IoSliceMut::new(&mut buf)]).is_err());
    fs::write(&a, [1; 100]).unwrap();
    // A file that was deleted while it is open: its writes can't become durable.
    write(&*storage, 0, &[2; 100]).unwrap();
    fs::remove_file(&a).unwrap();
    if cfg!(unix) {
        assert_eq!(storage.sync(std::slice::from_ref(&(0..200))).unwrap_err().kind(), ErrorKind::NotFound);
    }
    fs::write(&a, [2; 100]).unwrap();
    write(&*storage, 0, &[3; 100]).unwrap();
    storage.sync(std::slice::from_ref(&(0..200))).unwrap();
    assert_eq!(fs::read(&a).unwrap(), [3; 100]);
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("a");
    fs::write(&victim, "precious").unwrap();
    let storage = open(dir.path(), two());
    symlink(outside.path(), dir.path().join("t")).unwrap();
    assert_eq!(write(&*storage, 0, b"x").unwrap_err().kind(), ErrorKind::Symlink);
    assert_eq!(read(&*storage, 0, 1).unwrap_err().kind(), ErrorKind::Symlink);
    fs::remove_file(dir.path().join("t")).unwrap();
    fs::create_dir(dir.path().join("t")).unwrap();
    symlink(&victim, dir.path().join("t/a")).unwrap();
    assert_eq!(write(&*storage, 0, b"x").unwrap_err().kind(), ErrorKind::Symlink);
    assert!(!storage.probe().unwrap()[0].present);
    symlink(outside.path().join("new"), dir.path().join("t/b")).unwrap();
    assert_eq!(write(&*storage, 100, b"x").unwrap_err().kind(), ErrorKind::Symlink);
    assert!(!outside.path().join("new").exists());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_file_and_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("t")).unwrap();
    let fifo = dir.path().join("t/a");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let made = rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0);
    if made.is_ok() {
        let storage = open(dir.path(), two());
        assert_eq!(read(&*storage, 0, 1).unwrap_err().kind(), ErrorKind::NotAFile);
        assert_eq!(write(&*storage, 0, b"x").unwrap_err().kind(), ErrorKind::NotAFile);
    }
}

#[cfg(unix)]
#[test]
fn links_and_marks_of_the_torrent_are_made() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let link = |path: &str, to: Option<&str>| PlanFile {
        path: path.into(),
        len: 0,
        kind: FileKind::Symlink(to.map(Into::into)),
    };
    let run =
        |path: &str| PlanFile { path: path.into(), len: 4, kind: FileKind::Regular { executable: true } };
    let files = vec![
        run("t/bin/run"),
        link("t/lib/link", Some("t/bin/run")),
        link("t/lib/dir", Some("t/lib")),
        link("t/bad", None),
        run("t/bin/old"),
    ];
    fs::create_dir_all(dir.path().join("t/bin")).unwrap();
    fs::write(dir.path().join("t/bin/old"), "old!").unwrap();
    let storage = open(dir.path(), files);
    storage.prepare().unwrap();
    write(&*storage, 0, b"data").unwrap();
    assert_eq!(fs::read_link(dir.path().join("t/lib/link")).unwrap(), Path::new("../bin/run"));
    assert_eq!(fs::read_link(dir.path().join("t/lib/dir")).unwrap(), Path::new("."));
    assert_eq!(fs::read(dir.path().join("t/lib/link")).unwrap(), b"data");
    assert!(!dir.path().join("t/bad").exists());
    for name in ["run", "old"] {
        let mode = fs::metadata(dir.path().join("t/bin").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o100, 0o100, "{name} is executable");
    }
    storage.prepare().unwrap();
}

#[test]
fn at_most_so_many_files_stay_open() {
    let dir = tempfile::tempdir().unwrap();
    let handles = Arc::new(HandleCache::new(3));
    let files: Vec<_> = (0..50).map(|n| PlanFile::regular(&format!("t/{n}"), 10)).collect();
    let storage = FileFactory::new(dir.path()).handles(handles.clone()).open(&request(files)).unwrap();
    let data: Vec<u8> = (0..=255).cycle().take(500).collect();
    write(&*storage, 0, &data).unwrap();
    assert_eq!(handles.len(), 3);
    storage.sync(std::slice::from_ref(&(0..500))).unwrap();
    assert_eq!(read(&*storage, 0, 500).unwrap(), data);
    assert_eq!(handles.len(), 3);
}

#[test]
fn the_part_file_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let factory = FileFactory::new(dir.path()).parts_dir(&state);
    let request = request(two()).selection(Selection::of([true, false]));
    let storage = factory.open(&request).unwrap();
    write(&*storage, 90, &[5; 20]).unwrap();
    let parts = state.join(format!(".{}.parts", request.hashes.primary()));
    assert!(parts.exists() && !dir.path().join("t/b").exists());
    let probe = storage.probe().unwrap();
    assert!(probe[0].present && probe[1].in_part_file && !probe[1].present && probe[1].size > 0);
    assert!(storage.resident_span(105, 5).unwrap().is_none());
    assert_eq!(read(&*storage, 90, 20).unwrap(), [5; 20]);
    assert_eq!(read(&*storage, 100, 10).unwrap(), [5; 10]);
    storage.set_wanted(&Selection::all()).unwrap();
    assert!(!parts.exists());
    assert_eq!(fs::read(dir.path().join("t/b")).unwrap()[..10], [5; 10]);
}

#[test]
fn a_move_out_of_the_part_file_that_was_cut_short_is_finished_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let factory = FileFactory::new(dir.path());
    let request = request(two()).selection(Selection::of([true, false]));
    let storage = factory.open(&request).unwrap();
    write(&*storage, 90, &[5; 20]).unwrap();
    storage.sync(std::slice::from_ref(&(90..110))).unwrap();
    drop(storage);
    // Killed after the file was made and before its data was in it.
    fs::write(dir.path().join("t/b"), "").unwrap();
    let storage = factory.open(&request).unwrap();
    assert_eq!(read(&*storage, 90, 20).unwrap(), [5; 20]);
    assert_eq!(fs::read(dir.path().join("t/b")).unwrap()[..10], [5; 10]);
}

#[test]
fn a_blocked_move_keeps_the_data_in_the_part_file() {
    let dir = tempfile::tempdir().unwrap();
    let factory = FileFactory::new(dir.path());
    let request = request(two()).selection(Selection::of([true, false]));
    let storage = factory.open(&request).unwrap();
    write(&*storage, 90, &[5; 20]).unwrap();
    fs::create_dir(dir.path().join("t/b")).unwrap();
    assert_eq!(storage.set_wanted(&Selection::all()).unwrap_err().kind(), ErrorKind::IsDirectory);
    assert_eq!(read(&*storage, 90, 20).unwrap(), [5; 20]);
    fs::remove_dir(dir.path().join("t/b")).unwrap();
    storage.set_wanted(&Selection::all()).unwrap();
    assert_eq!(read(&*storage, 90, 20).unwrap(), [5; 20]);
}

#[cfg(unix)]
#[test]
fn deleting_takes_the_part_file_and_follows_no_link() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = ["t/a", "t/b", "t/deep/er/c", "t/out/d"].map(|path| PlanFile::regular(path, 100)).to_vec();
    let request = request(files).selection(Selection::of([true, false, true, true]));
    let storage = FileFactory::new(dir.path()).open(&request).unwrap();
    write(&*storage, 0, &[7; 300]).unwrap();
    let parts = dir.path().join(format!(".{}.parts", request.hashes.primary()));
    assert!(parts.exists() && !dir.path().join("t/b").exists());
    // Somebody put a link where a directory of the torrent was, and a file that is not in its list.
    fs::write(other.path().join("d"), "not ours").unwrap();
    std::os::unix::fs::symlink(other.path(), dir.path().join("t/out")).unwrap();
    fs::write(dir.path().join("t/mine"), "not ours").unwrap();
    storage.delete().unwrap();
    assert_eq!(fs::read_to_string(other.path().join("d")).unwrap(), "not ours");
    let left = fs::read_dir(dir.path().join("t")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["mine", "out"]);
    assert!(!parts.exists());
    fs::remove_file(dir.path().join("t/out")).unwrap();
    fs::remove_file(dir.path().join("t/mine")).unwrap();
    // What is not there any more is no error, and the directories go with the last of it.
    storage.delete().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_so() {
    // A mount of its own, where we may make one; the same is done with a fault in memory elsewhere.
    let dir = tempfile::tempdir().unwrap();
    let flags = rustix::mount::MountFlags::empty();
    if rustix::mount::mount("none", dir.path(), "tmpfs", flags, Some(c"size=64k")).is_err() {
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let files = vec![PlanFile::regular("t/big", 1 << 20), PlanFile::regular("t/small", 10)];
        let storage = open(dir.path(), files.clone());
        let error = write(&*storage, 0, &vec![1; 1 << 20]).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::DiskFull, Some(&*dir.path().join("t/big"))));
        assert!(error.is_retryable());
        assert_eq!(read(&*storage, 0, 100).unwrap(), [1; 100], "what was stored is still served");
        let full = FileFactory::new(dir.path()).preallocate(Preallocate::Full).open(&request(files)).unwrap();
        assert_eq!(full.prepare().unwrap_err().kind(), ErrorKind::DiskFull);
        fs::remove_file(dir.path().join("t/big")).unwrap();
        drop((storage, full));
        let storage = open(dir.path(), vec![PlanFile::regular("t/again", 16_384)]);
        write(&*storage, 0, &[1; 16_384]).unwrap();
    });
    rustix::mount::unmount(dir.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    result.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_still_read() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
    let dir = tempfile::tempdir().unwrap();
    if mount("none", dir.path(), "tmpfs", MountFlags::empty(), Some(c"size=256k")).is_err() {
        return;
    }
    let result = std::panic::catch_unwind(|| {
        write(&*open(dir.path(), two()), 0, &[9; 200]).unwrap();
        mount_remount(dir.path(), MountFlags::RDONLY, c"size=256k").unwrap();
        let storage = open(dir.path(), two());
        assert_eq!(read(&*storage, 0, 200).unwrap(), [9; 200]);
        assert_eq!(write(&*storage, 0, b"x").unwrap_err().kind(), ErrorKind::ReadOnly);
        assert_eq!(read(&*storage, 0, 200).unwrap(), [9; 200]);
    });
    unmount(dir.path(), UnmountFlags::DETACH).unwrap();
    result.unwrap();
}

#[test]
fn a_file_in_the_way_of_the_root_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let way = dir.path().join("way");
    for root in [way.clone(), way.join("deeper/still")] {
        fs::write(&way, "").unwrap();
        let storage = open(&root, two());
        let error = storage.prepare().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotADirectory, Some(&*way)));
        fs::remove_file(&way).unwrap();
        storage.prepare().unwrap();
        write(&*storage, 0, &[7; 50]).unwrap();
        assert_eq!(fs::read(root.join("t/a")).unwrap(), [7; 50]);
        fs::remove_dir_all(&way).unwrap();
    }
}
