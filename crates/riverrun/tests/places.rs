//! Files that are renamed and data that is moved while their torrent lives.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use metainfo::{Metainfo, Version};
use riverrun::storage::StorageError;
use riverrun::{AddTorrent, Client, ClientBuilder, Error, EventKind, Events, Torrent, TorrentState};
use support::hooked::hooked;
use support::{Payload, addr, complete, guard, seeder, settings};
use tokio::io::AsyncReadExt;

const PIECE: usize = 16_384;

fn three() -> (Payload, Metainfo) {
    let payload = Payload::files(&[10 * PIECE + 5_000, 10 * PIECE + 5_000, 10 * PIECE]);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    (payload, metainfo)
}

/// Every regular file below a directory.
fn below(dir: &Path) -> Vec<String> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(at) = todo.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(dir).unwrap().to_owned();
                found.push(path.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

async fn until(events: &mut Events, is_it: impl Fn(&EventKind) -> bool) {
    guard(async { while !is_it(&events.recv().await.unwrap().kind) {} }).await;
}

/// A client that has the whole payload, checked.
async fn owner(settings: ClientBuilder, dir: &Path, metainfo: &Metainfo) -> (Client, Torrent) {
    let client = settings.build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).output(dir.join("data"))).await.unwrap();
    complete(&torrent).await;
    (client, torrent)
}

#[tokio::test]
async fn row_51_a_file_is_renamed_in_a_running_download_and_keeps_its_name() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (payload, metainfo) = three();
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(400_000).build().unwrap();
    let add = || AddTorrent::metainfo(metainfo.clone());
    let torrent = client.add(add().wanted([0, 2]).peers([addr(&seed)])).await.unwrap();
    let mut events = torrent.events();
    until(&mut events, |kind| matches!(kind, EventKind::PieceCompleted { .. })).await;
    // One that is being written, one that is in the part file if anywhere, and one that may not be there yet.
    let files = torrent.files();
    for (file, name) in files.iter().zip(["new/name.bin", "several/parted", "several/dir2/file2.later"]) {
        guard(file.rename(name)).await.unwrap();
        assert_eq!(file.path(), Path::new(name));
    }
    complete(&torrent).await;
    while let Some(event) = events.try_recv() {
        assert!(!matches!(event.kind, EventKind::PeerDisconnected { .. }), "connections stay: {event:?}");
    }
    let data = ours.path().join("data");
    let named = |n: usize, name: &str| assert!(std::fs::read(data.join(name)).unwrap() == payload.files[n].1);
    named(0, "new/name.bin");
    named(2, "several/dir2/file2.later");
    assert_eq!(below(&data).len(), 3, "with the part file");
    assert!(client.close().await);

    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(add().peers([addr(&seed)])).await.unwrap();
    let mut events = torrent.events();
    guard(torrent.wait_checked()).await.unwrap();
    while let Some(event) = events.try_recv() {
        let hashed =
            matches!(event.kind, EventKind::State(TorrentState::Checking { total, .. }) if total > 0);
        assert!(!hashed, "what is known is not hashed again");
    }
    assert!(torrent.is_complete() && torrent.bytes_completed() > 0);
    guard(torrent.want_all()).await.unwrap();
    complete(&torrent).await;
    named(1, "several/parted");
    assert_eq!(below(&data), ["new/name.bin", "several/dir2/file2.later", "several/parted"]);
    guard(torrent.remove(true)).await.unwrap();
    assert!(below(&data).is_empty());
    assert!(client.close().await);
}

