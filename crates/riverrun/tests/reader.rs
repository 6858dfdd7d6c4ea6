//! Readers of torrents of which nothing is wanted, on loopback.

mod support;

use std::io::{Read, Seek, SeekFrom};

use metainfo::Version;
use riverrun::{AddTorrent, Client, Error, PieceChange, PieceIndex, Priority, Readahead, Torrent};
use support::{Payload, addr, guard, seeder, settings};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const PIECE: u32 = 32_768;

/// A torrent of which nothing is wanted, and its seed.
struct Stage {
    payload: Payload,
    seed: Client,
    client: Client,
    torrent: Torrent,
    _dirs: (tempfile::TempDir, tempfile::TempDir),
}

async fn stage(payload: Payload, version: Version) -> Stage {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let metainfo = payload.metainfo(version, PIECE, None);
    let (seed, _) = seeder(dirs.1.path(), &payload, &metainfo).await;
    let client = settings(dirs.0.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).wanted([]).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    Stage { payload, seed, client, torrent, _dirs: dirs }
}

impl Stage {
    async fn close(self) {
        assert!(self.client.close().await && self.seed.close().await);
    }
}

fn typed(error: &std::io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn a_read_fetches_what_it_needs_and_no_more() {
    let stage = stage(Payload::single(64 * PIECE as usize), Version::V1).await;
    let mut reader = stage.torrent.file(0).unwrap().reader().with_readahead(Readahead::Fixed(0));
    let at = 20 * u64::from(PIECE) + 5;
    reader.seek(SeekFrom::Start(at)).await.unwrap();
    let mut found = vec![0; PIECE as usize];
    guard(reader.read_exact(&mut found)).await.unwrap();
    assert!(found == stage.payload.files[0].1[at as usize..][..found.len()]);
    assert_eq!(stage.torrent.pieces().ones().collect::<Vec<_>>(), [20, 21]);
    let mut tail = [0; 10];
    let end = reader.len() - 10;
    assert_eq!(guard(reader.read_at(end, &mut tail)).await.unwrap(), 10);
    assert_eq!(tail, stage.payload.files[0].1[end as usize..]);
    assert_eq!(reader.read_at(end + 10, &mut tail).await.unwrap(), 0);
    assert_eq!(stage.torrent.pieces().ones().collect::<Vec<_>>(), [20, 21, 63]);
    assert_eq!(reader.position(), at + u64::from(PIECE));
    assert!(reader.seek(SeekFrom::Current(-1_000_000_000)).await.is_err());
    assert_eq!(reader.seek(SeekFrom::End(7)).await.unwrap(), reader.len() + 7);
    assert_eq!(reader.read(&mut tail).await.unwrap(), 0);
    stage.close().await;
}

#[tokio::test]
async fn files_of_every_version_are_read_whole_by_several_readers_at_once() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let stage = stage(Payload::odd(), version).await;
        // The order of files in a torrent is not that in which they were named.
        let readers = stage.payload.files.iter().map(|(path, _)| {
            let files = stage.torrent.files();
            let file = files.into_iter().find(|f| f.path().ends_with(path)).unwrap();
            tokio::spawn(async move {
                let mut found = Vec::new();
                file.reader().read_to_end(&mut found).await.unwrap();
                found
            })
        });
        let readers: Vec<_> = readers.collect();
        for (reader, (path, data)) in readers.into_iter().zip(&stage.payload.files) {
            assert!(guard(reader).await.unwrap() == *data, "{version:?} {path}");
        }
        stage.close().await;
    }
}

#[tokio::test]
async fn a_whole_torrent_is_read_in_order_by_a_thread() {
    let stage = stage(Payload::files(&[100_000, 3, 70_000]), Version::V1).await;
    let mut reader = stage.torrent.reader().unwrap().blocking();
    let read = move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        reader.seek(SeekFrom::Start(99_999)).unwrap();
        let mut five = [0; 5];
        reader.read_exact(&mut five).unwrap();
        (all, five)
    };
    let (all, five) = guard(tokio::task::spawn_blocking(read)).await.unwrap();
    let data: Vec<u8> = stage.payload.files.iter().flat_map(|(_, data)| data.clone()).collect();
    assert!(all == data && five == data[99_999..][..5]);
    stage.close().await;
}

