//! Finding peers, strangers at the door, selection, disks and restarts; all on loopback.

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use metainfo::Version;
use net::tracker_server::TrackerServer;
use riverrun::storage::{Fault, MemoryFactory, StorageFactory};
use riverrun::{AddTorrent, EventKind, SeedGoal, TorrentState};
use support::{Payload, addr, complete, download, guard, seeder, seeder_with, settings};

#[tokio::test]
async fn a_tracker_brings_two_clients_together() {
    let any = Some("127.0.0.1:0".parse().unwrap());
    let server = TrackerServer::bind(any, any, Default::default()).await.unwrap();
    for url in server.announce_urls() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let payload = Payload::single(300_001);
        let metainfo = payload.metainfo(Version::V1, 32_768, Some(&url));
        let (seed, seeding) = seeder(theirs.path(), &payload, &metainfo).await;
        let mut events = seeding.events();
        // The seed is known before the other comes, so that one announce is enough.
        while seeding.trackers().await.unwrap().iter().all(|t| !t.announced) {
            guard(events.recv()).await.unwrap();
        }
        let client = settings(ours.path()).build().unwrap();
        let torrent = client.add(metainfo).await.unwrap();
        complete(&torrent).await;
        assert!(torrent.trackers().await.unwrap()[0].announced);
        assert!(client.close().await && seed.close().await);
        payload.assert_at(&ours.path().join("data"));
    }
    assert_eq!(server.totals().1, 0, "`stopped` took everyone off the lists");
}

#[tokio::test]
async fn ipv6_alone_is_enough() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let v6 = |dir: &std::path::Path| settings(dir).listen(["[::1]:0".parse().unwrap()]).ipv6_only();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder_with(v6(theirs.path()), theirs.path(), &payload, &metainfo).await;
    let client = v6(ours.path()).build().unwrap();
    download(&client, &metainfo, addr(&seed)).await;
    client.close().await;
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn selected_files_come_whole_and_the_rest_later() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Three files that share the pieces at their edges.
    let payload = Payload::files(&[50_000, 50_000, 50_000]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).wanted([1]).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    complete(&torrent).await;
    let files = torrent.files();
    let there = |n: usize| torrent.output().join(files[n].path()).exists();
    assert!(files[1].is_complete() && there(1));
    assert!(!there(0) && !there(2), "files that are not wanted are not made");
    assert!(!files[0].is_wanted() && files[0].progress() < files[0].len());
    assert_eq!(torrent.set_wanted([9]).await.unwrap_err().code(), "no_such_file");
    guard(torrent.want_all()).await.unwrap();
    complete(&torrent).await;
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn share_mode_fetches_what_three_others_lack_and_the_rest_when_it_ends() {
    let dirs: Vec<_> = (0..5).map(|_| tempfile::tempdir().unwrap()).collect();
    let payload = Payload::single(64 * 32_768);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(dirs[0].path(), &payload, &metainfo).await;
    let client = settings(dirs[1].path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).peers([addr(&seed)]).share_mode(true);
    let torrent = client.add(add).await.unwrap();
    let mut events = torrent.events();
    let mut leeches = Vec::new();
    for dir in &dirs[2..] {
        assert_eq!(torrent.snapshot().await.unwrap().session_downloaded, 0, "fewer than three lack anything");
        let leech = settings(dir.path()).build().unwrap();
        let add = AddTorrent::metainfo(metainfo.clone()).peers([addr(&client)]).rates(Some(2_000), None);
        leeches.push((leech.add(add).await.unwrap(), leech));
    }
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PieceCompleted { .. }) {}
    let snapshot = torrent.snapshot().await.unwrap();
    assert!(snapshot.pieces_have <= 3 && snapshot.pieces_missing >= 61, "{snapshot:?}");
    assert_eq!(snapshot.state, TorrentState::Downloading);
    torrent.set_share_mode(false);
    complete(&torrent).await;
    client.close().await;
    payload.assert_at(&dirs[1].path().join("data"));
}

#[tokio::test]
async fn the_goal_of_a_torrent_in_share_mode_counts_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Payload::single(100_000).metainfo(Version::V1, 32_768, None);
    let client = settings(dir.path()).build().unwrap();
    let goal = SeedGoal::none().time(std::time::Duration::from_millis(1));
    let mut events = client.events();
    let add = AddTorrent::metainfo(metainfo).share_mode(true).seed_goal(goal);
    let torrent = client.add(add).await.unwrap();
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::GoalReached) {}
    assert_eq!(torrent.snapshot().await.unwrap().state, TorrentState::Paused);
    client.close().await;
}

