//! Which paths the files of a torrent may have.

use std::collections::BTreeMap;

use metainfo::{Limits, path};

use crate::error::StorageError;
use crate::plan::{FileIndex, FileKind, Plan};

/// Whether `file` may be called `name` below the root, where the files of `names` have other paths than the plan says.
///
/// # Errors
/// [`StorageError::BadPath`]: the path is not one that [`metainfo::path::safe_path`] leaves as it is, or another file of the
/// torrent has it, lies below it or above it.
pub fn check_name(
    plan: &Plan,
    names: &BTreeMap<FileIndex, Box<str>>,
    file: FileIndex,
    name: &str,
) -> Result<(), StorageError> {
    let bad = |what| Err(StorageError::BadPath { path: name.into(), what });
    if !is_stored(plan, file) {
        return bad("padding and links have no name that could be changed");
    }
    if !is_safe(plan, file, name) {
        return bad(
            "not a safe path below the download directory; use plain components separated by `/`, without `..`",
        );
    }
    let others = plan.iter().filter(|(other, f)| *other != file && f.kind != FileKind::Padding);
    let mut others = others.map(|(other, f)| names.get(&other).unwrap_or(&f.path));
    if others.any(|other| path::collide(other, name)) {
        return bad("another file of the torrent has this path, or a directory of it");
    }
    Ok(())
}

fn is_stored(plan: &Plan, file: FileIndex) -> bool {
    plan.file(file).is_some_and(|file| file.is_stored())
}

/// Whether a file may be called `name` for all that is known of the others.
pub(crate) fn is_safe(plan: &Plan, file: FileIndex, name: &str) -> bool {
    is_stored(plan, file) && path::safe_path(name, &Limits::default()).as_deref() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::plan::PlanFile;

    #[test]
    fn a_name_is_safe_and_its_own() {
        let files = vec![
            PlanFile::regular("t/a", 5),
            PlanFile::padding(11),
            PlanFile::regular("t/b/c", 5),
            PlanFile::regular("t/d", 5),
        ];
        let plan = Plan::new(files, None).unwrap();
        let names = BTreeMap::from([(FileIndex(3), "u/Moved".into())]);
        let ask = |name| check_name(&plan, &names, FileIndex(0), name);
        for fine in ["t/a", "t/A", "x", "t/d", "t/b/d", "u/moved2", "t/b.c"] {
            assert!(ask(fine).is_ok(), "{fine}");
        }
        for bad in [
            "", "/", "/x", "x/", "x//y", "..", "../x", "x/../y", "./x", "x\\y", "con", "a\0", "t/b", "t/B/C",
            "t/b/c/d", "u/moved", "u",
        ] {
            assert_eq!(ask(bad).unwrap_err().kind(), ErrorKind::BadPath, "{bad}");
        }
        assert!(check_name(&plan, &names, FileIndex(1), "x").is_err(), "padding has no name");
        assert!(check_name(&plan, &names, FileIndex(9), "x").is_err());
    }
}
