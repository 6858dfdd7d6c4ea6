//! Files that are renamed and moved, and what is found after a kill in the middle of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;

use types::InfoHashes;

use super::*;
use crate::error::ErrorKind;
use crate::plan::{FileKind, PlanFile};

const NAME: InfoHash = InfoHash([1; 20]);

/// 100 bytes each, the third one in a directory of its own.
fn three() -> OpenRequest {
    let files = ["t/a", "t/b", "t/c/d"].map(|path| PlanFile::regular(path, 100));
    OpenRequest::new(InfoHashes::v1(NAME), Arc::new(Plan::new(files.to_vec(), None).unwrap()))
}

fn open(dir: &Path, request: &OpenRequest) -> FileStorage {
    FileStorage::open(&FileFactory::new(dir), request).unwrap()
}

fn payload() -> Vec<u8> {
    (0..300u32).map(|n| n as u8 | 1).collect()
}

fn filled(dir: &Path) -> FileStorage {
    let storage = open(dir, &three());
    write(&storage, 0, &payload());
    storage
}

fn write(storage: &FileStorage, offset: u64, data: &[u8]) {
    storage.write(offset, &[IoSlice::new(data)]).unwrap();
}

fn read(storage: &FileStorage, offset: u64, len: usize) -> Result<Vec<u8>, StorageError> {
    let mut out = vec![0; len];
    storage.read(offset, &mut [IoSliceMut::new(&mut out)])?;
    Ok(out)
}

/// Every regular file below a directory, by its path there.
fn below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries.map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn kind(result: Result<(), StorageError>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn row_51_a_file_is_renamed_and_goes_on_being_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), &three());
    write(&storage, 0, &payload()[..150]);
    storage.rename_file(FileIndex(0), "x/y/new").unwrap();
    // One that is not there yet.
    storage.rename_file(FileIndex(2), "t/later").unwrap();
    write(&storage, 50, &payload()[50..]);
    storage.sync(&[0..300]).unwrap();
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    assert_eq!(below(dir.path()), ["t/b", "t/later", "x/y/new"]);
    assert_eq!(&*storage.file_path(FileIndex(0)), "x/y/new");
    assert!(storage.probe().unwrap().iter().all(|state| state.present && state.size == 100));
    // Back to its own name; the directories that are empty go.
    storage.rename_file(FileIndex(0), "t/a").unwrap();
    assert_eq!(below(dir.path()), ["t/a", "t/b", "t/later"]);
    assert!(!dir.path().join("x").exists());
    drop(storage);
    let names = BTreeMap::from([(FileIndex(2), "t/later".into())]);
    let again = open(dir.path(), &three().names(names, None));
    assert_eq!(read(&again, 0, 300).unwrap(), payload());
    again.delete().unwrap();
    assert!(below(dir.path()).is_empty());
}

#[test]
fn renaming_writes_over_nothing_and_a_failure_leaves_the_old_name() {
    let dir = tempfile::tempdir().unwrap();
    let storage = filled(dir.path());
    fs::write(dir.path().join("foreign"), "mine").unwrap();
    for (name, expected) in [
        ("foreign", ErrorKind::Exists),
        ("t/c", ErrorKind::BadPath),
        ("t/B", ErrorKind::BadPath),
        ("../out", ErrorKind::BadPath),
        ("foreign/below", ErrorKind::NotADirectory),
    ] {
        let error = storage.rename_file(FileIndex(0), name).unwrap_err();
        assert_eq!(error.kind(), expected, "{name}: {error}");
        assert!(error.path().is_some());
        assert_eq!(&*storage.file_path(FileIndex(0)), "t/a");
    }
    assert_eq!(fs::read_to_string(dir.path().join("foreign")).unwrap(), "mine");
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    assert_eq!(below(dir.path()), ["foreign", "t/a", "t/b", "t/c/d"]);
    // Also one that is not there yet gets no name that somebody has.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("foreign"), "mine").unwrap();
    let empty = open(other.path(), &three());
    assert_eq!(kind(empty.rename_file(FileIndex(1), "foreign")), ErrorKind::Exists);
}

