//! Torrents by magnet link: metadata from peers, from an earlier run, and links that lead nowhere; all on
//! loopback.

mod support;

use std::time::Duration;

use metainfo::{Magnet, Version};
use riverrun::{AddTorrent, Client, EventKind, Source, Torrent, TorrentState};
use support::{Payload, addr, complete, guard, seeder, seeder_with, settings};

/// A link with the address of a client in it.
fn link(hashes: types::InfoHashes, peer: &Client) -> Magnet {
    let mut magnet = Magnet::new(hashes);
    let addr = addr(peer);
    magnet.peers = vec![
        format!("magnet:?xt=urn:btih:{}&x.pe={addr}", "0".repeat(40)).parse::<Magnet>().unwrap().peers[0]
            .clone(),
    ];
    magnet
}

async fn add(client: &Client, magnet: Magnet) -> Torrent {
    client.add(AddTorrent::new(Source::Magnet(Box::new(magnet)))).await.unwrap()
}

#[tokio::test]
async fn a_link_with_a_peer_is_enough() {
    // A v2 torrent of small files needs no hashes beside its metadata.
    for (payload, version) in [
        (Payload::odd(), Version::V1),
        (Payload::odd(), Version::Hybrid),
        (Payload::files(&[10_000, 200, 30_000]), Version::V2),
    ] {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let metainfo = payload.metainfo(version, 32_768, None);
        let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
        let client = settings(ours.path()).build().unwrap();
        let mut events = client.events();
        let mut magnet = link(metainfo.info_hashes(), &seed);
        magnet.name = Some("a name to show".to_owned());
        // At rest first: metadata comes quickly on loopback.
        let source = Source::Magnet(Box::new(magnet));
        let torrent = client.add(AddTorrent::new(source).paused(true)).await.unwrap();
        assert_eq!((torrent.name(), torrent.files().len()), ("a name to show", 0));
        assert!(torrent.metainfo().is_none());
        // What nobody knows yet has no pieces and no bytes.
        let first = types::PieceIndex(0);
        assert_eq!((torrent.pieces().len(), torrent.piece_len(first), torrent.bytes_missing()), (0, 0, 0));
        assert!(torrent.piece_runs().is_empty() && torrent.piece(first).is_none());
        torrent.resume().unwrap();
        assert_eq!(guard(torrent.wait_metadata()).await.unwrap().info().raw(), metainfo.info().raw());
        complete(&torrent).await;
        assert_eq!(torrent.name(), payload.name);
        while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::MetadataReceived) {}
        assert!(client.close().await && seed.close().await);
        payload.assert_at(&ours.path().join("data"));
    }
}

/// What is kept on the disk is served, and pieces are compared with it.
#[tokio::test]
async fn metadata_on_the_disk_is_as_good_as_in_memory() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::odd();
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let seed_settings = settings(theirs.path()).metadata_on_disk(true);
    let (seed, _seeding) = seeder_with(seed_settings, theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).metadata_on_disk(true).build().unwrap();
    let torrent = add(&client, link(metainfo.info_hashes(), &seed)).await;
    complete(&torrent).await;
    assert_eq!(torrent.metainfo().unwrap().info().raw(), metainfo.info().raw());
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn a_cut_v2_name_and_either_name_of_a_hybrid_are_enough() {
    let theirs = tempfile::tempdir().unwrap();
    let payload = Payload::odd();
    let metainfo = payload.metainfo(Version::Hybrid, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let hashes = metainfo.info_hashes();
    let (v1, v2) = (hashes.get_v1().unwrap(), hashes.get_v2().unwrap());
    for hashes in [types::InfoHashes::v1(v1), types::InfoHashes::v1(v2.truncated())] {
        let ours = tempfile::tempdir().unwrap();
        let client = settings(ours.path()).build().unwrap();
        let torrent = add(&client, link(hashes, &seed)).await;
        complete(&torrent).await;
        assert!(client.close().await);
        payload.assert_at(&ours.path().join("data"));
    }
    seed.close().await;
}

#[tokio::test]
async fn a_selection_in_the_link_holds() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[100_000, 200_000, 300_000]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let mut magnet = link(metainfo.info_hashes(), &seed);
    magnet.select = vec![1..=1];
    let torrent = add(&client, magnet).await;
    complete(&torrent).await;
    let wanted: Vec<bool> = torrent.files().iter().map(|file| file.is_wanted()).collect();
    assert_eq!(wanted, [false, true, false]);
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn a_selection_of_no_file_is_no_success() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[100_000, 200_000]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let mut magnet = link(metainfo.info_hashes(), &seed);
    magnet.select = vec![7..=8];
    let torrent = add(&client, magnet).await;
    let error = guard(torrent.wait_complete()).await.unwrap_err();
    assert_eq!(error.code(), "no_such_file");
    assert!(error.to_string().contains("no file 7; its files are numbered from 0 to 1"), "{error}");
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn a_restart_needs_no_swarm() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_001);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let magnet = link(metainfo.info_hashes(), &seed);
    let client = settings(ours.path()).build().unwrap();
    complete(&add(&client, magnet.clone()).await).await;
    assert!(client.close().await && seed.close().await);
    let client = settings(ours.path()).build().unwrap();
    let torrent = add(&client, magnet).await;
    assert!(torrent.metainfo().is_some());
    complete(&torrent).await;
    guard(torrent.remove(false)).await.unwrap();
    assert!(client.close().await);
    assert_eq!(
        std::fs::read_dir(ours.path().join("state"))
            .unwrap()
            .flatten()
            .filter(|f| f.path().extension().is_some_and(|e| e == "torrent"))
            .count(),
        0
    );
}

