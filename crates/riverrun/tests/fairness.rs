//! Who gets what where there is not enough.

mod support;

use metainfo::Version;
use riverrun::AddTorrent;
use support::{Payload, addr, complete, seeder, seeder_with, settings};

#[tokio::test]
async fn a_download_limit_leaves_no_peer_without_a_turn() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let payload = Payload::single(3_000_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (first, a) = seeder(dirs[0].path(), &payload, &metainfo).await;
    let (second, b) = seeder(dirs[1].path(), &payload, &metainfo).await;
    let client = settings(dirs[2].path()).download_rate(1_000_000).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).peers([addr(&first), addr(&second)]);
    let torrent = client.add(add).await.unwrap();
    complete(&torrent).await;
    let sent = [a.snapshot().await.unwrap(), b.snapshot().await.unwrap()].map(|s| s.session_uploaded);
    assert!(sent.iter().all(|sent| *sent > 600_000), "{sent:?}");
    for client in [client, first, second] {
        assert!(client.close().await);
    }
}

#[tokio::test]
async fn an_upload_limit_is_shared_among_those_who_are_served() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let payload = Payload::single(1_500_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let settings_of = |n: usize| settings(dirs[n].path()).pex(false).lsd(false);
    let (seed, _) =
        seeder_with(settings_of(0).upload_rate(1_000_000), dirs[0].path(), &payload, &metainfo).await;
    let (left, right) = (settings_of(1).build().unwrap(), settings_of(2).build().unwrap());
    let add = || AddTorrent::metainfo(metainfo.clone()).peers([addr(&seed)]);
    let (a, b) = (left.add(add()).await.unwrap(), right.add(add()).await.unwrap());
    let last = tokio::select! {
        () = complete(&a) => &b,
        () = complete(&b) => &a,
    };
    let got = last.bytes_completed();
    assert!(got > 400_000, "{got}");
    for client in [left, right, seed] {
        assert!(client.close().await);
    }
}
