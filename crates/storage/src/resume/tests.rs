use std::fs;
use std::sync::Arc;

use metainfo::create::Builder;
use metainfo::{Attributes, Metainfo};
use proptest::prelude::*;
use types::InfoHash;

use super::*;
use crate::error::StorageError;
use crate::memory::MemoryStorage;
use crate::plan::Plan;
use crate::replace::Step;
use crate::storage::Storage;

/// Three files of 40 000 bytes in pieces of 16 KiB.
fn torrent() -> Metainfo {
    let mut builder = Builder::new("t").piece_len(16_384);
    for name in ["a", "b", "c"] {
        builder = builder.file([name], 40_000, Attributes::default());
    }
    let mut plan = builder.plan().unwrap();
    for piece in 0..8 {
        let range = plan.geometry().piece_range(PieceIndex(piece));
        let data: Vec<u8> = range.map(|at| at as u8).collect();
        plan.set_v1(PieceIndex(piece), hash::sha1(&data)).unwrap();
    }
    plan.finish().unwrap()
}

fn state(size: u64, mtime: i64) -> FileState {
    FileState { present: true, size, mtime, ctime: 0, in_part_file: false }
}

fn example() -> ResumeData {
    let mut data = ResumeData::new(torrent().info().info_hashes(), 8);
    data.have = Bitfield::from_bytes(&[0b1011_0001], 8).unwrap();
    data.partial = vec![PartialPiece { piece: PieceIndex(1), blocks: Bitfield::full(1) }];
    data.files = vec![state(40_000, 5), state(40_000, 7), state(40_000, -9)];
    data.selection = Selection::of([true, false, true]);
    data.priorities = vec![(FileIndex(0), 7), (FileIndex(2), 1)];
    (data.downloaded, data.uploaded, data.completed) = (1 << 40, 77, true);
    data.trackers = vec![vec!["http://a/announce".into(), "udp://b:1".into()], vec![]];
    data.paused = true;
    data.peers = ["127.0.0.1:6881", "[2001:db8::1]:51413"].map(|addr| addr.parse().unwrap()).to_vec();
    data
}

#[test]
fn files_of_before_these_fields_are_read() {
    let body = b"d4:have1:\xb19:info-hash20:aaaaaaaaaaaaaaaaaaaa6:piecesi8ee";
    let data = ResumeData::decode(&seal(body)).unwrap();
    // Two times that nobody set stood here once.
    let timed = b"d8:added-ati1e12:completed-ati2e4:have1:\xb19:info-hash20:aaaaaaaaaaaaaaaaaaaa6:piecesi8ee";
    assert_eq!(ResumeData::decode(&seal(timed)), Ok(data.clone()));
    assert_eq!((data.have.count(), data.paused, data.peers.len()), (4, false, 0));
    assert!(data.trackers.is_empty() && data.selection.is_all());
    // Half an address and a port of 0 are left out.
    let mut peers = [[0; 16].as_slice(), &[0, 0], &[1; 16], &[0, 1], &[7; 5]].concat();
    let body = |peers: &[u8]| {
        let head = b"d4:have1:\xb19:info-hash20:aaaaaaaaaaaaaaaaaaaa5:peers".as_slice();
        [head, peers.len().to_string().as_bytes(), b":", peers, b"6:piecesi8ee"].concat()
    };
    assert_eq!(ResumeData::decode(&seal(&body(&peers))).unwrap().peers.len(), 1);
    peers = [1; 18].repeat(10_000);
    assert_eq!(ResumeData::decode(&seal(&body(&peers))).unwrap().peers.len(), ResumeData::MAX_PEERS);
}

#[test]
fn it_comes_back_as_it_went() {
    let data = example();
    assert_eq!(ResumeData::decode(&data.encode()), Ok(data.clone()));
    assert_eq!(data.encode(), data.encode());
}

