//! Rows of docs/rows.md that only the whole library can show.

mod support;

use std::net::TcpListener;
use std::time::Duration;

use metainfo::Version;
use riverrun::AddTorrent;
use support::{Payload, complete, guard, settings};

#[tokio::test]
async fn row_53_a_storm_of_calls_waits_for_nobody_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let client = settings(dir.path()).build().unwrap();
    let mut all = Vec::new();
    for n in 0..30 {
        let metainfo = Payload::single(40_000 + n).metainfo(Version::V1, 16_384, None);
        // All have a file of the same name.
        let place = dir.path().join(n.to_string());
        all.push(client.add(AddTorrent::metainfo(metainfo).output(place)).await.unwrap());
    }
    for n in 0..2_000 {
        let torrent = &all[n % all.len()];
        if n / all.len() % 2 == 0 { torrent.pause().unwrap() } else { torrent.resume().unwrap() }
    }
    for torrent in &all {
        guard(torrent.snapshot()).await.unwrap();
        guard(torrent.remove(false)).await.unwrap();
    }
    assert!(all[0].pause().is_err(), "it is gone");
    assert!(client.torrents().is_empty());
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn row_55_a_tracker_that_never_answers_holds_up_no_close() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, Some(&url));
    payload.write(&dir.path().join("data"));
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone())).await.unwrap();
    complete(&torrent).await;
    // The announce is on its way, and will be for as long as the tracker likes.
    let held = guard(tokio::task::spawn_blocking(move || silent.accept().map(|held| (silent, held)))).await;
    let held = held.unwrap().unwrap();
    // Twice what a close may take: against hanging, not a measurement.
    let closed = tokio::time::timeout(Duration::from_secs(10), client.close()).await;
    assert_eq!(closed, Ok(true), "the tracker was not told, which is no loss of what is to be kept");
    drop(held);
    let again = settings(dir.path()).build().unwrap();
    let torrent = again.add(metainfo).await.unwrap();
    complete(&torrent).await;
    assert!(guard(again.close()).await);
}
