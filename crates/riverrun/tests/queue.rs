//! Torrents that wait for their turn, and upload modes.

mod support;

use metainfo::Version;
use riverrun::{AddTorrent, EventKind, GoalAction, SeedGoal, Torrent, TorrentState, UploadMode};
use support::{Payload, addr, complete, guard, seeder, settings};
use tokio::io::AsyncReadExt;

/// Waits until a torrent is in this state.
async fn until(torrent: &Torrent, state: TorrentState) {
    let mut events = torrent.events();
    while torrent.state() != state {
        guard(events.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn as_many_download_as_may_and_the_others_wait_in_line() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let metainfo = |n: usize| Payload::single(60_000 + n).metainfo(Version::V1, 16_384, None);
    let client = settings(ours.path()).active_downloads(1).build().unwrap();
    let mut torrents = Vec::new();
    for n in 0..3 {
        let place = ours.path().join(n.to_string());
        torrents.push(client.add(AddTorrent::metainfo(metainfo(n)).output(place)).await.unwrap());
    }
    let [first, second, third] = &torrents[..] else { unreachable!() };
    let (queued, downloading) = (|| TorrentState::Queued, || TorrentState::Downloading);
    for (torrent, state) in [(first, downloading()), (second, queued()), (third, queued())] {
        until(torrent, state).await;
    }
    assert_eq!([first, second, third].map(Torrent::queue_position), [0, 1, 2]);
    third.set_queue_position(0);
    until(third, downloading()).await;
    until(first, queued()).await;
    // Who rests takes no turn; who is gone neither.
    third.pause().unwrap();
    until(first, downloading()).await;
    first.clone().remove(false).await.unwrap();
    until(second, downloading()).await;
    third.resume().unwrap();
    until(third, downloading()).await;
    until(second, queued()).await;

    // A reader does not wait for a turn.
    let payload = Payload::single(60_001);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo(1)).await;
    second.add_peers([addr(&seed)]).unwrap();
    let mut bytes = Vec::new();
    guard(second.reader().unwrap().read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(bytes.len(), 60_001);
    assert!(seed.close().await && client.close().await);
}

#[tokio::test]
async fn a_seed_that_has_reached_its_goal_may_leave_with_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(60_000);
    let metainfo = payload.metainfo(Version::V1, 16_384, None);
    let (client, torrent) = seeder(dir.path(), &payload, &metainfo).await;
    let mut events = client.events();
    let goal = SeedGoal::none().idle(std::time::Duration::ZERO);
    torrent.set_seed_goal(Some(goal.action(GoalAction::RemoveWithData)));
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::GoalReached) {}
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::Removed) {}
    assert!(client.torrents().is_empty() && client.close().await);
    assert!(!dir.path().join("data").join("single.bin").exists());
}

#[tokio::test]
async fn who_never_uploads_or_only_meanwhile_serves_nobody_as_a_seed() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(60_000);
    let metainfo = payload.metainfo(Version::V1, 16_384, None);
    let (seed, serving) = seeder(theirs.path(), &payload, &metainfo).await;
    let mut events = serving.events();
    serving.set_upload_mode(UploadMode::Never);
    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).peers([addr(&seed)])).await;
    let torrent = torrent.unwrap();
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PeerConnected { .. }) {}
    // A connection, and no slot; in the other mode not even that.
    assert!(serving.peers().await.unwrap().iter().all(|peer| !peer.flags().contains('U')));
    serving.set_upload_mode(UploadMode::WhileDownloading);
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PeerDisconnected { .. }) {}
    assert_eq!(serving.snapshot().await.unwrap().session_uploaded, 0);
    serving.set_upload_mode(UploadMode::Seed);
    torrent.add_peers([addr(&seed)]).unwrap();
    complete(&torrent).await;
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn who_leaves_a_shared_limit_takes_nothing_along() {
    let dir = tempfile::tempdir().unwrap();
    let class = riverrun::Limiter::new(Some(1_000_000), None);
    let client = settings(dir.path()).limiter(&class).build().unwrap();
    let metainfo = Payload::single(60_000).metainfo(Version::V1, 16_384, None);
    let torrent = client.add(AddTorrent::metainfo(metainfo).limiter(&class)).await.unwrap();
    assert_eq!(class.members(), 2);
    torrent.clone().remove(false).await.unwrap();
    assert_eq!(class.members(), 1);
    let other = client.clone();
    assert!(client.close().await);
    assert_eq!(class.members(), 0, "though handles are left: {:?}", (torrent.name(), other.peer_id()));
}
