//! What the library says of files, pieces and their states.

mod support;

use std::io::{Seek, SeekFrom, Write};

use metainfo::{Limits, Metainfo, Version};
use riverrun::{AddTorrent, Client, EventKind, PieceChange, PieceIndex, Priority, Torrent};
use support::{Payload, addr, guard, seeder, settings};

const PIECE: u64 = 32_768;

/// Three files of 100,000 bytes in ten pieces: piece 3 is of the first two, piece 6 of the last two.
async fn alone(dir: &std::path::Path) -> (Client, Torrent, Metainfo, Payload) {
    let payload = Payload::files(&[100_000, 100_000, 100_000]);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let client = settings(dir).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).wanted([])).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    (client, torrent, metainfo, payload)
}

#[tokio::test]
async fn a_piece_of_several_files_is_wanted_as_the_one_that_is_wanted_most() {
    let dir = tempfile::tempdir().unwrap();
    let (client, torrent, ..) = alone(dir.path()).await;
    let priority = |piece| torrent.piece(PieceIndex(piece)).unwrap().state().priority;
    let files = torrent.files();
    let (low, high) = (Priority::LOW, Priority::TOP);
    for (first, second, expected) in [
        (Priority::NONE, Priority::NONE, Priority::NONE),
        (low, Priority::NONE, low),
        (low, high, high),
        (high, low, high),
        (Priority::NONE, low, low),
        (Priority::NORMAL, low, Priority::NORMAL),
    ] {
        guard(files[0].set_priority(first)).await.unwrap();
        guard(files[1].set_priority(second)).await.unwrap();
        assert_eq!([2, 3, 4].map(priority), [first, expected, second]);
    }
    // What is said of the piece alone is one more voice.
    torrent.piece(PieceIndex(3)).unwrap().set_priority(high).unwrap();
    assert_eq!([2, 3, 4].map(priority), [Priority::NORMAL, high, low]);
    torrent.piece(PieceIndex(3)).unwrap().set_priority(Priority::NONE).unwrap();
    assert_eq!(priority(3), Priority::NORMAL);
    assert!(client.close().await);
}

#[tokio::test]
async fn a_range_of_pieces_is_downloaded_and_each_change_names_its_piece() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (client, torrent, metainfo, payload) = alone(dirs.0.path()).await;
    let (seed, _) = seeder(dirs.1.path(), &payload, &metainfo).await;
    let mut changes = torrent.subscribe_pieces();
    torrent.download_pieces(3..6).unwrap();
    torrent.add_peers([addr(&seed)]).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        match guard(changes.recv()).await.unwrap() {
            PieceChange::Changed { piece, state } => {
                assert!(state.complete);
                seen.push(piece.0);
            }
            other => panic!("{other:?}"),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [3, 4, 5]);
    guard(torrent.wait_complete()).await.unwrap();
    assert_eq!(torrent.pieces().ones().collect::<Vec<_>>(), [3, 4, 5], "no more than that");
    // Each file tells which of its bytes are in which piece, and what the piece is like.
    let pieces = torrent.files()[1].pieces();
    let found: Vec<_> = pieces.iter().map(|p| (p.piece.0, p.bytes.clone(), p.state.complete)).collect();
    let start = |piece: u64| piece * PIECE - 100_000;
    assert_eq!(
        found,
        [
            (3, 0..start(4), true),
            (4, start(4)..start(5), true),
            (5, start(5)..start(6), true),
            (6, start(6)..100_000, false)
        ]
    );
    let complete = pieces.iter().filter(|p| p.state.complete).map(|p| p.bytes.end - p.bytes.start);
    assert_eq!(complete.sum::<u64>(), torrent.files()[1].progress());
    assert!(client.close().await && seed.close().await);
    assert!(guard(changes.recv()).await.is_none());
}

#[tokio::test]
async fn bytes_completed_go_down_when_a_piece_turns_out_bad() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(10 * PIECE as usize);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let (client, torrent) = seeder(dirs.0.path(), &payload, &metainfo).await;
    assert_eq!((torrent.bytes_completed(), torrent.bytes_missing()), (10 * PIECE, 0));
    let path = torrent.output().join(torrent.files()[0].path());
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(7 * PIECE)).unwrap();
    file.write_all(&[0xaa; 99]).unwrap();
    let (mut changes, mut events) = (torrent.subscribe_pieces(), torrent.events());
    guard(torrent.recheck()).await.unwrap();
    assert_eq!((torrent.bytes_completed(), torrent.bytes_missing()), (9 * PIECE, PIECE));
    assert_eq!(torrent.files()[0].progress(), 9 * PIECE);
    let PieceChange::Changed { piece, state } = guard(changes.recv()).await.unwrap() else {
        panic!("nobody lags")
    };
    assert_eq!((piece, state.complete), (PieceIndex(7), false));
    let failed = |kind: &EventKind| matches!(kind, EventKind::PieceFailed { piece: PieceIndex(7) });
    assert!(std::iter::from_fn(|| events.try_recv()).any(|event| failed(&event.kind)));
    // Somebody else has it.
    let (seed, _) = seeder(dirs.1.path(), &payload, &metainfo).await;
    torrent.add_peers([addr(&seed)]).unwrap();
    guard(torrent.wait_complete()).await.unwrap();
    assert_eq!(torrent.bytes_completed(), 10 * PIECE);
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn people_see_the_path_that_the_torrent_has_and_disks_a_safe_one() {
    let dir = tempfile::tempdir().unwrap();
    let files = "ld6:lengthi1e4:pathl2:..3:conee\
                 d6:lengthi1e4:pathl3:a/b5:x\x01y.ceed6:lengthi1e4:pathl5:plaineee";
    let bytes =
        format!("d4:infod5:files{files}4:name4:n/me12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee");
    let metainfo = Metainfo::from_bytes(bytes.as_bytes(), &Limits::default()).unwrap();
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(AddTorrent::metainfo(metainfo).metadata_only()).await.unwrap();
    let paths = |path: fn(&riverrun::File) -> String| torrent.files().iter().map(path).collect::<Vec<_>>();
    assert_eq!(paths(riverrun::File::display_path), ["../con", "a/b/x\u{1}y.c", "plain"]);
    let safe = paths(|file| file.path().to_str().unwrap().replace('\\', "/"));
    assert_eq!(safe, ["n_me/_con", "n_me/a_b/x_y.c", "n_me/plain"]);
    assert!(client.close().await);
}