#[test]
fn after_a_kill_around_renaming_either_name_is_found() {
    for renamed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(dir.path()));
        if renamed {
            fs::rename(dir.path().join("t/b"), dir.path().join("t/new")).unwrap();
        }
        let request = three().names(BTreeMap::new(), Some((FileIndex(1), "t/new".into())));
        let storage = open(dir.path(), &request);
        assert_eq!(&*storage.file_path(FileIndex(1)), if renamed { "t/new" } else { "t/b" });
        assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    }
    // A stranger of that name is not taken for ours.
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    fs::write(dir.path().join("t/new"), "mine").unwrap();
    let storage = open(dir.path(), &three().names(BTreeMap::new(), Some((FileIndex(1), "t/new".into()))));
    assert_eq!(&*storage.file_path(FileIndex(1)), "t/b");
}

/// The first file is wanted alone: the edge of the second is in the part file.
fn with_parts(dir: &Path) -> FileStorage {
    let storage = open(dir, &three().selection(Selection::of([true, false, false])));
    write(&storage, 0, &payload()[..120]);
    storage
}

#[test]
fn what_is_in_the_part_file_gets_the_new_name_when_it_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let storage = with_parts(dir.path());
    storage.rename_file(FileIndex(1), "t/named").unwrap();
    assert_eq!(read(&storage, 0, 120).unwrap(), payload()[..120]);
    drop(storage);
    let names = BTreeMap::from([(FileIndex(1), "t/named".into())]);
    let request = three().names(names, None).selection(Selection::of([true, false, false]));
    let storage = open(dir.path(), &request);
    assert_eq!(read(&storage, 0, 120).unwrap(), payload()[..120]);
    storage.set_wanted(&Selection::all()).unwrap();
    assert_eq!(below(dir.path()), ["t/a", "t/named"]);
    assert_eq!(read(&storage, 0, 120).unwrap(), payload()[..120]);
}

#[cfg(unix)]
#[test]
fn a_link_follows_the_file_that_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let link = PlanFile { path: "t/link".into(), len: 0, kind: FileKind::Symlink(Some("t/a".into())) };
    let files = vec![PlanFile::regular("t/a", 4), link];
    let request = OpenRequest::new(InfoHashes::v1(NAME), Arc::new(Plan::new(files, None).unwrap()));
    let storage = open(dir.path(), &request);
    storage.prepare().unwrap();
    write(&storage, 0, b"data");
    let through = |root: &Path| fs::read_to_string(root.join("t/link")).unwrap();
    assert_eq!(through(dir.path()), "data");
    storage.rename_file(FileIndex(0), "u/b").unwrap();
    assert_eq!(through(dir.path()), "data");
    let to = tempfile::tempdir().unwrap();
    storage.move_to(to.path(), &Progress::new()).unwrap();
    storage.gather(dir.path()).unwrap();
    assert_eq!(through(to.path()), "data");
    assert!(below(dir.path()).is_empty());
    storage.delete().unwrap();
    assert!(below(to.path()).is_empty());
}

