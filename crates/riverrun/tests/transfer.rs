//! Whole transfers between two clients on loopback.

mod support;

use metainfo::Version;
use support::{Payload, addr, download, seeder, settings};

async fn transfers(payload: &Payload, version: Version, piece_len: u32) {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let metainfo = payload.metainfo(version, piece_len, None);
    println!("{version:?}, pieces of {piece_len}");
    let (seed, _) = seeder(theirs.path(), payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let torrent = download(&client, &metainfo, addr(&seed)).await;
    let snapshot = torrent.snapshot().await.unwrap();
    assert_eq!((snapshot.bytes_left, snapshot.pieces_have), (0, snapshot.pieces));
    assert!(torrent.files().iter().all(|f| f.is_complete()));
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn one_file_of_v1() {
    transfers(&Payload::single(1_000_003), Version::V1, 65_536).await;
}

#[tokio::test]
async fn many_files_of_odd_lengths_in_each_version() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        transfers(&Payload::odd(), version, 32_768).await;
    }
}

#[tokio::test]
async fn a_last_piece_of_one_byte_and_a_single_piece() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        transfers(&Payload::single(3 * 16_384 + 1), version, 16_384).await;
        transfers(&Payload::single(777), version, 16_384).await;
    }
}