#[tokio::test]
async fn a_name_that_can_not_be_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    payload.write(&dir.path().join("data"));
    let full = |what| match what {
        "rename" => Err(StorageError::DiskFull { path: "full/disk".into() }),
        _ => Ok(()),
    };
    std::fs::write(dir.path().join("data/foreign"), "mine").unwrap();
    let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
    let file = torrent.file(0).unwrap();
    let path = file.path();
    for (name, code) in [
        ("../x", "bad_path"),
        ("/x", "bad_path"),
        ("several/./x", "bad_path"),
        ("several/DIR1/file1", "bad_path"),
        ("several", "bad_path"),
        ("foreign", "exists"),
        ("foreign/x", "not_a_directory"),
    ] {
        let error = guard(file.rename(name)).await.unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(name.trim_end_matches("/x")), "{error}");
        assert_eq!(file.path(), path);
    }
    assert!(client.close().await);
    payload.assert_at(&dir.path().join("data"));
    // A disk that refuses.
    let (client, torrent) = owner(hooked(settings(dir.path()), full), dir.path(), &metainfo).await;
    let error = guard(torrent.file(0).unwrap().rename("new")).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().starts_with("full/disk: ")), ("disk_full", true));
    assert_eq!(torrent.file(0).unwrap().path(), path);
    assert!(client.close().await);
    // What is only read is not renamed, and what was never looked for neither.
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).read_only()).await.unwrap();
    assert_eq!(guard(torrent.file(0).unwrap().rename("new")).await.unwrap_err().code(), "read_only");
    assert_eq!(guard(torrent.move_data(dir.path().join("to"))).await.unwrap_err().code(), "read_only");
    guard(torrent.remove(false)).await.unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).metadata_only()).await.unwrap();
    assert!(matches!(guard(torrent.file(0).unwrap().rename("new")).await, Err(Error::NotReady)));
    assert!(client.close().await);
    payload.assert_at(&dir.path().join("data"));
}

/// Keeps a copy of the saved state as it is around a call: what a process leaves that is killed there.
fn copy_state_at(
    dir: &Path,
    when: &'static str,
) -> impl Fn(&'static str) -> Result<(), StorageError> + Send + Sync + 'static {
    let (state, copy) = (dir.join("state"), dir.join("copy"));
    move |what| {
        if what == when {
            std::fs::create_dir_all(&copy).unwrap();
            for file in std::fs::read_dir(&state).unwrap().map(Result::unwrap) {
                std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
            }
        }
        Ok(())
    }
}

/// Puts the copied state in the place of what was saved later.
fn put_back(dir: &Path) {
    std::fs::remove_dir_all(dir.join("state")).unwrap();
    std::fs::rename(dir.join("copy"), dir.join("state")).unwrap();
}

#[tokio::test]
async fn a_kill_between_renaming_and_saving_loses_nothing() {
    for (when, found) in [("renamed", "new/name"), ("rename", "several/dir0/file0")] {
        let dir = tempfile::tempdir().unwrap();
        let (payload, metainfo) = three();
        payload.write(&dir.path().join("data"));
        let settings = || settings(dir.path());
        let hook = copy_state_at(dir.path(), when);
        let (client, torrent) = owner(hooked(settings(), hook), dir.path(), &metainfo).await;
        guard(torrent.file(0).unwrap().rename("new/name")).await.unwrap();
        assert!(client.close().await);
        put_back(dir.path());
        if when == "rename" {
            let data = dir.path().join("data");
            std::fs::create_dir_all(data.join("several/dir0")).unwrap();
            std::fs::rename(data.join("new/name"), data.join("several/dir0/file0")).unwrap();
        }
        for _ in 0..2 {
            let (client, torrent) = owner(settings(), dir.path(), &metainfo).await;
            assert_eq!(torrent.file(0).unwrap().path(), Path::new(found));
            assert_eq!(torrent.bytes_completed(), payload.len());
            assert!(client.close().await);
        }
    }
}

#[tokio::test]
async fn row_51_data_is_moved_in_a_running_download_and_found_there_again() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (payload, metainfo) = three();
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(400_000).build().unwrap();
    let add = || AddTorrent::metainfo(metainfo.clone());
    let torrent = client.add(add().wanted([1]).peers([addr(&seed)])).await.unwrap();
    let mut events = torrent.events();
    until(&mut events, |kind| matches!(kind, EventKind::PieceCompleted { .. })).await;
    let (old, new) = (ours.path().join("data"), ours.path().join("moved/to"));
    guard(torrent.move_data(&new)).await.unwrap();
    let before = torrent.pieces();
    assert_eq!(torrent.output(), new);
    until(&mut events, |kind| matches!(kind, EventKind::Moved { output } if *output == new)).await;
    assert!(below(&old).is_empty(), "{:?}", below(&old));
    complete(&torrent).await;
    assert!(before.ones().all(|piece| torrent.pieces().get(piece)));
    assert_eq!(below(&new).len(), 2, "the file and the part file: {:?}", below(&new));
    assert!(client.close().await);
    // It is added as before, and is where it was moved to.
    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(add().peers([addr(&seed)])).await.unwrap();
    complete(&torrent).await;
    assert_eq!((torrent.output(), torrent.bytes_completed() > 0), (new.clone(), true));
    guard(torrent.want_all()).await.unwrap();
    complete(&torrent).await;
    payload.assert_at(&new);
    // A file of somebody else in the way.
    std::fs::create_dir_all(old.join("several/dir1")).unwrap();
    std::fs::write(old.join("several/dir1/file1"), "mine").unwrap();
    let error = guard(torrent.move_data(&old)).await.unwrap_err();
    assert_eq!((error.code(), torrent.output()), ("exists", new.clone()), "{error}");
    std::fs::remove_dir_all(old.join("several")).unwrap();
    payload.assert_at(&new);
    // And back, whereupon nothing is remembered.
    guard(torrent.move_data(&old)).await.unwrap();
    payload.assert_at(&old);
    assert!(below(&new).is_empty() && torrent.is_complete());
    assert!(client.close().await);
    let (client, torrent) = owner(settings(ours.path()), ours.path(), &metainfo).await;
    assert_eq!(torrent.output(), old);
    guard(torrent.remove(true)).await.unwrap();
    assert!(below(&old).is_empty());
    assert!(client.close().await);
}