#[tokio::test]
async fn a_reader_that_waits_is_told_why_there_is_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(200_000);
    let metainfo = payload.metainfo(Version::V1, PIECE, None);
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    let mut first = torrent.reader().unwrap();
    let waiting = tokio::spawn(async move { first.read_u8().await.unwrap_err() });
    // Dropping a read that waits loses nothing.
    let mut second = torrent.reader().unwrap();
    tokio::select! {
        biased;
        _ = second.read_u8() => panic!("nobody has it"),
        () = std::future::ready(()) => {}
    }
    guard(torrent.wait_checked()).await.unwrap();
    torrent.remove(true).await.unwrap();
    assert!(matches!(typed(&guard(waiting).await.unwrap()), Error::Removed));
    assert!(matches!(typed(&second.read_u8().await.unwrap_err()), Error::Removed));
    let torrent = client.add(metainfo).await.unwrap();
    let mut third = torrent.reader().unwrap();
    let waiting = tokio::spawn(async move { third.read_u8().await.unwrap_err() });
    assert!(client.close().await);
    assert!(matches!(typed(&guard(waiting).await.unwrap()), Error::Closed));
    assert!(matches!(torrent.reader().unwrap().read_at(0, &mut [0]).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_reader_that_is_dropped_takes_its_demand_back() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(64 * PIECE as usize);
    let metainfo = payload.metainfo(Version::V1, PIECE, None);
    let client = settings(dirs.0.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).wanted([])).await.unwrap();
    let (mut gone, mut here) =
        (torrent.reader().unwrap(), torrent.reader().unwrap().with_readahead(Readahead::Fixed(0)));
    here.seek(SeekFrom::Start(60 * u64::from(PIECE))).await.unwrap();
    tokio::select! {
        biased;
        _ = gone.read_u8() => panic!("nobody has it"),
        () = std::future::ready(()) => {}
    }
    drop(gone);
    let (seed, _) = seeder(dirs.1.path(), &payload, &metainfo).await;
    torrent.add_peers([addr(&seed)]).unwrap();
    guard(here.read_u8()).await.unwrap();
    assert_eq!(torrent.pieces().ones().collect::<Vec<_>>(), [60]);
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn pieces_and_files_are_wanted_as_much_as_was_said() {
    let stage = stage(Payload::files(&[100_000, 100_000, 100_000]), Version::V1).await;
    let torrent = &stage.torrent;
    let mut changes = torrent.subscribe_pieces();
    torrent.download_pieces(2..4).unwrap();
    while torrent.pieces().count() < 2 {
        let change = guard(changes.recv()).await.unwrap();
        assert!(matches!(change, PieceChange::Changed { state, .. } if state.complete), "{change:?}");
    }
    assert_eq!(torrent.pieces().ones().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(torrent.bytes_completed(), 2 * u64::from(PIECE));
    assert_eq!(torrent.bytes_completed() + torrent.bytes_missing(), 300_000);
    torrent.cancel_pieces(2..4).unwrap();
    let priority = |n| torrent.piece(PieceIndex(n)).unwrap().state().priority;
    assert_eq!((priority(2), torrent.piece(PieceIndex(10)).is_none()), (Priority::NONE, true));
    // Piece 3 is shared by the first two files.
    let files = torrent.files();
    guard(files[0].set_priority(Priority::TOP)).await.unwrap();
    assert_eq!([0, 3, 4].map(priority), [Priority::TOP, Priority::TOP, Priority::NONE]);
    assert_eq!(files[0].priority(), Priority::TOP);
    guard(torrent.wait_complete()).await.unwrap();
    assert!(files[0].is_complete() && torrent.is_complete() && !files[1].is_complete());
    let bytes: u64 = files[0].pieces().iter().map(|p| p.bytes.end - p.bytes.start).sum();
    assert_eq!((bytes, files[0].pieces().iter().all(|p| p.state.complete)), (100_000, true));
    let runs = torrent.piece_runs();
    assert_eq!(runs.iter().map(|run| run.pieces.clone()).collect::<Vec<_>>(), [0..4, 4..10]);
    guard(files[0].set_priority(Priority::NONE)).await.unwrap();
    assert_eq!(files[0].priority(), Priority::NONE);
    guard(torrent.want_all()).await.unwrap();
    assert!(guard(stage.client.wait_all()).await);
    assert_eq!(torrent.bytes_missing(), 0);
    stage.close().await;
}

#[tokio::test]
async fn waiting_for_all_ends_with_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let client = settings(dir.path()).build().unwrap();
    let metainfo = Payload::single(10).metainfo(Version::V1, PIECE, None);
    let torrent = client.add(metainfo.clone()).await.unwrap();
    torrent.add_trackers(["http://127.0.0.1:9/announce"]).unwrap();
    let now = torrent.metainfo_now().unwrap();
    assert_eq!(now.tiers(), [["http://127.0.0.1:9/announce"]]);
    assert_eq!((now.info_hashes(), metainfo.tiers().len()), (metainfo.info_hashes(), 0));
    let other = client.clone();
    let waiting = tokio::spawn(async move { other.wait_all().await });
    assert!(client.close().await);
    assert!(!guard(waiting).await.unwrap());
}
