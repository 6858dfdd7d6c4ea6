//! Two torrents of one client whose files have the same paths: what one has verified the other never writes over or deletes.

mod support;

use metainfo::Version;
use riverrun::Error;
use support::{Payload, addr, bytes, complete, guard, seeder};

const PIECE: u32 = 16_384;

fn movie(seed: u64) -> Payload {
    Payload { name: "movie", files: vec![("film".to_owned(), bytes(seed, 300_000))] }
}

#[tokio::test]
async fn who_would_write_into_files_of_another_torrent_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (movie(1), movie(2));
    let [first, second] = [&one, &two].map(|payload| payload.metainfo(Version::V1, PIECE, None));
    let (other, _seeding) = seeder(&dir.path().join("other"), &two, &second).await;
    let (client, theirs) = seeder(&dir.path().join("ours"), &one, &first).await;
    let torrent = guard(client.add(second)).await.unwrap();
    let refused = guard(torrent.wait_checked()).await.unwrap_err();
    assert!(refused.to_string().contains("choose another directory"), "{refused}");
    assert_eq!(refused.code(), "in_use", "{refused:?}");
    // It takes no peers, and its files are not its own to delete.
    let _ = torrent.add_peers([addr(&other)]);
    let kept = guard(torrent.remove(true)).await.unwrap_err();
    assert_eq!(kept.code(), "in_use", "{kept:?}");
    assert!(guard(theirs.recheck()).await.is_ok());
    complete(&theirs).await;
    one.assert_at(&dir.path().join("ours/data"));
    assert!(guard(client.close()).await && guard(other.close()).await);
}

#[tokio::test]
async fn two_torrents_of_the_same_data_share_it_and_the_last_deletes_it() {
    let dir = tempfile::tempdir().unwrap();
    let payload = movie(1);
    let first = payload.metainfo(Version::V1, PIECE, None);
    let second = payload.metainfo(Version::V1, 2 * PIECE, None);
    let (client, theirs) = seeder(dir.path(), &payload, &first).await;
    let torrent = guard(client.add(second)).await.unwrap();
    complete(&torrent).await;
    assert!(matches!(guard(theirs.remove(true)).await, Err(Error::Disk(_))));
    payload.assert_at(&dir.path().join("data"));
    guard(torrent.remove(true)).await.unwrap();
    assert!(!dir.path().join("data/movie").exists());
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn the_same_name_in_another_directory_is_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (movie(1), movie(2));
    let [first, second] = [&one, &two].map(|payload| payload.metainfo(Version::V1, PIECE, None));
    let (other, _seeding) = seeder(&dir.path().join("other"), &two, &second).await;
    let (client, _theirs) = seeder(&dir.path().join("ours"), &one, &first).await;
    let elsewhere = dir.path().join("elsewhere");
    let add = riverrun::AddTorrent::metainfo(second).output(&elsewhere).peers([addr(&other)]);
    complete(&guard(client.add(add)).await.unwrap()).await;
    two.assert_at(&elsewhere);
    one.assert_at(&dir.path().join("ours/data"));
    assert!(guard(client.close()).await && guard(other.close()).await);
}