#[test]
fn row_51_data_moves_by_renaming_and_by_copying() {
    for means in [Means::Any, Means::Copy] {
        let (from, above) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Made on the way.
        let to = above.path().join("new/place");
        let storage = with_parts(from.path());
        let before = below(from.path());
        assert_eq!(before.len(), 2, "a file and the part file");
        let progress = Progress::new();
        storage.relocate(&to, &progress, means).unwrap();
        assert_eq!((progress.bytes() > 100, progress.bytes()), (true, progress.total()));
        assert_eq!(below(&to), before);
        assert_eq!(below(from.path()).is_empty(), means == Means::Any, "copies stay until that is known");
        storage.gather(from.path()).unwrap();
        assert!(below(from.path()).is_empty() && !from.path().join("t").exists());
        assert_eq!(below(&to), before);
        assert_eq!(read(&storage, 0, 120).unwrap(), payload()[..120]);
        // It goes on at the new place.
        storage.set_wanted(&Selection::all()).unwrap();
        write(&storage, 120, &payload()[120..]);
        storage.sync(&[0..300]).unwrap();
        assert_eq!(below(&to), ["t/a", "t/b", "t/c/d"]);
        drop(storage);
        assert_eq!(read(&open(&to, &three()), 0, 300).unwrap(), payload());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn data_moves_to_another_filesystem() {
    let from = tempfile::tempdir().unwrap();
    let Ok(to) = tempfile::tempdir_in("/dev/shm") else { return };
    if sys::device_of(from.path()) == sys::device_of(to.path()) {
        return;
    }
    let storage = filled(from.path());
    assert_eq!(storage.device(), sys::device_of(from.path()));
    storage.move_to(to.path(), &Progress::new()).unwrap();
    assert_eq!(storage.device(), sys::device_of(to.path()));
    assert_eq!(below(from.path()).len(), 3);
    storage.gather(from.path()).unwrap();
    assert_eq!((below(from.path()).len(), below(to.path()).len()), (0, 3));
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    // A kill in a move by renaming has no way over filesystems, but what is there comes back all the same.
    storage.gather(from.path()).unwrap();
    drop(storage);
    let storage = open(from.path(), &three());
    storage.gather(to.path()).unwrap();
    assert_eq!((below(from.path()).len(), below(to.path()).len()), (3, 0));
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
}

#[test]
fn a_move_writes_over_nothing_and_a_failure_leaves_all_at_the_old_place() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = filled(from.path());
    let fails = |expected: ErrorKind, progress: &Progress, means| {
        assert_eq!(kind(storage.relocate(to.path(), progress, means)), expected);
        assert_eq!(below(from.path()), ["t/a", "t/b", "t/c/d"]);
        assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    };
    fs::create_dir_all(to.path().join("t/c")).unwrap();
    fs::write(to.path().join("t/c/d"), "mine").unwrap();
    assert_eq!(kind(storage.check_move(to.path())), ErrorKind::Exists);
    fails(ErrorKind::Exists, &Progress::new(), Means::Any);
    assert_eq!(below(to.path()), ["t/c/d"]);
    fs::remove_dir_all(to.path().join("t")).unwrap();
    storage.check_move(to.path()).unwrap();
    // Cancelled before the first byte.
    let cancelled = Progress::new();
    cancelled.cancel();
    fails(ErrorKind::Cancelled, &cancelled, Means::Copy);
    assert!(below(to.path()).is_empty());
    // The copy of the second can't be made; that of the first goes again.
    fs::create_dir(to.path().join(format!(".{NAME}.1.moving"))).unwrap();
    fails(ErrorKind::IsDirectory, &Progress::new(), Means::Copy);
    assert!(below(to.path()).is_empty());
    // The new place is a file.
    let file = from.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(kind(storage.check_move(&file)), ErrorKind::NotADirectory);
    fs::remove_file(&file).unwrap();
    // Its own place is no other.
    fails(ErrorKind::IsDirectory, &Progress::new(), Means::Copy);
    assert_eq!(kind(storage.check_move(from.path())), ErrorKind::Exists);
}

#[test]
fn after_a_kill_in_a_move_the_old_place_holds_and_after_its_end_the_new_one() {
    // What is at the old place, at the new one, and below which names.
    let temporary = |n: u32| format!(".{NAME}.{n}.moving");
    type Cut = (&'static str, fn(&Path, &Path, &dyn Fn(u32) -> String));
    fn copy(from: &Path, to: &Path, path: &str, name: &str) {
        fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
        fs::copy(from.join(path), to.join(name)).unwrap();
    }
    fn rename(from: &Path, to: &Path, path: &str) {
        copy(from, to, path, path);
        fs::remove_file(from.join(path)).unwrap();
    }
    let cuts: [Cut; 5] = [
        ("nothing done", |_, _, _| {}),
        ("half a copy", |_, to, temporary| fs::write(to.join(temporary(0)), [1; 10]).unwrap()),
        ("copies, one of them named", |from, to, temporary| {
            copy(from, to, "t/a", "t/a");
            copy(from, to, "t/b", &temporary(1));
        }),
        ("all copied and named", |from, to, _| {
            ["t/a", "t/b", "t/c/d"].into_iter().for_each(|path| copy(from, to, path, path));
        }),
        ("some renamed", |from, to, _| {
            rename(from, to, "t/a");
            rename(from, to, "t/c/d");
        }),
    ];
    for (what, cut) in cuts {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        drop(filled(from.path()));
        fs::write(to.path().join("foreign"), "mine").unwrap();
        cut(from.path(), to.path(), &temporary);
        let storage = open(from.path(), &three());
        storage.gather(to.path()).unwrap();
        assert_eq!(below(from.path()), ["t/a", "t/b", "t/c/d"], "{what}");
        assert_eq!(below(to.path()), ["foreign"], "{what}");
        assert_eq!(read(&storage, 0, 300).unwrap(), payload(), "{what}");
    }
    // The new place was written down as the one that holds, and nothing was cleared away.
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(filled(from.path()));
    ["t/a", "t/b", "t/c/d"].into_iter().for_each(|path| copy(from.path(), to.path(), path, path));
    let storage = open(to.path(), &three());
    storage.gather(from.path()).unwrap();
    assert_eq!((below(from.path()).len(), below(to.path()).len()), (0, 3));
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    // A file of another length is nobody's copy, and neither is one of other bytes.
    fs::create_dir_all(from.path().join("t")).unwrap();
    let mut other = fs::read(to.path().join("t/a")).unwrap();
    *other.last_mut().unwrap() ^= 1;
    for mine in [b"mine", &other[..]] {
        fs::write(from.path().join("t/a"), mine).unwrap();
        storage.gather(from.path()).unwrap();
        assert!(fs::read(from.path().join("t/a")).unwrap() == mine);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_or_read_only_disk_leaves_names_and_places_as_they_were() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
    // A mount of its own, where we may make one; the same is done with a fault in memory elsewhere.
    let (from, small) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if mount("none", small.path(), "tmpfs", MountFlags::empty(), Some(c"size=64k")).is_err() {
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let files = vec![PlanFile::regular("t/a", 30_000), PlanFile::regular("t/b", 100_000)];
        let request = OpenRequest::new(InfoHashes::v1(NAME), Arc::new(Plan::new(files, None).unwrap()));
        let storage = open(from.path(), &request);
        write(&storage, 0, &[7; 130_000]);
        let error = storage.move_to(small.path(), &Progress::new()).unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (ErrorKind::DiskFull, Some(&*small.path().join("t/b"))),
            "{error}"
        );
        assert!(below(small.path()).is_empty());
        assert_eq!(read(&storage, 0, 130_000).unwrap(), [7; 130_000]);
        drop(filled(small.path()));
        mount_remount(small.path(), MountFlags::RDONLY, "").unwrap();
        let storage = open(small.path(), &three());
        let error = storage.rename_file(FileIndex(0), "t/new").unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (ErrorKind::ReadOnly, Some(&*small.path().join("t/new"))),
            "{error}"
        );
        assert_eq!(&*storage.file_path(FileIndex(0)), "t/a");
        assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    });
    unmount(small.path(), UnmountFlags::DETACH).unwrap();
    result.unwrap();
}