#[tokio::test]
async fn after_a_kill_nothing_verified_is_fetched_again() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(64 * 32_768);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(400_000).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    let mut events = torrent.events();
    let mut stored = 0;
    while stored < 8 {
        let event = guard(events.recv()).await.unwrap();
        stored += u32::from(matches!(event.kind, EventKind::PieceCompleted { .. }));
    }
    let before = torrent.pieces();
    drop((client, torrent));
    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).paused(true)).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    let after = torrent.pieces();
    assert!(before.ones().all(|p| after.get(p)), "{} then, {} now", before.count(), after.count());
    torrent.add_peers([addr(&seed)]).unwrap();
    torrent.resume().unwrap();
    complete(&torrent).await;
    let snapshot = torrent.snapshot().await.unwrap();
    let missing = u64::from(64 - after.count()) * 32_768;
    assert!(snapshot.session_downloaded <= missing + 32_768, "{snapshot:?}");
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn a_file_that_is_deleted_during_the_download_holds_up_no_other() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[20 * 32_768, 20 * 32_768, 20 * 32_768]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(500_000).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    let mut events = torrent.events();
    let begun = |n: usize| torrent.files()[n].progress() > 0;
    while !(0..3).all(begun) {
        guard(events.recv()).await.unwrap();
    }
    let path = torrent.output().join(torrent.files()[1].path());
    std::fs::remove_file(&path).unwrap();
    let whole = |n: usize| torrent.files()[n].is_complete();
    while !(whole(0) && whole(2)) {
        guard(events.recv()).await.unwrap();
    }
    // What is written into a file that is open and deleted is found out by the next sync.
    let trouble = loop {
        if let TorrentState::Stalled(trouble) = torrent.state() {
            break trouble;
        }
        guard(events.recv()).await.unwrap();
    };
    assert!(trouble.message.contains(&*path.to_string_lossy()), "{trouble}");
    assert!(trouble.message.contains("recheck"), "{trouble}");
    guard(torrent.recheck()).await.unwrap();
    complete(&torrent).await;
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn a_closed_client_goes_on_without_a_check() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::odd();
    let metainfo = payload.metainfo(Version::Hybrid, 16_384, None);
    let (client, torrent) = seeder(dir.path(), &payload, &metainfo).await;
    let pieces = torrent.pieces();
    assert!(client.close().await);
    assert_eq!(torrent.pause().unwrap_err().code(), "closed");
    // The same length and time with other bytes: only a check would notice, and none is made.
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(metainfo).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    assert_eq!(torrent.pieces(), pieces);
    assert_eq!(torrent.state(), TorrentState::Seeding);
    assert!(client.close().await);
}

