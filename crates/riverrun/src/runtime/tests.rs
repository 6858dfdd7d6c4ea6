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

/// The torrent of the file `name` with the bytes "hello".
fn hello(name: &str) -> Vec<u8> {
    let head = format!("d4:infod6:lengthi5e4:name{}:{name}12:piece lengthi16384e6:pieces20:", name.len());
    let mut bytes = head.into_bytes();
    bytes.extend(hash::sha1(b"hello"));
    bytes.extend(b"ee");
    bytes
}

/// A client with one shard and no trackers, with these torrents.
async fn client_of(dir: &std::path::Path, names: impl Iterator<Item = String>) -> (Client, Vec<Torrent>) {
    let listen = ["127.0.0.1:0".parse().unwrap()];
    let settings = Client::builder().listen(listen).ipv4_only().shards(1).no_trackers();
    let client = settings.download_dir(dir).build().unwrap();
    let mut all = Vec::new();
    for name in names {
        let torrent = client.add(crate::AddTorrent::bytes(hello(&name))).await.unwrap();
        torrent.wait_checked().await.unwrap();
        all.push(torrent);
    }
    (client, all)
}

#[tokio::test]
async fn row_52_of_a_thousand_torrents_only_the_one_that_moves_is_told_of() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(theirs.path().join("moving"), b"hello").unwrap();
    let (seed, _) = client_of(theirs.path(), std::iter::once("moving".to_owned())).await;
    let idle = (0..1_000).map(|n| format!("idle{n}"));
    let (client, all) = client_of(ours.path(), idle.chain(["moving".to_owned()])).await;
    let (moving, idle) = all.split_last().unwrap();
    let shard = client.shard_for_tests();
    // What starting them was worth: outputs are drained after the turn of the questions.
    for _ in 0..2 {
        shard.ask(Question::Figures).await.unwrap();
    }
    client.barrier_for_tests().await;
    let mut events = client.events();
    moving.add_peers(seed.listen_addrs()).unwrap();
    // The control plane asks as well: every answer is one that it could have had.
    let mut whole = Box::pin(moving.wait_complete());
    let mut answers = 0;
    let figures = async {
        loop {
            let told = shard.ask(Question::Figures).await.unwrap();
            assert!(told.iter().all(|(id, _)| *id == moving.id_for_tests()), "{told:?}");
            answers += 1;
            tokio::select! {
                biased;
                result = &mut whole => break result.unwrap(),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), figures).await.unwrap();
    client.barrier_for_tests().await;
    let told: Vec<Event> = std::iter::from_fn(|| events.try_recv()).collect();
    let of_it = |event: &Event| event.torrent == Some(moving.info_hashes());
    assert!(told.iter().all(of_it), "{told:?}");
    assert!(told.iter().any(|event| matches!(event.kind, EventKind::PieceCompleted { .. })), "{told:?}");
    assert!(answers > 0 && idle.iter().all(|torrent| torrent.state() == TorrentState::Downloading));
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn row_53_a_thousand_calls_return_while_the_engine_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let (client, all) = client_of(dir.path(), (0..10).map(|n| format!("file{n}"))).await;
    let (shard, of) = (client.shard_for_tests(), all.clone());
    let (go_on, until) = std::sync::mpsc::channel();
    shard.tell(ToShard::StandStill(until));
    let calls = tokio::task::spawn_blocking(move || {
        for n in 0..1_000u16 {
            let torrent = &of[usize::from(n) % of.len()];
            match n / 10 % 10 {
                0 => torrent.pause().unwrap(),
                1 => torrent.resume().unwrap(),
                2 => torrent.add_peers([SocketAddr::from(([127, 0, 0, 1], 1 + n))]).unwrap(),
                3 => torrent.set_rates(Some(1_000 + u64::from(n)), None),
                4 => torrent.set_max_peers(50),
                5 => torrent.set_upload_mode(crate::UploadMode::Never),
                6 => torrent.piece(PieceIndex(0)).unwrap().set_priority(engine::Priority::HIGH).unwrap(),
                7 => torrent.download_pieces(0..1).unwrap(),
                8 => drop((torrent.state(), torrent.pieces(), torrent.files(), torrent.piece_runs())),
                _ => drop((torrent.bytes_missing(), torrent.magnet(), torrent.events(), torrent.reader())),
            }
        }
    });
    // Only against hanging for ever: nothing that is waited for here comes before the engine goes on.
    let done = tokio::time::timeout(Duration::from_secs(60), calls).await;
    // What needs an answer of the engine waits for it without holding up anybody.
    let mut asked = Box::pin(all[0].snapshot());
    let early = tokio::select! {
        biased;
        _ = &mut asked => true,
        () = tokio::task::yield_now() => false,
    };
    drop(go_on);
    done.unwrap().unwrap();
    assert!(!early, "the engine stood still");
    // And nothing of it was lost.
    assert_eq!(asked.await.unwrap().known_peers, 10);
    assert!(client.close().await);
}
