use metainfo::Version;

use super::*;

fn names(tree: &Tree) -> Vec<String> {
    let join = |file: &Found| {
        file.components.iter().map(|c| String::from_utf8_lossy(c)).collect::<Vec<_>>().join("/")
    };
    tree.files.iter().map(join).collect()
}

fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for sub in ["t/a", "t/a-b", "t/.hidden"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    for (name, len) in [("t/a/x", 40_000), ("t/a-b/x", 5), ("t/.hidden/y", 1), ("t/b", 0)] {
        fs::write(dir.path().join(name), vec![b'.'; len]).unwrap();
    }
    dir
}

#[test]
fn files_come_in_one_order_and_nothing_is_left_out_silently() {
    let dir = example();
    let tree = walk(&dir.path().join("t"), WalkOptions::default()).unwrap();
    assert_eq!(names(&tree), [".hidden/y", "a/x", "a-b/x", "b"]);
    assert_eq!((tree.name.as_slice(), tree.content_len()), (&b"t"[..], 40_006));
    let tree = walk(&dir.path().join("t/."), WalkOptions::default().skip_hidden(true)).unwrap();
    assert_eq!(names(&tree), ["a/x", "a-b/x", "b"]);
    assert_eq!(tree.skipped.len(), 1);
    assert!(matches!(
        walk(Path::new("/does/not/exist"), WalkOptions::default()),
        Err(MakeError::Storage(StorageError::NotFound { .. }))
    ));
    assert!(matches!(walk(Path::new("/"), WalkOptions::default()), Err(MakeError::Nameless { .. })));
}

#[cfg(unix)]
#[test]
fn links_are_followed_kept_or_left_out() {
    use std::os::unix::fs::symlink;
    let dir = example();
    let top = dir.path().join("t");
    symlink("../a/x", top.join("a-b/link")).unwrap();
    let followed = walk(&top, WalkOptions::default()).unwrap();
    assert_eq!(followed.content_len(), 80_006);
    let kept = walk(&top, WalkOptions::default().links(Links::Keep)).unwrap();
    let builder = Builder::new(&kept.name).version(Version::Hybrid);
    let torrent = make_torrent(&kept, builder, Effort::default(), &Progress::new()).unwrap();
    let link = torrent.info().files().iter().find(|f| f.attributes().symlink).unwrap();
    assert_eq!(link.symlink(), Some("t/a/x"));
    assert_eq!(walk(&top, WalkOptions::default().links(Links::Skip)).unwrap().skipped.len(), 1);
    symlink("../../etc", top.join("out")).unwrap();
    assert!(matches!(walk(&top, WalkOptions::default().links(Links::Keep)), Err(MakeError::Link { .. })));
    fs::remove_file(top.join("out")).unwrap();
    symlink(".", top.join("circle")).unwrap();
    assert!(matches!(
        walk(&top, WalkOptions::default()),
        Err(MakeError::Link { .. } | MakeError::Storage(_))
    ));
}

#[test]
fn threads_and_buffers_do_not_change_the_torrent() {
    let dir = example();
    let tree = walk(&dir.path().join("t"), WalkOptions::default()).unwrap();
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let make = |effort| {
            let builder = Builder::new(&tree.name).version(version).piece_len(16_384);
            make_torrent(&tree, builder, effort, &Progress::new()).unwrap().info().info_hashes()
        };
        let one = make(Effort::default().threads(1));
        assert_eq!(one, make(Effort::default().threads(7).buffer(300_000)));
    }
}

#[test]
fn a_file_that_shrinks_or_goes_stops_it() {
    let dir = example();
    let tree = walk(&dir.path().join("t"), WalkOptions::default()).unwrap();
    fs::write(dir.path().join("t/a/x"), "short").unwrap();
    let make = |progress: &Progress| make_torrent(&tree, Builder::new("t"), Effort::default(), progress);
    assert!(matches!(make(&Progress::new()), Err(MakeError::Storage(StorageError::Damaged { .. }))));
    fs::remove_file(dir.path().join("t/a/x")).unwrap();
    assert!(matches!(make(&Progress::new()), Err(MakeError::Storage(StorageError::NotFound { .. }))));
    let cancelled = Progress::new();
    cancelled.cancel();
    assert!(matches!(make(&cancelled), Err(MakeError::Cancelled)));
}

#[test]
fn a_file_that_is_written_to_meanwhile_makes_no_torrent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "before").unwrap();
    let tree = walk(&path, WalkOptions::default()).unwrap();
    let before = tree.looks();
    tree.unchanged(&before).unwrap();
    // As long as before, and later.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(before[0].unwrap().1 + std::time::Duration::from_secs(1)).unwrap();
    let error = tree.unchanged(&before).unwrap_err().to_string();
    assert!(error.contains("changed while it was hashed"), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(tree.unchanged(&before).is_err());
}
