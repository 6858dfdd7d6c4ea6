//! How much the files and pieces of a torrent are wanted.

use std::collections::BTreeMap;
use std::ops::Range;

use engine::Priority;
use metainfo::{FileIndex, Info};
use storage::Selection;
use types::{Bitfield, PieceIndex};

/// What the user wants: files, and pieces for themselves.
#[derive(Debug)]
pub(crate) struct Wants {
    /// Files that are wanted; the others only for the bytes they share with wanted pieces.
    files: Vec<bool>,
    /// How much wanted files are wanted, where that is not the normal priority.
    grades: BTreeMap<FileIndex, Priority>,
    /// How much pieces are wanted for themselves.
    own: BTreeMap<u32, Priority>,
}

impl Wants {
    /// These files, and no piece for itself.
    pub(crate) fn new(files: Vec<bool>) -> Wants {
        Wants { files, grades: BTreeMap::new(), own: BTreeMap::new() }
    }

    /// Changes which files are wanted.
    pub(crate) fn set_files(&mut self, files: Vec<bool>) {
        self.files = files;
    }

    /// Whether a file is wanted.
    pub(crate) fn wants(&self, file: FileIndex) -> bool {
        self.files.get(file.as_usize()).copied().unwrap_or(false)
    }

    /// How much a file is wanted.
    pub(crate) fn file(&self, file: FileIndex) -> Priority {
        if !self.wants(file) {
            return Priority::NONE;
        }
        self.grades.get(&file).copied().unwrap_or_default()
    }

    /// Changes how much a file is wanted where it is. Answers the files that are to be wanted then.
    pub(crate) fn grade(&mut self, file: FileIndex, priority: Priority) -> Vec<bool> {
        if priority == Priority::NORMAL || !priority.is_wanted() {
            self.grades.remove(&file);
        } else {
            self.grades.insert(file, priority);
        }
        let mut files = self.files.clone();
        if let Some(file) = files.get_mut(file.as_usize()) {
            *file = priority.is_wanted();
        }
        files
    }

    /// How much files are wanted where that is not the normal priority, as numbers from 1 to 7, to be saved.
    pub(crate) fn grades(&self) -> Vec<(FileIndex, u8)> {
        self.grades.iter().map(|(file, priority)| (*file, priority.get())).collect()
    }

    /// What was saved of [`Wants::grades`].
    pub(crate) fn restore(&mut self, grades: &[(FileIndex, u8)]) {
        let read = grades.iter().map(|(file, number)| (*file, Priority::new(*number)));
        self.grades = read.filter(|(_, p)| p.is_wanted() && *p != Priority::NORMAL).collect();
    }

    /// Changes how much pieces are wanted for themselves.
    pub(crate) fn set_own(&mut self, pieces: Range<u32>, priority: Priority) {
        for piece in pieces {
            if priority.is_wanted() {
                self.own.insert(piece, priority);
            } else {
                self.own.remove(&piece);
            }
        }
    }

    /// Whether everything that is wanted is wanted as much.
    pub(crate) fn is_plain(&self) -> bool {
        self.grades.is_empty() && self.own.is_empty()
    }

    /// How much a piece is wanted: the most of what it has itself and of what the files have that share it.
    pub(crate) fn piece(&self, info: &Info, piece: u32) -> Priority {
        let files = info.layout().files_of_piece(PieceIndex(piece), info.geometry());
        let own = self.own.get(&piece).copied().unwrap_or(Priority::NONE);
        files.map(|file| self.file(file)).max().unwrap_or(Priority::NONE).max(own)
    }

    /// The pieces that are wanted.
    pub(crate) fn pieces(&self, info: &Info) -> Bitfield {
        let pieces = info.geometry().pieces();
        if self.files.iter().all(|wanted| *wanted) {
            return Bitfield::full(pieces);
        }
        let mut out = Bitfield::new(pieces);
        let wanted = (0..).map(FileIndex).zip(&self.files).filter(|(_, wanted)| **wanted);
        for (file, _) in wanted {
            info.layout().pieces_of_file(file, info.geometry()).for_each(|p| _ = out.insert(p));
        }
        self.own.keys().for_each(|piece| _ = out.insert(*piece));
        out
    }

    /// The selection in the storage's form.
    pub(crate) fn selection(&self) -> Selection {
        Selection::of(self.files.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metainfo::{Limits, Metainfo};

    /// Two files of 5 bytes each in pieces of 4: the second piece is shared.
    fn info() -> Info {
        let hashes = "a".repeat(60);
        let files = "ld6:lengthi5e4:pathl1:aeed6:lengthi5e4:pathl1:beee";
        let bytes = format!("d4:infod5:files{files}4:name1:n12:piece lengthi4e6:pieces60:{hashes}ee");
        Metainfo::from_bytes(bytes.as_bytes(), &Limits::default()).unwrap().info().clone()
    }

    #[test]
    fn a_shared_piece_is_wanted_as_the_file_that_is_wanted_most() {
        let (info, mut wants) = (info(), Wants::new(vec![true, false]));
        assert_eq!(wants.pieces(&info).ones().collect::<Vec<_>>(), [0, 1]);
        let files = wants.grade(FileIndex(1), Priority::HIGH);
        wants.set_files(files);
        let priorities = [0, 1, 2].map(|piece| wants.piece(&info, piece));
        assert_eq!(priorities, [Priority::NORMAL, Priority::HIGH, Priority::HIGH]);
        let files = wants.grade(FileIndex(0), Priority::NONE);
        wants.set_files(files);
        assert_eq!((wants.file(FileIndex(0)), wants.piece(&info, 0)), (Priority::NONE, Priority::NONE));
    }

    #[test]
    fn grades_come_back_and_nonsense_does_not() {
        let mut wants = Wants::new(vec![true, true]);
        wants.grade(FileIndex(1), Priority::LOW);
        let saved = wants.grades();
        assert_eq!(saved, [(FileIndex(1), 1)]);
        let mut wants = Wants::new(vec![true, true]);
        wants.restore(&[saved[0], (FileIndex(0), 0), (FileIndex(2), 4)]);
        assert_eq!(wants.grades(), saved);
    }

    #[test]
    fn a_piece_may_be_wanted_for_itself() {
        let (info, mut wants) = (info(), Wants::new(vec![false, false]));
        assert!(wants.is_plain() && wants.pieces(&info).count() == 0);
        wants.set_own(2..3, Priority::HIGH);
        assert_eq!(wants.pieces(&info).ones().collect::<Vec<_>>(), [2]);
        assert_eq!((wants.piece(&info, 2), wants.piece(&info, 1)), (Priority::HIGH, Priority::NONE));
        wants.set_own(0..3, Priority::NONE);
        assert!(wants.is_plain());
    }
}