#[tokio::test]
async fn a_recheck_finds_the_one_bad_piece_and_fetches_it_alone() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(10 * 32_768);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let mut events = client.events();
    let torrent = download(&client, &metainfo, addr(&seed)).await;
    // The news of the download itself ends with this.
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::Completed) {}
    // In place: to cut the file, if only for a moment, is trouble of another kind for a sync that is under way.
    let path = ours.path().join("data/single.bin");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(4 * 32_768 + 7)).unwrap();
    std::io::Write::write_all(&mut file, &[!payload.files[0].1[4 * 32_768 + 7]]).unwrap();
    drop(file);
    let before = torrent.snapshot().await.unwrap().session_downloaded;
    guard(torrent.recheck()).await.unwrap();
    torrent.add_peers([addr(&seed)]).unwrap();
    complete(&torrent).await;
    let snapshot = torrent.snapshot().await.unwrap();
    assert_eq!(snapshot.session_downloaded - before, 32_768);
    let mut fetched = Vec::new();
    while let Some(event) = events.try_recv() {
        if let EventKind::PieceCompleted { piece } = event.kind {
            fetched.push(piece.0);
        }
    }
    assert_eq!(fetched, [4]);
    assert!(client.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn strangers_do_not_disturb() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(500_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let hello =
        |hash: [u8; 20]| [b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0", &hash[..], &[b'x'; 20]].concat();
    let ours_hash = metainfo.info_hashes().primary().0;
    let too_long = [hello(ours_hash), u32::MAX.to_be_bytes().to_vec()].concat();
    let nonsense = [hello(ours_hash), vec![0, 0, 0, 5, 4, 0xff, 0xff, 0xff, 0xff]].concat();
    let lines = [support::bytes(3, 4_096), hello([9; 20]), too_long, nonsense, Vec::new()];
    let mut strangers = Vec::new();
    for line in &lines {
        let mut stranger = TcpStream::connect(addr(&seed)).unwrap();
        // The other end may close while we write.
        let _ = stranger.write_all(line);
        strangers.push(stranger);
    }
    let client = settings(ours.path()).build().unwrap();
    download(&client, &metainfo, addr(&seed)).await;
    drop(strangers);
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn a_full_disk_stalls_and_recovers() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(600_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let memory = Arc::new(MemoryFactory::new());
    let factory = memory.clone();
    let open = move |_: &std::path::Path| -> Arc<dyn StorageFactory> { factory.clone() };
    let client = settings(ours.path()).storage(open).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).paused(true)).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    let disk = memory.get(torrent.info_hashes().primary()).unwrap();
    disk.inject(Fault::FullAfter(100_000));
    let mut events = torrent.events();
    torrent.add_peers([addr(&seed)]).unwrap();
    torrent.resume().unwrap();
    let trouble = loop {
        if let EventKind::Stalled(trouble) = guard(events.recv()).await.unwrap().kind {
            break trouble;
        }
    };
    assert_eq!(trouble.code, "disk_full");
    disk.inject(Fault::None);
    complete(&torrent).await;
    // The last piece may be stored before the disk counts as recovered.
    while torrent.state() != TorrentState::Seeding {
        guard(events.recv()).await.unwrap();
    }
    client.close().await;
}

#[tokio::test]
async fn duplicates_goals_and_bytes_that_are_no_torrent() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    seeding.set_seed_goal(Some(SeedGoal::none().ratio(1.0)));
    let mut events = seeding.events();
    let client = settings(ours.path()).build().unwrap();
    let torrent = download(&client, &metainfo, addr(&seed)).await;
    let again = client.add(metainfo.clone()).await.unwrap();
    assert_eq!((client.torrents().len(), again.info_hashes()), (1, torrent.info_hashes()));
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::GoalReached) {}
    assert_eq!(seeding.state(), TorrentState::Paused);
    assert_eq!(client.add(AddTorrent::bytes(*b"d4:infoi1ee")).await.unwrap_err().code(), "bad_torrent");
    guard(torrent.remove(true)).await.unwrap();
    assert_eq!(torrent.remove(true).await.unwrap_err().code(), "removed");
    assert!(client.torrents().is_empty() && !ours.path().join("data/single.bin").exists());
    assert!(client.close().await);
}

#[tokio::test]
async fn a_goal_in_time_is_reached_without_a_peer() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    payload.write(&dir.path().join("data"));
    let client = settings(dir.path()).build().unwrap();
    let mut events = client.events();
    let goal = SeedGoal::none().time(std::time::Duration::from_millis(1));
    let torrent = client.add(AddTorrent::metainfo(metainfo).seed_goal(goal)).await.unwrap();
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::GoalReached) {}
    assert_eq!(torrent.state(), TorrentState::Paused);
    // It counts from here anew.
    torrent.resume().unwrap();
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::GoalReached) {}
    assert!(client.close().await);
}

#[tokio::test]
async fn a_file_that_is_cut_short_stalls_its_pieces_until_it_is_back() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(200_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let mut events = seeding.events();
    std::fs::write(theirs.path().join("data/single.bin"), b"").unwrap();
    let client = settings(ours.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).peers([addr(&seed)]);
    let _torrent = client.add(add).await.unwrap();
    let trouble = loop {
        if let EventKind::Stalled(trouble) = guard(events.recv()).await.unwrap().kind {
            break trouble;
        }
    };
    assert!(trouble.message.contains("single.bin"), "{trouble}");
    let forgotten = async {
        while seeding.pieces().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    guard(forgotten).await;
    payload.write(&theirs.path().join("data"));
    complete(&seeding).await;
    assert!(client.close().await && seed.close().await);
}
