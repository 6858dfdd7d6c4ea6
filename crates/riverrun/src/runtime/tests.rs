use std::time::Duration;

use shard::Trap;
use types::InfoHashes;

use super::*;
use crate::{Client, Event, EventKind, Events, Torrent, TorrentState, Trouble};

const TORRENTS: [&[u8]; 2] = [
    b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
    b"d4:infod6:lengthi5e4:name1:b12:piece lengthi16384e6:pieces20:bbbbbbbbbbbbbbbbbbbbee",
];

/// A client with one shard, and both torrents on it.
async fn client(dir: &std::path::Path) -> (Client, [Torrent; 2]) {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let settings = Client::builder().listen(listen).ipv4_only().shards(1).no_trackers();
    let client = settings.download_dir(dir).build().unwrap();
    let mut both = Vec::new();
    for bytes in TORRENTS {
        let torrent = client.add(crate::AddTorrent::bytes(bytes)).await.unwrap();
        torrent.wait_checked().await.unwrap();
        both.push(torrent);
    }
    (client, both.try_into().unwrap())
}

async fn failure(events: &mut Events) -> (InfoHashes, Trouble) {
    let failed = async {
        loop {
            let event = events.recv().await.unwrap();
            if let EventKind::Failed(trouble) = event.kind {
                break (event.torrent.unwrap(), trouble);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap()
}

#[tokio::test]
async fn a_panic_ends_its_torrent_and_no_other() {
    for trap in [Trap::Command, Trap::EndPass, Trap::Poll, Trap::Timer] {
        let dir = tempfile::tempdir().unwrap();
        let (client, [culprit, other]) = client(dir.path()).await;
        let mut events = client.events();
        let shard = client.shard_for_tests();
        shard.tell(ToShard::Trap(culprit.id_for_tests(), trap));
        if trap == Trap::Command {
            culprit.resume().unwrap();
        }
        let (whose, trouble) = failure(&mut events).await;
        assert_eq!((whose, trouble.code), (culprit.info_hashes(), "internal"), "{trap:?}");
        assert!(trouble.message.contains("a panic on purpose"), "{trouble}");
        assert!(matches!(culprit.state(), TorrentState::Failed(_)));
        assert_eq!(culprit.pause().unwrap_err().code(), "internal");
        // The other one is on the shard that was built anew, and nothing was said of it.
        client.barrier_for_tests().await;
        let id = other.id_for_tests();
        assert!(shard.ask(|to| Question::Snapshot(id, to)).await.flatten().is_some(), "{trap:?}");
        assert_eq!(other.state(), TorrentState::Downloading);
        let others = |event: &Event| event.torrent == Some(other.info_hashes());
        assert!(std::iter::from_fn(|| events.try_recv()).all(|event| !others(&event)), "{trap:?}");
        assert!(client.close().await);
    }
}

#[tokio::test]
async fn a_panic_of_nobodys_work_is_survived_once() {
    let dir = tempfile::tempdir().unwrap();
    let (client, both) = client(dir.path()).await;
    let mut events = client.events();
    let shard = client.shard_for_tests();
    shard.tell(ToShard::Panic);
    // Upkeep is answered also while the shard is being built anew.
    assert!(shard.ask(Question::Usage).await.is_some());
    client.barrier_for_tests().await;
    for torrent in &both {
        let id = torrent.id_for_tests();
        assert!(shard.ask(|to| Question::Snapshot(id, to)).await.flatten().is_some());
        assert_eq!(torrent.state(), TorrentState::Downloading);
    }
    shard.tell(ToShard::Panic);
    for _ in &both {
        assert_eq!(failure(&mut events).await.1.code, "internal");
    }
    assert!(client.close().await);
}

#[tokio::test]
async fn a_shard_that_is_built_anew_knows_what_its_torrents_had_become() {
    let dir = tempfile::tempdir().unwrap();
    let (client, [paused, removed]) = client(dir.path()).await;
    std::fs::write(dir.path().join("c"), b"hello").unwrap();
    let mut whole = b"d4:infod6:lengthi5e4:name1:c12:piece lengthi16384e6:pieces20:".to_vec();
    whole.extend(hash::sha1(b"hello"));
    whole.extend(b"ee");
    let whole = client.add(crate::AddTorrent::bytes(whole)).await.unwrap();
    whole.wait_complete().await.unwrap();
    paused.pause().unwrap();
    let link = crate::Source::parse("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567").unwrap();
    let link = client.add(crate::AddTorrent::new(link)).await.unwrap();
    let shard = client.shard_for_tests();
    shard.tell(ToShard::Panic);
    // What is said to a shard that is gone is no more lost than what was said before.
    whole.add_peers(["127.0.0.1:9".parse().unwrap()]).unwrap();
    removed.remove(false).await.unwrap();
    client.barrier_for_tests().await;
    let look = async |torrent: &Torrent| {
        let id = torrent.id_for_tests();
        shard.ask(|to| Question::Snapshot(id, to)).await.flatten()
    };
    let live = look(&whole).await.unwrap();
    assert_eq!((live.phase, live.left, live.known), (engine::Phase::Seeding, 0, 1));
    assert_eq!(look(&paused).await.unwrap().phase, engine::Phase::Paused);
    assert_eq!(look(&link).await.unwrap().phase, engine::Phase::Metadata);
    assert!(look(&removed).await.is_none());
    assert!(client.close().await);
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
    torrent.entry_for_tests().state().kept.save_begins();
    let shard = client.shard_for_tests();
    shard.command(shard::Command::Sync(id));
    // Outputs are drained after the turn of the commands; then the control plane hears of them.
    for _ in 0..2 {
        shard.ask(Question::Figures).await.unwrap();
    }
    client.barrier_for_tests().await;
    assert!(!torrent.entry_for_tests().state().kept.is_news(), "or it would be saved for ever");
    assert!(client.close().await);
    // Only where the test made it.
    let _ = std::fs::remove_dir_all(dir);
}
