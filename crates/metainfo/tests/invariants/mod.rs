//! What must hold of any bytes: nothing panics, and what is accepted does not contradict itself. Shared by the
//! property tests, the replay of the corpus, and the fuzz targets.

use riverrun_metainfo::{Info, Limits, Magnet, Metainfo, Place};

/// Reads `bytes` as a `.torrent` and as an info dictionary.
pub(crate) fn check_torrent(bytes: &[u8]) {
    let limits = Limits::default();
    if let Ok(info) = Info::from_bytes(bytes, &limits) {
        check_info(&info);
    }
    let torrent = match Metainfo::from_bytes(bytes, &limits) {
        Ok(torrent) => torrent,
        Err(error) => {
            assert!(error.offset <= bytes.len(), "{error}");
            return;
        }
    };
    check_info(torrent.info());
    let written = torrent.to_bytes();
    let again = Metainfo::from_bytes(&written, &limits).expect("what was written can be read");
    assert_eq!(again.info().raw(), torrent.info().raw());
    assert_eq!(again.info().files(), torrent.info().files());
    assert_eq!((again.tiers(), again.web_seeds()), (torrent.tiers(), torrent.web_seeds()));
    assert_eq!(again.to_bytes(), written);
    let magnet = torrent.magnet();
    if let Ok(again) = magnet.to_string().parse::<Magnet>() {
        assert_eq!(again.hashes, magnet.hashes);
    }
}

fn check_info(info: &Info) {
    let (geometry, layout) = (info.geometry(), info.layout());
    assert_eq!(geometry.total_len(), layout.total_len());
    assert!(!info.name().is_empty() && !info.name().contains('/'));
    let mut paths = std::collections::BTreeSet::new();
    for file in info.files() {
        for component in file.components() {
            assert!(!matches!(component, "" | "." | "..") && component.len() <= 255, "{}", file.path());
            assert!(!component.contains(|c: char| c.is_control() || c == '\\'), "{}", file.path());
        }
        assert!(file.components().next() == Some(info.name()));
        assert!(file.is_padding() || paths.insert(file.path().to_lowercase()), "{}", file.path());
        assert!(file.range().end <= geometry.total_len());
        assert!(!file.raw_path().is_empty() || file.is_padding());
        if let Some(target) = file.symlink() {
            let known =
                |f: &riverrun_metainfo::File| f.path().strip_prefix(target).is_some_and(below_or_same);
            assert!(
                info.files().iter().any(|f| f.is_stored() && known(f)) || dir_of_link(info, target),
                "{target}"
            );
        }
    }
    // A torrent may have very many pieces; the first and last are where it goes wrong.
    let pieces = geometry.pieces();
    for piece in geometry.piece_indexes().filter(|p| p.0 < 50 || p.0 + 50 > pieces) {
        let range = geometry.piece_range(piece);
        assert_eq!(range.end - range.start, u64::from(info.piece_len_of(piece)));
        let extents = layout.extents(range.clone()).take(1_000);
        let end = extents.fold(range.start, |at, extent| {
            assert_eq!(extent.at, at);
            if let Place::File { file, .. } = extent.place {
                assert!(info.file(file).is_some_and(|f| f.is_stored() && f.range().contains(&at)));
            }
            at + extent.len
        });
        assert!(end <= range.end);
        let expected = info.piece_hash(piece);
        assert!(expected.verify(None, None).is_err());
        if let Some(v2) = expected.v2() {
            assert!(v2.data_len() <= info.piece_len_of(piece) && v2.leaves() > 0);
        }
    }
}

fn below_or_same(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// A directory that has nothing in it but links or empty padding.
fn dir_of_link(info: &Info, target: &str) -> bool {
    info.files().iter().any(|f| f.path().strip_prefix(target).is_some_and(|rest| rest.starts_with('/')))
}

/// Reads `bytes` as a magnet link.
pub(crate) fn check_magnet(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(magnet) = text.parse::<Magnet>() else { return };
    let written = magnet.to_string();
    // Encoding may make a link longer than the longest that is read.
    if let Ok(again) = written.parse::<Magnet>() {
        assert_eq!(again, magnet);
        assert_eq!(again.to_string(), written);
    } else {
        assert!(written.len() > riverrun_metainfo::magnet::MAX_LEN, "{written}");
    }
}
