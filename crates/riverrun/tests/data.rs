//! Data that is checked, deleted or taken away while a torrent is at work.

mod support;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use metainfo::Version;
use riverrun::{AddTorrent, EventKind, TorrentState};
use support::hooked::hooked;
use support::{Payload, addr, complete, guard, seeder, settings};

const PIECE: usize = 32_768;

#[tokio::test]
async fn a_recheck_in_a_running_download_loses_nothing_and_claims_nothing_wrong() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(64 * PIECE);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(2_000_000).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).peers([addr(&seed)])).await.unwrap();
    let path = ours.path().join("data/single.bin");
    let whole = &payload.files[0].1;
    for _ in 0..2 {
        let mut events = torrent.events();
        for _ in 0..6 {
            while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PieceCompleted { .. }) {}
        }
        let before = torrent.pieces();
        // One that was verified goes bad behind our back.
        let bad = before.ones().next().unwrap();
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(u64::from(bad) * PIECE as u64)).unwrap();
        std::io::Write::write_all(&mut file, &[0xaa; 9]).unwrap();
        let mut events = torrent.events();
        guard(torrent.recheck()).await.unwrap();
        let after = torrent.pieces();
        assert!(before.ones().all(|p| p == bad || after.get(p)), "what was verified stays");
        let mut fetched = false;
        while let Some(event) = events.try_recv() {
            fetched |= matches!(event.kind, EventKind::PieceCompleted { piece } if piece.0 == bad);
        }
        assert!(!after.get(bad) || fetched, "a bad piece is not claimed");
        let found = std::fs::read(&path).unwrap();
        for piece in after.ones() {
            let at = piece as usize * PIECE;
            assert!(found[at..at + PIECE] == whole[at..at + PIECE], "piece {piece}");
        }
    }
    // The book still knows whom to ask.
    complete(&torrent).await;
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn removing_with_data_leaves_nothing() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[50_000, 50_000, 50_000]);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).wanted([1]).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    complete(&torrent).await;
    let data = ours.path().join("data");
    let parts =
        || std::fs::read_dir(&data).unwrap().any(|e| e.unwrap().path().extension() == Some("parts".as_ref()));
    assert!(parts(), "pieces at the edges are kept in a part file");
    guard(torrent.remove(true)).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(client.close().await);
}

#[tokio::test]
async fn removing_a_torrent_that_is_coming_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::odd();
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let ((arrived, came), (open, gate)) = (channel(), channel());
    let log = Arc::new(Mutex::new(Vec::new()));
    let data = dir.path().join("data");
    let (told, ends) = (log.clone(), Mutex::new((arrived, gate)));
    let hook = move |what| {
        if what == "prepare" {
            let ends = ends.lock().unwrap();
            ends.0.send(()).unwrap();
            ends.1.recv().unwrap();
        } else {
            told.lock().unwrap().push(what);
        }
        Ok(())
    };
    let client = hooked(settings(dir.path()), hook).build().unwrap();
    let torrent = client.add(metainfo).await.unwrap();
    tokio::task::spawn_blocking(move || came.recv().unwrap()).await.unwrap();
    let removing = tokio::spawn({
        let torrent = torrent.clone();
        async move { torrent.remove(true).await }
    });
    let removed = async {
        while torrent.state() != TorrentState::Removed {
            tokio::task::yield_now().await;
        }
    };
    guard(removed).await;
    open.send(()).unwrap();
    guard(removing).await.unwrap().unwrap();
    assert_eq!(*log.lock().unwrap(), ["prepared", "delete"]);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    assert!(client.close().await);
}
