//! What stands in the way of files: one clear error, no asking in vain, and on by itself when it is gone.

mod support;

use std::path::Path;

use metainfo::Version;
use riverrun::{AddTorrent, EventKind, TorrentState};
use support::{Payload, addr, complete, guard, seeder, settings};

/// Downloads into a directory with an obstacle until the torrent stalls, then takes the obstacle away.
async fn stalls_and_recovers(code: &str, path: &str, put: impl Fn(&Path), take: impl Fn(&Path)) {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(600_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let data = ours.path().join("data");
    put(&data);
    let client = settings(ours.path()).build().unwrap();
    let mut events = client.events();
    let torrent = client.add(AddTorrent::metainfo(metainfo).peers([addr(&seed)])).await.unwrap();
    let trouble = loop {
        if let EventKind::Stalled(trouble) = guard(events.recv()).await.unwrap().kind {
            break trouble;
        }
    };
    assert_eq!(trouble.code, code, "{trouble}");
    assert!(trouble.message.contains(path), "{trouble}");
    let asked = torrent.snapshot().await.unwrap();
    assert!(matches!(torrent.state(), TorrentState::Stalled(_)), "{:?}", torrent.state());
    assert!(asked.downloaded <= 600_000, "the swarm is asked once at most: {asked:?}");
    take(&data);
    complete(&torrent).await;
    let more = std::iter::from_fn(|| events.try_recv());
    assert_eq!(
        more.filter(|event| matches!(event.kind, EventKind::Stalled(_))).count(),
        0,
        "it is said once"
    );
    let all = torrent.snapshot().await.unwrap();
    assert!(all.downloaded <= 600_000 + 16 * 16_384, "nothing is fetched in vain: {all:?}");
    assert!(client.close().await);
    payload.assert_at(&data);
}

#[tokio::test]
async fn a_directory_where_a_file_should_be() {
    let at = |data: &Path| data.join("single.bin");
    stalls_and_recovers(
        "is_directory",
        "single.bin",
        |data| std::fs::create_dir_all(at(data)).unwrap(),
        |data| std::fs::remove_dir(at(data)).unwrap(),
    )
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |data: &Path, mode| std::fs::set_permissions(data, PermissionsExt::from_mode(mode)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    mode(dir.path(), 0o555);
    if std::fs::write(dir.path().join("try"), "").is_ok() {
        // The superuser may write everywhere.
        return;
    }
    stalls_and_recovers(
        "permission",
        "single.bin",
        |data| {
            std::fs::create_dir(data).unwrap();
            mode(data, 0o555);
        },
        |data| mode(data, 0o755),
    )
    .await;
}