/// A storage whose move waits at a gate.
fn gated(settings: ClientBuilder) -> (ClientBuilder, Receiver<()>, Sender<()>) {
    let ((arrived, came), (open, gate)) = (channel(), channel());
    let ends = Mutex::new((arrived, gate));
    let hook = move |what| {
        if what == "move" {
            let ends = ends.lock().unwrap();
            ends.0.send(()).unwrap();
            ends.1.recv().unwrap();
        }
        Ok(())
    };
    (hooked(settings, hook), came, open)
}

#[tokio::test]
async fn readers_read_on_in_a_move_and_a_cancelled_one_leaves_all_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    payload.write(&dir.path().join("data"));
    let (settings, came, open) = gated(settings(dir.path()));
    let (client, torrent) = owner(settings, dir.path(), &metainfo).await;
    let mut events = torrent.events();
    assert!(!torrent.cancel_move(), "there is none");
    let moving = tokio::spawn({
        let (torrent, to) = (torrent.clone(), dir.path().join("to"));
        async move { torrent.move_data(to).await }
    });
    let came = tokio::task::spawn_blocking(move || came.recv().unwrap());
    guard(came).await.unwrap();
    until(&mut events, |kind| matches!(kind, EventKind::Moving { .. })).await;
    let mut found = Vec::new();
    guard(torrent.file(1).unwrap().reader().read_to_end(&mut found)).await.unwrap();
    assert!(found == payload.files[1].1);
    assert!(torrent.cancel_move());
    open.send(()).unwrap();
    assert!(matches!(guard(moving).await.unwrap(), Err(Error::Cancelled)));
    until(&mut events, |kind| matches!(kind, EventKind::MoveFailed(why) if why.code == "cancelled")).await;
    assert!(below(&dir.path().join("to")).is_empty());
    assert_eq!((torrent.output(), torrent.state()), (dir.path().join("data"), TorrentState::Seeding));
    assert!(client.close().await);
    payload.assert_at(&dir.path().join("data"));
}

#[tokio::test]
async fn closing_ends_a_move_and_the_old_place_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    payload.write(&dir.path().join("data"));
    let (with_gate, came, open) = gated(settings(dir.path()));
    let (client, torrent) = owner(with_gate, dir.path(), &metainfo).await;
    let moving = tokio::spawn({
        let (torrent, to) = (torrent.clone(), dir.path().join("to"));
        async move { torrent.move_data(to).await }
    });
    guard(tokio::task::spawn_blocking(move || came.recv().unwrap())).await.unwrap();
    let closing = tokio::spawn(async move { client.close().await });
    // It is cancelled before the gate opens.
    let cancelled = async {
        while torrent.add_peers([]).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    guard(cancelled).await;
    torrent.cancel_move();
    open.send(()).unwrap();
    assert!(guard(closing).await.unwrap());
    assert!(guard(moving).await.unwrap().is_err());
    payload.assert_at(&dir.path().join("data"));
    let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
    assert_eq!((torrent.output(), torrent.bytes_completed()), (dir.path().join("data"), payload.len()));
    assert!(client.close().await);
}