#[test]
fn damage_is_told_apart_and_never_believed() {
    let good = example().encode();
    assert_eq!(ResumeData::decode(b""), Err(ResumeError::Magic));
    assert_eq!(ResumeData::decode(b"d8:announce0:e"), Err(ResumeError::Magic));
    for cut in 1..good.len() {
        assert!(matches!(ResumeData::decode(&good[..cut]), Err(ResumeError::Length { .. })), "{cut}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(ResumeData::decode(&bad).is_err(), "byte {at}");
    }
    let mut old = good.clone();
    old[11] = 0;
    assert_eq!(ResumeData::decode(&old), Err(ResumeError::Version { found: 0 }));
    assert!(matches!(ResumeData::decode(&[&good[..], b"x"].concat()), Err(ResumeError::Length { .. })));
    assert!(matches!(ResumeData::decode(&vec![0; (64 << 20) + 1]), Err(ResumeError::TooLong { .. })));
}

#[test]
fn nonsense_under_a_right_checksum_is_refused() {
    let hash = "20:aaaaaaaaaaaaaaaaaaaa";
    let cases = [
        "de".to_owned(),
        "le".into(),
        "i1e".into(),
        format!("d9:info-hash{hash}6:piecesi-1ee"),
        format!("d9:info-hash{hash}6:piecesi9999999999ee"),
        format!("d9:info-hash{hash}6:piecesi2097153ee"),
        format!("d4:have1:\x019:info-hash{hash}6:piecesi4ee"),
        format!("d5:files3:abc4:have1:\x009:info-hash{hash}6:piecesi4ee"),
        format!("d4:have1:\x009:info-hash{hash}7:partiall1:xe6:piecesi4ee"),
        format!("d4:have1:\x009:info-hash{hash}7:partiallli4ei1e1:\x00ee6:piecesi4ee"),
        format!("d4:have1:\x009:info-hash{hash}7:partiallli0ei99e1:\x00ee6:piecesi4ee"),
        format!("d4:have1:\x009:info-hash{hash}6:piecesi4e6:wanted1:1e"),
        format!("d6:ctimes8:abcdefgh4:have1:\x009:info-hash{hash}6:piecesi4ee"),
    ];
    for case in cases {
        assert!(
            matches!(ResumeData::decode(&seal(case.as_bytes())), Err(ResumeError::Shape { .. })),
            "{case}"
        );
    }
    let least = format!("d4:have1:\x009:info-hash{hash}6:piecesi4ee");
    assert!(ResumeData::decode(&seal(least.as_bytes())).is_ok());
}

#[test]
fn changed_files_make_their_pieces_doubtful() {
    let torrent = torrent();
    let (info, data) = (torrent.info(), example());
    let claims = data.claims(info, &data.files).unwrap();
    assert_eq!((&claims.have, claims.doubtful.count(), claims.partial.len()), (&data.have, 0, 1));
    assert!(data.is_current(&data.files));
    // File b holds bytes 40 000 to 80 000: pieces 2, 3 and 4.
    let doubts = |state: FileState| {
        let mut now = data.files.clone();
        now[1] = state;
        let claims = data.claims(info, &now).unwrap();
        assert_eq!(claims.have.count() + claims.doubtful.count(), data.have.count());
        (claims.doubtful.ones().collect::<Vec<_>>(), claims.changed)
    };
    let both = (vec![2, 3], vec![FileIndex(1)]);
    assert_eq!(doubts(FileState::default()), both, "missing");
    assert_eq!(doubts(state(39_999, 7)), both, "shorter");
    assert_eq!(doubts(state(40_000, 8)), both, "newer");
    assert_eq!(
        doubts(FileState { in_part_file: true, present: false, ..state(99_999, 0) }),
        both,
        "in the part file"
    );
    assert_eq!(doubts(state(40_001, 7)), (vec![], vec![]), "longer, but not newer");
    assert_eq!(doubts(state(40_000, 6)), (vec![], vec![]), "older: put back from a copy");
    let mut now = data.files.clone();
    now[0].mtime += 1;
    assert!(data.claims(info, &now).unwrap().partial.is_empty(), "blocks in a changed file are forgotten");
    assert!(!data.is_current(&now));
}

#[test]
fn a_change_that_hides_its_time_is_seen_where_the_system_keeps_account() {
    let (torrent, mut data) = (torrent(), example());
    data.files.iter_mut().for_each(|file| file.ctime = 77);
    let data = ResumeData::decode(&data.encode()).unwrap();
    assert_eq!(data.files[1].ctime, 77);
    assert!(data.is_current(&data.files));
    let mut now = data.files.clone();
    now[1].ctime = 78;
    let claims = data.claims(torrent.info(), &now).unwrap();
    assert_eq!(
        (claims.doubtful.ones().collect::<Vec<_>>(), claims.changed),
        (vec![2, 3], vec![FileIndex(1)])
    );
    // Where one side knows no such time there is nothing to compare.
    now[1].ctime = 0;
    assert!(data.is_current(&now));
    assert!(example().is_current(&data.files));
}

#[test]
fn a_claim_about_another_torrent_is_none() {
    let torrent = torrent();
    let mut data = example();
    assert!(matches!(data.claims(torrent.info(), &data.files[..2]), Err(ResumeError::Shape { .. })));
    data.have = Bitfield::new(9);
    assert!(matches!(data.claims(torrent.info(), &data.files), Err(ResumeError::Shape { .. })));
    data.hashes = InfoHashes::v1(InfoHash([9; 20]));
    assert!(matches!(data.claims(torrent.info(), &data.files), Err(ResumeError::OtherTorrent { .. })));
}

#[test]
fn a_save_that_is_cut_short_leaves_the_old_or_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = ResumeStore::new(dir.path().join("state"));
    let old = example();
    let name = old.hashes.primary();
    assert_eq!(store.load(name).unwrap(), None);
    store.save(&old).unwrap();
    let mut new = old.clone();
    new.uploaded = 12_345;
    for (step, expected) in [
        (Step::Half, &old),
        (Step::Written, &old),
        (Step::FileSynced, &old),
        (Step::Renamed, &new),
        (Step::Whole, &new),
    ] {
        store.save(&old).unwrap();
        store.replace(&new, step).unwrap();
        assert_eq!(store.load(name).unwrap().as_ref(), Some(expected), "killed after {step:?}");
    }
    // What a crash left does not disturb the next save.
    store.replace(&old, Step::Half).unwrap();
    store.save(&new).unwrap();
    assert_eq!(store.load(name).unwrap(), Some(new));
    assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    store.remove(name).unwrap();
    store.remove(name).unwrap();
    assert_eq!(store.load(name).unwrap(), None);
}

