use std::path::Path;
use std::sync::Arc;

use engine::Phase;
use storage::StorageError;
use types::PeerSource;

use super::{add, announce, barrier, change, hold, save};
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::{FromShard, Question, ToShard};
use crate::{AddTorrent, Client, Error, EventKind, Torrent};

const TORRENT: &[u8] = b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

fn client(dir: &Path) -> Client {
    let settings = Client::builder().listen(["127.0.0.1:0".parse().unwrap()]).ipv4_only().shards(1);
    settings.no_trackers().download_dir(dir.join("data")).state_dir(dir.join("state")).build().unwrap()
}

/// A client with a torrent that has been checked, and what both are inside.
async fn checked(dir: &Path) -> (Client, Torrent, Arc<Inner>, Arc<Entry>) {
    let client = client(dir);
    let torrent = client.add(AddTorrent::bytes(TORRENT)).await.unwrap();
    torrent.wait_checked().await.unwrap();
    let inner = client.inner_for_tests();
    let entry = inner.entry(torrent.id_for_tests()).unwrap();
    (client, torrent, inner, entry)
}

#[tokio::test]
async fn a_late_save_brings_no_state_back() {
    let dir = tempfile::tempdir().unwrap();
    let (client, torrent, inner, entry) = checked(dir.path()).await;
    save::save(&inner, &entry).await.unwrap();
    let is_state = |file: &std::fs::DirEntry| file.path().extension().is_some_and(|e| e == "resume");
    let saved = || std::fs::read_dir(dir.path().join("state")).unwrap().flatten().filter(is_state).count();
    assert_eq!(saved(), 1);
    torrent.remove(false).await.unwrap();
    assert_eq!(saved(), 0);
    // A save that had begun to wait for its turn before.
    save::save(&inner, &entry).await.unwrap();
    assert_eq!(saved(), 0);
    drop(inner);
    assert!(client.close().await);
}

/// It waited in a line for a thread, and the torrent was removed meanwhile.
#[tokio::test]
async fn what_begins_late_brings_no_torrent_back() {
    let dir = tempfile::tempdir().unwrap();
    let (client, torrent, inner, entry) = checked(dir.path()).await;
    torrent.remove(true).await.unwrap();
    let late = add::bring_up(inner.clone(), entry.clone(), add::BringUp::default()).await;
    assert!(matches!(late, Err(Error::Removed)), "{late:?}");
    assert!(!entry.data.is_locked(), "whoever adds it again may have its state");
    drop((inner, entry));
    client.add(AddTorrent::bytes(TORRENT)).await.unwrap().wait_checked().await.unwrap();
    assert!(client.close().await);
}

#[tokio::test]
async fn what_was_lost_before_a_recheck_is_not_lost_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (client, _torrent, inner, entry) = checked(dir.path()).await;
    let lose = || {
        let error = StorageError::NotFound { path: dir.path().join("data/a") };
        inner.shards.report(FromShard::DataLost(entry.id, 0, error))
    };
    let lost = || entry.state().obstacles.lost.len();
    let (go_on, until) = std::sync::mpsc::channel();
    inner.shard(&entry).tell(ToShard::StandStill(until));
    let mut recheck = Box::pin(change::recheck(inner.clone(), entry.clone()));
    // Up to where it waits for its shard: what the disk threads tell now, they found before.
    while !matches!(entry.state().stage, Stage::Checking { .. }) {
        tokio::select! {
            biased;
            result = &mut recheck => panic!("{result:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(lose());
    drop(go_on);
    recheck.await.unwrap();
    barrier(&inner).await;
    assert_eq!((lost(), entry.to_be_fetched(&entry.state()).count()), (0, 1));
    // Noted in the line of what shards tell, and not by a task that may come late.
    assert!(lose());
    barrier(&inner).await;
    assert_eq!((lost(), entry.to_be_fetched(&entry.state()).count()), (1, 0));
    drop(inner);
    assert!(client.close().await);
}

#[tokio::test]
async fn a_switch_of_trackers_forgets_peers_and_wakes_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let client = client(dir.path());
    let torrent = client.add(AddTorrent::bytes(TORRENT).paused(true)).await.unwrap();
    torrent.wait_checked().await.unwrap();
    let inner = client.inner_for_tests();
    let entry = inner.entry(torrent.id_for_tests()).unwrap();
    let addr = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    change::addresses(&inner, &entry, PeerSource::Tracker, vec![addr(1), addr(2)]);
    change::addresses(&inner, &entry, PeerSource::Manual, vec![addr(3)]);
    announce::switched(&inner, &entry);
    let live = inner.shard(&entry).ask(|to| Question::Snapshot(entry.id, to)).await.flatten().unwrap();
    assert_eq!((live.phase, live.known), (Phase::Paused, 1));
    drop(inner);
    assert!(client.close().await);
}

#[tokio::test]
async fn who_is_resumed_while_something_holds_it_is_announced_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Client::builder().listen(["127.0.0.1:0".parse().unwrap()]).ipv4_only().shards(1);
    let settings = settings.allow_local_trackers(true).download_dir(dir.path()).state_dir(dir.path());
    let client = settings.build().unwrap();
    let add = AddTorrent::bytes(TORRENT).paused(true).trackers(["http://127.0.0.1:1/announce"]);
    let torrent = client.add(add).await.unwrap();
    torrent.wait_checked().await.unwrap();
    let inner = client.inner_for_tests();
    let entry = inner.entry(torrent.id_for_tests()).unwrap();
    hold::hold(&inner, &entry).await;
    let mut events = torrent.events();
    torrent.resume().unwrap();
    hold::let_go(&inner, &entry);
    let mut told = false;
    while !told {
        told = matches!(events.recv().await.unwrap().kind, EventKind::TrackerFailed { .. });
    }
    drop(inner);
    assert!(client.close().await);
}
