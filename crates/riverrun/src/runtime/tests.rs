use std::time::Duration;

use super::*;
use crate::{Client, EventKind, TorrentState};

const TORRENTS: [&[u8]; 2] = [
    b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
    b"d4:infod6:lengthi5e4:name1:b12:piece lengthi16384e6:pieces20:bbbbbbbbbbbbbbbbbbbbee",
];

#[tokio::test]
async fn a_panic_ends_its_torrent_and_no_other() {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let dir = std::env::temp_dir().join(format!("riverrun-panic-{}", std::process::id()));
    let settings = Client::builder().listen(listen).ipv4_only().shards(1).no_trackers();
    let client = settings.download_dir(&dir).build().unwrap();
    let mut both = Vec::new();
    for bytes in TORRENTS {
        let torrent = client.add(crate::AddTorrent::bytes(bytes)).await.unwrap();
        torrent.wait_checked().await.unwrap();
        both.push(torrent);
    }
    let mut events = client.events();
    let shard = client.shard_for_tests();
    shard.tell(ToShard::Panic(Some(both[0].id_for_tests())));
    let failed = async {
        loop {
            if let EventKind::Failed(trouble) = events.recv().await.unwrap().kind {
                break trouble;
            }
        }
    };
    let trouble = tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap();
    assert_eq!(trouble.code, "internal");
    assert!(matches!(both[0].state(), TorrentState::Failed(_)));
    assert_eq!(both[0].pause().unwrap_err().code(), "internal");
    // The other one is on the shard that was built anew, and a panic of nobody's leaves it there.
    let id = both[1].id_for_tests();
    assert!(shard.ask(|to| Question::Snapshot(id, to)).await.flatten().is_some());
    shard.tell(ToShard::Panic(None));
    // Upkeep is answered also while the shard is being built anew.
    assert!(shard.ask(Question::Usage).await.is_some());
    assert!(shard.ask(|to| Question::Snapshot(id, to)).await.flatten().is_some());
    assert_eq!(both[1].state(), TorrentState::Downloading);
    assert!(client.close().await);
    // Only where the test made it.
    let _ = std::fs::remove_dir_all(dir);
}

#[tokio::test]
async fn torrents_at_rest_are_in_no_answer() {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let dir = std::env::temp_dir().join(format!("riverrun-rest-{}", std::process::id()));
    let settings = Client::builder().listen(listen).ipv4_only().shards(1).no_trackers();
    let client = settings.download_dir(&dir).build().unwrap();
    for bytes in TORRENTS {
        let torrent = client.add(crate::AddTorrent::bytes(bytes)).await.unwrap();
        torrent.wait_checked().await.unwrap();
    }
    let shard = client.shard_for_tests();
    // What starting them was worth: outputs are drained after the turn of the questions.
    for _ in 0..2 {
        shard.ask(Question::Figures).await.unwrap();
    }
    for _ in 0..20 {
        shard.ask(Question::Usage).await.unwrap();
        assert!(shard.ask(Question::Figures).await.unwrap().is_empty());
    }
    assert!(client.close().await);
    // Only where the test made it.
    let _ = std::fs::remove_dir_all(dir);
}

#[tokio::test]
async fn a_sync_with_nothing_to_do_leaves_nothing_to_save() {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let dir = std::env::temp_dir().join(format!("riverrun-sync-{}", std::process::id()));
    let settings = Client::builder().listen(listen).ipv4_only().shards(1).no_trackers();
    let client = settings.download_dir(&dir).build().unwrap();
    let torrent = client.add(crate::AddTorrent::bytes(TORRENTS[0])).await.unwrap();
    torrent.wait_checked().await.unwrap();
    let id = torrent.id_for_tests();
    torrent.entry_for_tests().state().unsaved = false;
    let shard = client.shard_for_tests();
    shard.command(shard::Command::Sync(id));
    // Outputs are drained after the turn of the commands; then the control plane hears of them.
    for _ in 0..2 {
        shard.ask(Question::Figures).await.unwrap();
    }
    client.barrier_for_tests().await;
    assert!(!torrent.entry_for_tests().state().unsaved, "or it would be saved for ever");
    assert!(client.close().await);
    // Only where the test made it.
    let _ = std::fs::remove_dir_all(dir);
}