#[test]
fn one_at_a_time_has_a_torrents_state() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (ResumeStore::new(dir.path().join("state")), ResumeStore::new(dir.path().join("state")));
    let (one, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
    let held = a.lock(one).unwrap().unwrap();
    assert!(b.lock(one).unwrap().is_none());
    assert!(b.lock(other).unwrap().is_some());
    drop(held);
    assert!(b.lock(one).unwrap().is_some());
    #[cfg(unix)]
    assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 0, "the files go with the locks");
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(ResumeStore::new(dir.path().join("file/below")).lock(one).is_err());
}

/// Many threads take and leave the same lock, each with a handle of its own as processes have: never two at once.
#[test]
fn a_lock_whose_file_comes_and_goes_still_has_one_owner() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let (owners, taken) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = ResumeStore::new(dir.path());
                for _ in 0..500 {
                    let Some(lock) = store.lock(InfoHash([1; 20])).unwrap() else { continue };
                    assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0);
                    taken.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    owners.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
    #[cfg(unix)]
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A file that somebody put in the place of ours is not ours to remove.
#[cfg(unix)]
#[test]
fn another_file_by_the_name_of_the_lock_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = ResumeStore::new(dir.path());
    let lock = store.lock(InfoHash([1; 20])).unwrap().unwrap();
    let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    drop(lock);
    assert!(path.exists());
}

#[test]
fn many_are_saved_at_once_and_errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let store = ResumeStore::new(dir.path());
    let all: Vec<_> = (0..50u8).map(|n| ResumeData::new(InfoHashes::v1(InfoHash([n; 20])), 9)).collect();
    store.save_all(&all).unwrap();
    for data in &all {
        assert_eq!(store.load(data.hashes.primary()).unwrap().as_ref(), Some(data));
    }
    fs::rename(store.path(InfoHash([1; 20])), store.path(InfoHash([2; 20]))).unwrap();
    let error = store.load(InfoHash([2; 20])).unwrap_err();
    assert!(matches!(&error, LoadError::Refused { reason: ResumeError::OtherTorrent { .. }, .. }));
    assert!(error.to_string().starts_with(&store.path(InfoHash([2; 20])).display().to_string()));
    fs::write(dir.path().join("file"), "").unwrap();
    let blocked = ResumeStore::new(dir.path().join("file/below"));
    assert!(matches!(
        blocked.save(&all[0]),
        Err(StorageError::NotADirectory { .. } | StorageError::Io { .. })
    ));
}

/// What is saved after a sync holds whatever a power cut takes; what is claimed passes its hash.
#[test]
fn a_power_cut_never_breaks_a_claim() {
    let torrent = torrent();
    let info = torrent.info();
    let geometry = info.geometry();
    let storage = MemoryStorage::new(Arc::new(Plan::of(info)));
    let mut data = ResumeData::new(info.info_hashes(), geometry.pieces());
    let mut saved = data.encode();
    for step in 0..8u32 {
        let piece = PieceIndex(step * 3 % 8);
        let bytes: Vec<u8> = geometry.piece_range(piece).map(|at| at as u8).collect();
        storage.write(geometry.piece_range(piece).start, &[std::io::IoSlice::new(&bytes)]).unwrap();
        if step % 2 == 1 {
            // Claim what is stored so far: sync first, then look, then save.
            let ranges: Vec<_> = (0..=step).map(|s| geometry.piece_range(PieceIndex(s * 3 % 8))).collect();
            storage.sync(&ranges).unwrap();
            (0..=step).for_each(|s| _ = data.have.insert(s * 3 % 8));
            data.files = storage.probe().unwrap();
            saved = data.encode();
        }
        let copy = ResumeData::decode(&saved).unwrap();
        storage.crash();
        if !copy.files.is_empty() {
            let claims = copy.claims(info, &storage.probe().unwrap()).unwrap();
            assert_eq!(claims.have, copy.have, "nothing that was claimed is doubtful after a cut");
            let options = crate::CheckOptions::default().pieces(claims.have.clone());
            let report = crate::check(&storage, info, &options, &crate::Progress::new(), &|_, _| {}).unwrap();
            assert_eq!(report.good, claims.have, "every claim passes its hash");
        }
        // What was not synced is lost: fetch it again.
        storage.write(geometry.piece_range(piece).start, &[std::io::IoSlice::new(&bytes)]).unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ResumeData::decode(&body);
        let _ = ResumeData::decode(&seal(&body));
    }
}