#[tokio::test]
async fn metadata_alone_can_be_had() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_001);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let source = Source::Magnet(Box::new(link(metainfo.info_hashes(), &seed)));
    let torrent = client.add(AddTorrent::new(source).metadata_only()).await.unwrap();
    guard(torrent.wait_metadata()).await.unwrap();
    assert_eq!(torrent.state(), TorrentState::Paused);
    assert!(client.close().await && seed.close().await);
    assert!(!ours.path().join("data/single.bin").exists());
}

#[tokio::test]
async fn what_was_wanted_for_its_metadata_can_be_downloaded_then() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::files(&[100_000, 200_000, 300_000]);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let only = |magnet: Magnet| AddTorrent::new(Source::Magnet(Box::new(magnet))).metadata_only();
    let magnet = link(metainfo.info_hashes(), &seed);

    // From the swarm, and then from what the first run saved: the files that were chosen when they were
    // known.
    for (file, wanted) in [(1, [false, true, false]), (2, [false, false, true])] {
        let client = settings(ours.path()).build().unwrap();
        let torrent = client.add(only(magnet.clone())).await.unwrap();
        guard(torrent.wait_metadata()).await.unwrap();
        assert_eq!(torrent.state(), TorrentState::Paused);
        assert!(torrent.download(Some(vec![7])).await.is_err());
        guard(torrent.download(Some(vec![file]))).await.unwrap();
        complete(&torrent).await;
        let found: Vec<bool> = torrent.files().iter().map(|file| file.is_wanted()).collect();
        assert_eq!(found, wanted);
        // A second time it is a change of the selection.
        guard(torrent.download(None)).await.unwrap();
        guard(torrent.download(Some(vec![file, 0]))).await.unwrap();
        complete(&torrent).await;
        assert!(torrent.files()[0].is_wanted());
        assert!(client.close().await);
    }
    // The selection of the link holds where nobody says another.
    let ours = tempfile::tempdir().unwrap();
    let client = settings(ours.path()).build().unwrap();
    let mut magnet = magnet;
    magnet.select = vec![2..=2];
    let torrent = client.add(only(magnet)).await.unwrap();
    guard(torrent.download(None)).await.unwrap();
    complete(&torrent).await;
    assert_eq!(torrent.files().iter().map(|file| file.is_wanted()).collect::<Vec<_>>(), [false, false, true]);
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn peers_of_a_link_are_looked_up_by_name() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_001);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let mut events = client.events();
    let mut magnet = Magnet::new(metainfo.info_hashes());
    let peer = |host: &str| riverrun::Node { host: host.to_owned(), port: addr(&seed).port() };
    magnet.peers = vec![peer("no\0name"), peer("localhost")];
    complete(&add(&client, magnet).await).await;
    assert!(client.close().await && seed.close().await);
    loop {
        let event = events.recv().await.expect("it is told which name is nobody's");
        if let EventKind::PeerNotFound { peer, .. } = event.kind {
            assert!(peer.starts_with("no\0name:"), "{peer}");
            return;
        }
    }
}

#[tokio::test]
async fn piece_layers_can_not_come_by_magnet_yet() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_001);
    let metainfo = payload.metainfo(Version::V2, 32_768, None);
    let (seed, _seeding) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let torrent = add(&client, link(metainfo.info_hashes(), &seed)).await;
    let error = guard(torrent.wait_complete()).await.unwrap_err();
    assert_eq!(error.code(), "hash_exchange_missing");
    guard(torrent.remove(true)).await.unwrap();
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn nothing_hangs_while_nobody_has_the_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let client = settings(dir.path()).build().unwrap();
    let bare = || AddTorrent::new(Source::parse(&"ab".repeat(20)).unwrap());
    let torrent = client.add(bare()).await.unwrap();
    assert!(matches!(torrent.state(), TorrentState::FetchingMetadata { .. }));
    assert_eq!(client.add(bare()).await.unwrap().info_hashes(), torrent.info_hashes());
    torrent.pause().unwrap();
    assert_eq!(torrent.state(), TorrentState::Paused);
    torrent.resume().unwrap();
    guard(torrent.recheck()).await.unwrap();
    assert!(torrent.set_wanted([7]).await.is_err());
    let snapshot = torrent.snapshot().await.unwrap();
    assert_eq!((snapshot.pieces, snapshot.bytes), (0, 0));
    let waited = tokio::time::timeout(Duration::from_millis(50), torrent.wait_metadata()).await;
    assert!(waited.is_err());
    guard(torrent.remove(true)).await.unwrap();
    assert_eq!(torrent.wait_metadata().await.unwrap_err().code(), "removed");
    let torrent = client.add(bare()).await.unwrap();
    assert!(guard(client.close()).await);
    assert_eq!(torrent.wait_metadata().await.unwrap_err().code(), "closed");
}