#[cfg(unix)]
#[test]
fn one_file_under_two_names_is_no_copy() {
    let (dir, above) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = filled(dir.path());
    // The other place became a name of this one.
    let alias = above.path().join("alias");
    std::os::unix::fs::symlink(dir.path(), &alias).unwrap();
    storage.gather(&alias).unwrap();
    assert_eq!(below(dir.path()).len(), 3);
    // Or its files names of these.
    fs::create_dir_all(above.path().join("t")).unwrap();
    fs::hard_link(dir.path().join("t/a"), above.path().join("t/a")).unwrap();
    storage.gather(above.path()).unwrap();
    assert!(above.path().join("t/a").exists());
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
}

#[test]
fn reads_go_on_while_files_are_copied_and_writes_wait() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = filled(from.path());
    let still = storage.still.write().unwrap();
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&storage, 0, &[9; 100]));
        assert_eq!(read(&storage, 0, 100).unwrap(), payload()[..100], "the writer waits for its turn");
        drop(still);
        writer.join().unwrap();
    });
    storage.relocate(to.path(), &Progress::new(), Means::Copy).unwrap();
    storage.gather(from.path()).unwrap();
    assert_eq!(read(&storage, 0, 100).unwrap(), [9; 100]);
}

#[test]
fn one_may_be_called_as_another_was() {
    let dir = tempfile::tempdir().unwrap();
    let storage = filled(dir.path());
    // The first two change names, by way of a third.
    for (file, name) in [(0, "x"), (1, "t/a"), (0, "t/b")] {
        storage.rename_file(FileIndex(file), name).unwrap();
    }
    drop(storage);
    let names = [(0, "t/b"), (1, "t/a")].map(|(file, name)| (FileIndex(file), name.into()));
    let storage = open(dir.path(), &three().names(names.into(), None));
    assert_eq!(read(&storage, 0, 300).unwrap(), payload());
    // Two files of one name are none.
    let names = [(0, "t/c/d"), (1, "x"), (2, "../x")].map(|(file, name)| (FileIndex(file), name.into()));
    let storage = open(dir.path(), &three().names(names.into(), None));
    let paths = [0, 1, 2].map(|file| storage.file_path(FileIndex(file)));
    assert_eq!(paths.each_ref().map(|path| &**path), ["t/a", "x", "t/c/d"]);
}