#[tokio::test]
async fn a_move_whose_end_can_not_be_saved_is_done_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    let (old, new) = (dir.path().join("data"), dir.path().join("to"));
    payload.write(&old);
    let name = format!("{}.resume", metainfo.info_hashes().primary());
    let (saved, kept) = (dir.path().join("state").join(name), dir.path().join("kept"));
    // When all has moved, a directory is where the state is to be saved.
    let (at, aside) = (saved.clone(), kept.clone());
    let hook = move |what| {
        if what == "moved" {
            std::fs::rename(&at, &aside).unwrap();
            std::fs::create_dir_all(at.join("in the way")).unwrap();
        }
        Ok(())
    };
    let (client, torrent) = owner(hooked(settings(dir.path()), hook), dir.path(), &metainfo).await;
    let mut events = torrent.events();
    guard(torrent.move_data(&new)).await.unwrap();
    let end = |kind: &EventKind| match kind {
        EventKind::Moved { output } => *output == new,
        EventKind::MoveFailed(why) => panic!("{why}"),
        _ => false,
    };
    until(&mut events, end).await;
    assert_eq!((torrent.output(), torrent.state()), (new.clone(), TorrentState::Seeding));
    assert!(below(&old).is_empty());
    payload.assert_at(&new);
    std::fs::remove_dir_all(&saved).unwrap();
    assert!(client.close().await);
    // It was saved in the end.
    let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
    assert_eq!(torrent.output(), new);
    assert!(client.close().await);
    // Where it never was, the data is brought back.
    std::fs::rename(&kept, &saved).unwrap();
    let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
    assert_eq!((torrent.output(), torrent.bytes_completed()), (old.clone(), payload.len()));
    assert!(client.close().await);
    payload.assert_at(&old);
    assert!(below(&new).is_empty());
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_old_place_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    payload.write(&dir.path().join("data"));
    let full = |what| match what {
        "move" => Err(StorageError::DiskFull { path: PathBuf::from("full/disk") }),
        _ => Ok(()),
    };
    let (client, torrent) = owner(hooked(settings(dir.path()), full), dir.path(), &metainfo).await;
    let error = guard(torrent.move_data(dir.path().join("to"))).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().starts_with("full/disk: ")), ("disk_full", true));
    assert_eq!((torrent.output(), torrent.state()), (dir.path().join("data"), TorrentState::Seeding));
    assert!(client.close().await);
    payload.assert_at(&dir.path().join("data"));
    // The next start looks nowhere else.
    let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
    assert_eq!((torrent.output(), torrent.bytes_completed()), (dir.path().join("data"), payload.len()));
    assert!(client.close().await);
}

#[tokio::test]
async fn a_kill_in_a_move_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, metainfo) = three();
    payload.write(&dir.path().join("data"));
    let hook = copy_state_at(dir.path(), "moved");
    let (client, torrent) = owner(hooked(settings(dir.path()), hook), dir.path(), &metainfo).await;
    guard(torrent.file(2).unwrap().rename("several/renamed")).await.unwrap();
    guard(torrent.move_data(dir.path().join("to"))).await.unwrap();
    assert!(client.close().await);
    put_back(dir.path());
    // Some were moved, one was not: the old place was still the one that holds.
    let (old, new) = (dir.path().join("data/several/dir1"), dir.path().join("to/several/dir1"));
    std::fs::create_dir_all(&old).unwrap();
    std::fs::rename(new.join("file1"), old.join("file1")).unwrap();
    for _ in 0..2 {
        let (client, torrent) = owner(settings(dir.path()), dir.path(), &metainfo).await;
        assert_eq!((torrent.output(), torrent.bytes_completed()), (dir.path().join("data"), payload.len()));
        assert_eq!(
            below(&dir.path().join("data")),
            ["several/dir0/file0", "several/dir1/file1", "several/renamed"]
        );
        assert!(below(&dir.path().join("to")).is_empty());
        assert!(client.close().await);
    }
}
