//! Peers that mean no good, at a client's real sockets.

mod support;

use metainfo::Version;
use riverrun::EventKind;
use support::{Payload, addr, guard, seeder_with, settings};

#[tokio::test]
async fn told_its_own_address_a_client_meets_itself_once() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    // On two shards the connection is handed from one to the other.
    for shards in [1, 2] {
        let settings = settings(dir.path()).shards(shards);
        let (client, torrent) = seeder_with(settings, dir.path(), &payload, &metainfo).await;
        let mut events = torrent.events();
        for _ in 0..3 {
            torrent.add_peers([addr(&client)]).unwrap();
            loop {
                if let EventKind::PeerUseless { addr: whom, code, retry, .. } =
                    guard(events.recv()).await.unwrap().kind
                {
                    assert_eq!((whom, code, retry), (addr(&client), "ourselves", false));
                    break;
                }
            }
        }
        let snapshot = torrent.snapshot().await.unwrap();
        assert_eq!((snapshot.known_peers, snapshot.half_open, snapshot.peers), (0, 0, 0));
        assert!(client.close().await);
    }
}