/// What happens to a torrent's files.
#[derive(Clone, Debug)]
enum Act {
    Write(u64, u8),
    Rename(u32, usize),
    Select(u8),
    Move(usize, bool),
    /// The process dies after the move and before that is written down.
    MoveAndDie(usize, bool),
    /// It dies after that, and before what was copied is cleared away.
    MoveAndForget(usize, bool),
    Reopen,
}

fn acts() -> impl proptest::strategy::Strategy<Value = Vec<Act>> {
    use proptest::prelude::*;
    let to = || (0..3usize, any::<bool>());
    let act = prop_oneof![
        4 => (0..29u64, 1..=255u8).prop_map(|(at, byte)| Act::Write(at * 10, byte)),
        2 => (0..3u32, 0..5usize).prop_map(|(file, name)| Act::Rename(file, name)),
        2 => (0..8u8).prop_map(Act::Select),
        1 => to().prop_map(|(to, copy)| Act::Move(to, copy)),
        1 => to().prop_map(|(to, copy)| Act::MoveAndDie(to, copy)),
        1 => to().prop_map(|(to, copy)| Act::MoveAndForget(to, copy)),
        1 => Just(Act::Reopen),
    ];
    proptest::collection::vec(act, 1..30)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_what_was_written_is_read(acts in acts()) {
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let names = ["t/a", "t/b", "u/v/w", "t/c/d", "x"];
        let (mut at, mut names_now, mut selection) = (0, BTreeMap::new(), Selection::all());
        let reopen = |at: usize, names: &BTreeMap<FileIndex, Box<str>>, selection: &Selection| {
            open(dirs[at].path(), &three().names(names.clone(), None).selection(selection.clone()))
        };
        let mut storage = reopen(at, &names_now, &selection);
        let mut written = [0u8; 300];
        for act in acts {
            match act {
                Act::Write(offset, byte) => {
                    write(&storage, offset, &[byte; 15][..15.min(300 - offset as usize)]);
                    written[offset as usize..300.min(offset as usize + 15)].fill(byte);
                }
                Act::Rename(file, name) => {
                    let file = FileIndex(file);
                    match storage.rename_file(file, names[name]) {
                        Ok(()) => _ = names_now.insert(file, names[name].into()),
                        Err(e) => proptest::prop_assert!(
                            matches!(e.kind(), ErrorKind::BadPath | ErrorKind::Exists), "{}", e
                        ),
                    }
                }
                Act::Select(mask) => {
                    selection = Selection::of((0..3).map(|n| mask & 1 << n != 0));
                    storage.set_wanted(&selection).unwrap();
                }
                Act::Move(to, copy) | Act::MoveAndDie(to, copy) | Act::MoveAndForget(to, copy) if to != at => {
                    let means = if copy { Means::Copy } else { Means::Any };
                    storage.relocate(dirs[to].path(), &Progress::new(), means).unwrap();
                    if matches!(act, Act::MoveAndDie(..)) {
                        drop(storage);
                        storage = reopen(at, &names_now, &selection);
                        storage.gather(dirs[to].path()).unwrap();
                    } else {
                        let from = std::mem::replace(&mut at, to);
                        if matches!(act, Act::MoveAndForget(..)) {
                            drop(storage);
                            storage = reopen(at, &names_now, &selection);
                        }
                        storage.gather(dirs[from].path()).unwrap();
                    }
                }
                _ => {
                    drop(storage);
                    storage = reopen(at, &names_now, &selection);
                }
            }
            for (offset, byte) in written.iter().enumerate().filter(|(_, byte)| **byte != 0) {
                let found = read(&storage, offset as u64, 1).map_err(|e| e.to_string());
                proptest::prop_assert_eq!(found, Ok(vec![*byte]), "byte {}", offset);
            }
            for dir in dirs.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, dir)| dir) {
                proptest::prop_assert_eq!(below(dir.path()), Vec::<String>::new());
            }
        }
    }
}
