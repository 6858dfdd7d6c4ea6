//! Files that a torrent of the same client has already (BEP 38).
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use metainfo::edit::InfoEdit;
use metainfo::{Limits, Metainfo, Version};
use riverrun::{AddTorrent, Client, Torrent};
use support::{Payload, addr, bytes, complete, guard, seeder, settings};

const PIECE: u32 = 32_768;
const OTHER: usize = 50_000;

/// A file that both have, of this many bytes, and one that is each one's own. `name` is that of the torrent.
fn payload(name: &'static str, common: &str, len: usize, own: u64) -> Payload {
    let files = vec![(common.to_owned(), bytes(1, len)), (format!("z/own{own}"), bytes(own, OTHER))];
    Payload { name, files }
}

/// The torrent with this key at its end, and this bencoded value.
fn with(metainfo: &Metainfo, key: &str, value: &[u8]) -> Metainfo {
    let mut all = metainfo.to_bytes();
    assert_eq!(all.pop(), Some(b'e'));
    all.extend(format!("{}:{key}", key.len()).into_bytes());
    all.extend_from_slice(value);
    all.push(b'e');
    Metainfo::from_vec(all, &Limits::default()).unwrap()
}

fn similar_to(metainfo: &Metainfo, other: &Metainfo) -> Metainfo {
    let hash = other.info_hashes().primary();
    with(metainfo, "similar", &[b"l20:", &hash.as_bytes()[..], b"e"].concat())
}

fn inode(path: &Path) -> (u64, u64) {
    let meta = std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (meta.ino(), meta.nlink())
}

fn is_linked(one: &Path, other: &Path) -> bool {
    inode(one) == inode(other) && inode(one).1 == 2
}

/// Waits until what is here is known.
async fn checked(torrent: &Torrent) {
    guard(torrent.wait_checked()).await.unwrap();
}

/// Fetches the rest from a client that has all of it; answers how many bytes came.
async fn finish(torrent: &Torrent, payload: &Payload, metainfo: &Metainfo) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let (other, _seeding) = seeder(dir.path(), payload, metainfo).await;
    torrent.add_peers([addr(&other)]).unwrap();
    complete(torrent).await;
    let came = guard(torrent.snapshot()).await.unwrap().session_downloaded;
    assert!(guard(other.close()).await);
    came
}

/// A client that has the first payload.
async fn lender(dir: &Path, payload: &Payload, metainfo: &Metainfo) -> Client {
    seeder(dir, payload, metainfo).await.0
}

#[tokio::test]
async fn row_51_a_file_of_a_similar_torrent_is_linked_and_not_fetched() {
    // Of v1 a file is known by the hashes of its pieces where these hold nothing else: here its length is that of two pieces.
    let cases = [(Version::V2, 70_000), (Version::Hybrid, 70_001), (Version::V1, 65_536)];
    for (version, len) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (payload("one", "a/common", len, 7), payload("two", "b/called_otherwise", len, 8));
        let (first, second) = (one.metainfo(version, PIECE, None), two.metainfo(version, PIECE, None));
        let second = similar_to(&second, &first);
        let client = lender(dir.path(), &one, &first).await;
        let torrent = guard(client.add(second.clone())).await.unwrap();
        checked(&torrent).await;
        let data = dir.path().join("data");
        let (theirs, ours) = (data.join("one/a/common"), data.join("two/b/called_otherwise"));
        assert!(is_linked(&theirs, &ours), "{version:?}");
        assert_eq!(torrent.file(0).unwrap().progress(), len as u64, "{version:?}: and it was checked");
        let came = finish(&torrent, &two, &second).await;
        assert!(came >= OTHER as u64 && came < OTHER as u64 + u64::from(PIECE), "{version:?}: {came} bytes");
        assert!(is_linked(&theirs, &ours));
        one.assert_at(&data);
        two.assert_at(&data);
        // What goes with its data takes its own name away.
        guard(torrent.remove(true)).await.unwrap();
        assert!(!ours.exists());
        one.assert_at(&data);
        assert!(guard(client.close()).await);
        let again = settings(dir.path()).build().unwrap();
        complete(&again.add(first).await.unwrap()).await;
        assert!(guard(again.close()).await);
    }
}

#[tokio::test]
async fn who_is_named_by_another_or_is_in_a_collection_with_it_gets_its_files_too() {
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/other", 70_000, 8));
    let (first, second) = (one.metainfo(Version::V2, PIECE, None), two.metainfo(Version::V2, PIECE, None));
    let collection = |metainfo: &Metainfo| with(metainfo, "collections", b"l5:thosee");
    let alone = |metainfo: &Metainfo| with(metainfo, "collections", b"l6:otherse");
    let cases = [
        (similar_to(&first, &second), second.clone(), true),
        (collection(&first), collection(&second), true),
        (collection(&first), alone(&second), false),
        (first.clone(), second.clone(), false),
    ];
    for (n, (first, second, linked)) in cases.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let client = lender(dir.path(), &one, &first).await;
        let torrent = guard(client.add(second)).await.unwrap();
        checked(&torrent).await;
        assert_eq!(dir.path().join("data/two/b/other").exists(), linked, "case {n}");
        assert!(guard(client.close()).await);
    }
}

#[tokio::test]
async fn who_does_not_want_it_or_is_anonymous_shares_nothing() {
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/other", 70_000, 8));
    let (first, second) = (one.metainfo(Version::V2, PIECE, None), two.metainfo(Version::V2, PIECE, None));
    let second = similar_to(&second, &first);
    for anonymous in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        one.write(&dir.path().join("data"));
        let client = settings(dir.path()).link_similar(anonymous).anonymous(anonymous).build().unwrap();
        complete(&client.add(first.clone()).await.unwrap()).await;
        checked(&client.add(second.clone()).await.unwrap()).await;
        assert!(!dir.path().join("data/two/b/other").exists());
        assert!(guard(client.close()).await);
    }
}

