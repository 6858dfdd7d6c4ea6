//! Figures of connections, torrents and clients, and the report that shows them.

mod support;

use metainfo::Version;
use riverrun::{AddTorrent, PeerSource, Waste};
use support::{Payload, addr, download, seeder, settings};

#[tokio::test]
async fn peers_are_counted_by_source_and_bytes_add_up() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(500_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, served) = seeder(theirs.path(), &payload, &metainfo).await;
    // Slow enough that the connection is still there when it is looked at, and then not at all. From the start, as a change
    // takes a quarter of a second.
    let client = settings(ours.path()).download_rate(50_000).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).peers([addr(&seed)])).await.unwrap();
    let mut events = torrent.events();
    while !matches!(events.recv().await.unwrap().kind, riverrun::EventKind::PieceCompleted { .. }) {}

    let peers = torrent.peers().await.unwrap();
    assert_eq!((peers.len(), peers[0].source, peers[0].dialed), (1, PeerSource::Manual, true));
    assert!(peers[0].flags().starts_with('D'), "{peers:?}");
    assert_eq!(served.peers().await.unwrap()[0].source, PeerSource::Incoming);
    let known = torrent.known_peers().await.unwrap();
    assert_eq!((known.len(), known[0].addr, known[0].source), (1, addr(&seed), PeerSource::Manual));
    assert!(known[0].connected && known[0].failures == 0);
    let count = torrent.snapshot().await.unwrap().sources[0];
    assert_eq!((count.source, count.known, count.connected), (PeerSource::Manual, 1, 1));
    let incoming = seed.stats().await.sources.into_iter().find(|count| count.source == PeerSource::Incoming);
    assert_eq!(incoming.map(|count| count.connected), Some(1));
    let text = client.report().await.to_string();
    for line in ["peers by source, connected/known: manual 1/1", "state: downloading", "missing, priority 4"]
    {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(text.contains(&addr(&seed).to_string()), "{text}");

    client.set_rates(None, None);
    let torrent = download(&client, &metainfo, addr(&seed)).await;
    let (snapshot, stats) = (torrent.snapshot().await.unwrap(), client.stats().await);
    assert_eq!(snapshot.session_downloaded, payload.len() + snapshot.wasted.total());
    assert_eq!((stats.downloaded, stats.uploaded), (snapshot.session_downloaded, 0));
    assert_eq!((snapshot.wasted.hash_failed, snapshot.wasted.unasked), (0, 0));
    assert_eq!(stats.wasted, snapshot.wasted);
    assert_eq!(served.snapshot().await.unwrap().wasted, Waste::default());
    let report = client.report().await;
    assert_eq!((report.torrents[0].pieces.len(), report.torrents[0].pieces[0].pieces.clone()), (1, 0..16));
    assert!(client.close().await && seed.close().await);
}
