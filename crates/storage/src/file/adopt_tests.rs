use std::io::{IoSlice, IoSliceMut};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use types::{InfoHash, InfoHashes};

use crate::error::ErrorKind;
use crate::{
    Adoption, FileFactory, FileIndex, OpenRequest, Plan, PlanFile, Progress, Storage, StorageFactory,
};

const LEN: u64 = 3_000_000;

fn storage(root: &Path, n: u8) -> Arc<dyn Storage> {
    let plan = Plan::new(vec![PlanFile::regular("t/a", LEN), PlanFile::regular("t/b", 5)], None).unwrap();
    let request = OpenRequest::new(InfoHashes::v1(InfoHash([n; 20])), Arc::new(plan));
    FileFactory::new(root).open(&request).unwrap()
}

fn bytes() -> Vec<u8> {
    (0..LEN).map(|n| (n % 251) as u8).collect()
}

fn read(storage: &dyn Storage) -> Vec<u8> {
    let mut all = vec![0; LEN as usize];
    storage.read(0, &mut [IoSliceMut::new(&mut all)]).unwrap();
    all
}

fn inode(path: impl AsRef<Path>) -> (u64, u64) {
    let meta = std::fs::metadata(path).unwrap();
    (meta.ino(), meta.nlink())
}

fn adopt(to: &dyn Storage, from: &Path, how: Adoption) -> Result<(), crate::StorageError> {
    to.adopt(FileIndex(0), from, "t/a", how, &Progress::new())
}

#[test]
fn a_file_under_two_names_is_copied_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (lender, borrower) = (storage(&one, 1), storage(&two, 2));
    lender.write(0, &[IoSlice::new(&bytes())]).unwrap();
    adopt(&*borrower, &one, Adoption::Link).unwrap();
    assert_eq!(inode(one.join("t/a")), inode(two.join("t/a")));
    borrower.sync(&[0..LEN]).unwrap();
    // Both have it open, for reading at least.
    assert_eq!(read(&*borrower), bytes());
    for (writer, other, at) in [(&borrower, &lender, 1_000), (&lender, &borrower, 2_000)] {
        writer.write(at, &[IoSlice::new(b"bad")]).unwrap();
        let mut changed = bytes();
        changed[at as usize..][..3].copy_from_slice(b"bad");
        assert_eq!(read(&**writer), changed);
        assert!(
            !read(&**other)[at as usize..].starts_with(b"bad"),
            "what is somebody else's stays as it was"
        );
        // The next one writes into a file that has one name by now.
        changed[at as usize..][..3].copy_from_slice(&bytes()[at as usize..][..3]);
        writer.write(at, &[IoSlice::new(&bytes()[at as usize..][..3])]).unwrap();
        assert_eq!(read(&**writer), changed);
    }
    assert_eq!((inode(one.join("t/a")).1, inode(two.join("t/a")).1), (1, 1));
    borrower.sync(&[0..LEN]).unwrap();
    let left: Vec<_> = std::fs::read_dir(&two).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["t"], "no copy is left half done");
}

#[test]
fn a_writer_that_had_the_file_open_before_it_was_lent_copies_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (lender, borrower) = (storage(&one, 1), storage(&two, 2));
    lender.write(0, &[IoSlice::new(&bytes())]).unwrap();
    adopt(&*borrower, &one, Adoption::Link).unwrap();
    lender.write(7, &[IoSlice::new(b"bad")]).unwrap();
    assert_eq!(read(&*borrower), bytes());
    assert_eq!(&read(&*lender)[7..10], b"bad");
}

#[test]
fn a_copy_is_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (lender, borrower) = (storage(&one, 1), storage(&two, 2));
    lender.write(0, &[IoSlice::new(&bytes())]).unwrap();
    adopt(&*borrower, &one, Adoption::Copy).unwrap();
    assert_ne!(inode(one.join("t/a")).0, inode(two.join("t/a")).0);
    assert_eq!(read(&*borrower), bytes());
}

#[test]
fn what_is_there_stays_and_what_does_not_fit_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (lender, borrower) = (storage(&one, 1), storage(&two, 2));
    let kind = |result: Result<(), crate::StorageError>| result.unwrap_err().kind();
    assert_eq!(kind(adopt(&*borrower, &one, Adoption::Link)), ErrorKind::NotFound);
    lender.write(0, &[IoSlice::new(b"short")]).unwrap();
    assert_eq!(kind(adopt(&*borrower, &one, Adoption::Link)), ErrorKind::Truncated);
    lender.write(0, &[IoSlice::new(&bytes())]).unwrap();
    // A link in the place of the file leads nowhere.
    std::fs::rename(one.join("t/a"), one.join("t/c")).unwrap();
    std::os::unix::fs::symlink("c", one.join("t/a")).unwrap();
    assert_eq!(kind(adopt(&*borrower, &one, Adoption::Link)), ErrorKind::Symlink);
    assert!(!two.join("t").exists(), "nothing was made for it");
    std::fs::rename(one.join("t/c"), one.join("t/a")).unwrap();
    borrower.write(0, &[IoSlice::new(b"mine")]).unwrap();
    assert_eq!(kind(adopt(&*borrower, &one, Adoption::Link)), ErrorKind::Exists);
    assert_eq!(std::fs::read(two.join("t/a")).unwrap(), b"mine");
}
