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

#[tokio::test]
async fn a_file_where_the_download_directory_should_be() {
    stalls_and_recovers(
        "not_a_directory",
        "data: ",
        |data| std::fs::write(data, "in the way").unwrap(),
        |data| std::fs::remove_file(data).unwrap(),
    )
    .await;
}

/// Without a peer there is nothing to write, and it is told all the same.
#[tokio::test]
async fn a_file_above_the_download_directory_is_told_before_any_peer_comes() {
    let dir = tempfile::tempdir().unwrap();
    let way = dir.path().join("way");
    std::fs::write(&way, "").unwrap();
    let client = settings(dir.path()).download_dir(way.join("deep")).build().unwrap();
    let mut events = client.events();
    let metainfo = Payload::single(50_000).metainfo(Version::V1, 32_768, None);
    let torrent = client.add(AddTorrent::metainfo(metainfo)).await.unwrap();
    let mut kinds = Vec::new();
    while !kinds.iter().any(|kind| matches!(kind, EventKind::Recovered)) {
        kinds.push(guard(events.recv()).await.unwrap().kind);
        if let Some(EventKind::Stalled(trouble)) = kinds.last() {
            assert_eq!(trouble.code, "not_a_directory");
            assert!(trouble.message.starts_with(way.to_str().unwrap()), "{trouble}");
            std::fs::remove_file(&way).unwrap();
        }
    }
    let stalls = kinds.iter().filter(|kind| matches!(kind, EventKind::Stalled(_)));
    assert_eq!(stalls.count(), 1, "{kinds:?}");
    guard(torrent.wait_checked()).await.unwrap();
    assert!(client.close().await);
}

/// Runs a test of this file once more, as a user who is not the superuser: that one may write everywhere. The
/// program is copied, since its own place may be the superuser's alone.
#[cfg(unix)]
fn run_as_nobody(test: &str) {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    const AGAIN: &str = "RIVERRUN_TEST_AS_NOBODY";
    assert!(std::env::var_os(AGAIN).is_none(), "nobody may write everywhere, too");
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = dir.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let place = dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(["--exact", test]).envs([(AGAIN, "1".as_ref()), ("TMPDIR", place.as_os_str())]);
    command.current_dir(&place).uid(NOBODY).gid(NOBODY);
    let again = loop {
        match command.output() {
            // A process that another test begins holds what we wrote open until it runs its own program.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            output => break output.unwrap(),
        }
    };
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |data: &Path, mode| std::fs::set_permissions(data, PermissionsExt::from_mode(mode)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    mode(dir.path(), 0o555);
    if std::fs::write(dir.path().join("try"), "").is_ok() {
        return run_as_nobody("a_directory_that_may_not_be_written");
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

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written_keeps_its_names_and_its_data() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |data: &Path, mode| std::fs::set_permissions(data, PermissionsExt::from_mode(mode)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    mode(&data, 0o555);
    if std::fs::write(data.join("try"), "").is_ok() {
        return run_as_nobody("a_directory_that_may_not_be_written_keeps_its_names_and_its_data");
    }
    mode(&data, 0o755);
    let payload = Payload::single(200_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (client, torrent) = seeder(dir.path(), &payload, &metainfo).await;
    mode(&data, 0o555);
    let file = torrent.file(0).unwrap();
    let error = guard(file.rename("new.bin")).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("new.bin")), ("permission", true), "{error}");
    assert_eq!(file.path(), Path::new("single.bin"));
    let error = guard(torrent.move_data(dir.path().join("to"))).await.unwrap_err();
    assert_eq!((error.code(), torrent.output()), ("permission", data.clone()), "{error}");
    payload.assert_at(&data);
    mode(&data, 0o755);
    guard(file.rename("new.bin")).await.unwrap();
    assert!(torrent.is_complete() && data.join("new.bin").exists());
    assert!(client.close().await);
}
