//! What is saved of a torrent, and restored when it is added again.

mod support;

use metainfo::Version;
use riverrun::{AddTorrent, EventKind, PieceIndex, Priority, TorrentState};
use support::{Payload, addr, complete, guard, seeder, settings};

#[tokio::test]
async fn a_torrent_that_is_added_again_goes_on_where_it_was() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[500_000, 1_500_000, 100_000]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(300_000).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).wanted([1]).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    let mut events = torrent.events();
    for _ in 0..3 {
        while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PieceCompleted { .. }) {}
    }
    torrent.add_trackers(["http://127.0.0.1:1/announce"]).unwrap();
    torrent.pause().unwrap();
    let before = torrent.snapshot().await.unwrap();
    assert!(client.close().await);

    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    assert_eq!(torrent.state(), TorrentState::Paused);
    let wanted: Vec<bool> = torrent.files().iter().map(|file| file.is_wanted()).collect();
    assert_eq!(wanted, [false, true, false]);
    let now = torrent.snapshot().await.unwrap();
    assert!(now.downloaded >= before.downloaded && now.downloaded > 0, "{now:?}");
    assert_eq!(now.session_downloaded, 0);
    let trackers = torrent.trackers().await.unwrap();
    assert_eq!(trackers.iter().map(|t| t.url.as_str()).collect::<Vec<_>>(), ["http://127.0.0.1:1/announce"]);
    torrent.resume().unwrap();
    // Nobody names the peer again.
    complete(&torrent).await;
    assert!(client.close().await);

    // What is said now goes before what was saved.
    let client = settings(ours.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).wanted([0, 1, 2]).without_own_trackers();
    let torrent = client.add(add.peers([addr(&seed)])).await.unwrap();
    complete(&torrent).await;
    assert_eq!(torrent.state(), TorrentState::Seeding);
    assert!(torrent.trackers().await.unwrap().is_empty());
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn paused_stays_paused_and_running_stays_running() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    payload.write(&dir.path().join("data"));
    for (say, expect) in [
        (None, TorrentState::Seeding),
        (Some(true), TorrentState::Paused),
        (None, TorrentState::Paused),
        (Some(false), TorrentState::Seeding),
        (None, TorrentState::Seeding),
    ] {
        let client = settings(dir.path()).build().unwrap();
        let mut add = AddTorrent::metainfo(metainfo.clone());
        if let Some(paused) = say {
            add = add.paused(paused);
        }
        let torrent = client.add(add).await.unwrap();
        guard(torrent.wait_checked()).await.unwrap();
        assert_eq!(torrent.state(), expect, "{say:?}");
        assert!(client.close().await);
    }
}

#[tokio::test]
async fn priorities_of_files_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::files(&[50_000, 50_000, 50_000, 50_000]);
    let metainfo = payload.metainfo(Version::V1, 16_384, None);
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    for (file, priority) in [(0, Priority::TOP), (1, Priority::NONE), (2, Priority::LOW)] {
        torrent.file(file).unwrap().set_priority(priority).await.unwrap();
    }
    assert!(client.close().await);

    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    let priorities: Vec<Priority> = torrent.files().iter().map(|file| file.priority()).collect();
    assert_eq!(priorities, [Priority::TOP, Priority::NONE, Priority::LOW, Priority::NORMAL]);
    assert_eq!(torrent.piece(PieceIndex(0)).unwrap().state().priority, Priority::TOP);
    assert!(client.close().await);

    // What is said now goes before what was saved.
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).all_files()).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    assert!(torrent.files().iter().all(|file| file.priority() == Priority::NORMAL));
    assert!(client.close().await);
}