#[tokio::test]
async fn a_private_torrent_lends_nothing() {
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/other", 70_000, 8));
    let first = one.metainfo(Version::V2, PIECE, None);
    for private in [true, false] {
        let edit = InfoEdit::new().private(private);
        let first = first.with_info_edit(&edit, &Limits::default()).unwrap();
        let second = similar_to(&two.metainfo(Version::V2, PIECE, None), &first);
        let dir = tempfile::tempdir().unwrap();
        let client = lender(dir.path(), &one, &first).await;
        checked(&guard(client.add(second)).await.unwrap()).await;
        assert_eq!(dir.path().join("data/two/b/other").exists(), !private);
        assert!(guard(client.close()).await);
    }
}

#[tokio::test]
async fn of_v1_a_file_of_the_same_name_is_copied_and_what_fits_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    // Its last piece holds some of the file behind it, which is another one.
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/common", 70_000, 8));
    let (first, second) = (one.metainfo(Version::V1, PIECE, None), two.metainfo(Version::V1, PIECE, None));
    let second = similar_to(&second, &first);
    let client = lender(dir.path(), &one, &first).await;
    let torrent = client.add(second.clone()).await.unwrap();
    checked(&torrent).await;
    let data = dir.path().join("data");
    assert_ne!(inode(&data.join("one/a/common")).0, inode(&data.join("two/b/common")).0);
    assert_eq!(torrent.pieces().count(), 2, "those that it fills");
    assert_eq!(finish(&torrent, &two, &second).await, 120_000 - 2 * u64::from(PIECE));
    one.assert_at(&data);
    two.assert_at(&data);
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn a_file_is_lent_once_where_only_names_are_alike() {
    let dir = tempfile::tempdir().unwrap();
    let one = payload("one", "a/common", 70_000, 7);
    let files = (0..5).map(|n| (format!("{n}/common"), bytes(20 + n, 70_000))).collect();
    let two = Payload { name: "two", files };
    let (first, second) = (one.metainfo(Version::V1, PIECE, None), two.metainfo(Version::V1, PIECE, None));
    let client = lender(dir.path(), &one, &first).await;
    let torrent = client.add(similar_to(&second, &first)).await.unwrap();
    checked(&torrent).await;
    let came = (0..5).filter(|n| dir.path().join(format!("data/two/{n}/common")).exists());
    assert_eq!(came.count(), 1);
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn a_torrent_that_lies_of_what_it_has_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let one = payload("one", "a/common", 70_000, 7);
    // The same names and lengths, and nothing of the bytes.
    let mut two = payload("two", "a/common", 70_000, 7);
    two.files[0].1 = bytes(99, 70_000);
    let (first, second) = (one.metainfo(Version::V1, PIECE, None), two.metainfo(Version::V1, PIECE, None));
    let second = similar_to(&second, &first);
    let client = lender(dir.path(), &one, &first).await;
    let torrent = client.add(second.clone()).await.unwrap();
    checked(&torrent).await;
    // All but the last piece, of a file that really is the same.
    assert_eq!(finish(&torrent, &two, &second).await, 3 * u64::from(PIECE));
    let data = dir.path().join("data");
    one.assert_at(&data);
    two.assert_at(&data);
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn where_a_linked_file_fails_its_check_the_lender_keeps_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/other", 70_000, 8));
    let first = one.metainfo(Version::V2, PIECE, None);
    // In larger pieces: one that fails here holds pieces that are good there.
    let second = similar_to(&two.metainfo(Version::V2, 2 * PIECE, None), &first);
    let client = lender(dir.path(), &one, &first).await;
    let data = dir.path().join("data");
    let theirs = data.join("one/a/common");
    let mut rotten = std::fs::read(&theirs).unwrap();
    rotten[10] ^= 1;
    std::fs::write(&theirs, &rotten).unwrap();
    let torrent = client.add(second.clone()).await.unwrap();
    checked(&torrent).await;
    assert!(is_linked(&theirs, &data.join("two/b/other")));
    let came = finish(&torrent, &two, &second).await;
    assert_eq!(came, 65_536 + OTHER as u64);
    two.assert_at(&data);
    assert!(std::fs::read(&theirs).unwrap() == rotten, "nothing was written into it");
    assert_eq!((inode(&theirs).1, inode(&data.join("two/b/other")).1), (1, 1));
    assert!(guard(client.close()).await);
}

#[tokio::test]
async fn on_another_device_a_file_is_copied() {
    let Ok(far) = tempfile::tempdir_in("/dev/shm") else { return };
    let dir = tempfile::tempdir().unwrap();
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    if device(far.path()) == device(dir.path()) {
        return;
    }
    let (one, two) = (payload("one", "a/common", 70_000, 7), payload("two", "b/other", 70_000, 8));
    let (first, second) = (one.metainfo(Version::V2, PIECE, None), two.metainfo(Version::V2, PIECE, None));
    let second = similar_to(&second, &first);
    let client = lender(dir.path(), &one, &first).await;
    let torrent = client.add(AddTorrent::metainfo(second.clone()).output(far.path())).await.unwrap();
    checked(&torrent).await;
    assert_eq!(torrent.file(0).unwrap().progress(), 70_000);
    assert_eq!(inode(&far.path().join("two/b/other")).1, 1);
    assert!(finish(&torrent, &two, &second).await < 60_000);
    two.assert_at(far.path());
    assert!(guard(client.close()).await);
}
