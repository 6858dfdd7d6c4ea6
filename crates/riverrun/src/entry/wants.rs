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
    files: Files,
    /// Most have none.
    grades: Option<Box<Grades>>,
}

/// Files that are wanted; the others only for the bytes they share with wanted pieces.
#[derive(Debug)]
enum Files {
    /// All of so many.
    All(usize),
    Some(Box<[bool]>),
}

/// What is not wanted as everything is.
#[derive(Debug, Default)]
struct Grades {
    /// How much wanted files are wanted, where that is not the normal priority.
    files: BTreeMap<FileIndex, Priority>,
    /// How much pieces are wanted for themselves.
    pieces: BTreeMap<u32, Priority>,
}

impl Files {
    fn of(files: Vec<bool>) -> Files {
        if files.iter().all(|wanted| *wanted) { Files::All(files.len()) } else { Files::Some(files.into()) }
    }

    fn to_vec(&self) -> Vec<bool> {
        match self {
            Files::All(len) => vec![true; *len],
            Files::Some(files) => files.to_vec(),
        }
    }
}

impl Wants {
    /// These files, and no piece for itself.
    pub(crate) fn new(files: Vec<bool>) -> Wants {
        Wants { files: Files::of(files), grades: None }
    }

    /// Changes which files are wanted.
    pub(crate) fn set_files(&mut self, files: Vec<bool>) {
        self.files = Files::of(files);
    }

    /// Whether a file is wanted.
    pub(crate) fn wants(&self, file: FileIndex) -> bool {
        match &self.files {
            Files::All(len) => file.as_usize() < *len,
            Files::Some(files) => files.get(file.as_usize()).copied().unwrap_or(false),
        }
    }

    /// How much a file is wanted.
    pub(crate) fn file(&self, file: FileIndex) -> Priority {
        if !self.wants(file) {
            return Priority::NONE;
        }
        self.grades.as_ref().and_then(|grades| grades.files.get(&file).copied()).unwrap_or_default()
    }

    /// Changes how much a file is wanted where it is. Answers the files that are to be wanted then.
    pub(crate) fn grade(&mut self, file: FileIndex, priority: Priority) -> Vec<bool> {
        if priority == Priority::NORMAL || !priority.is_wanted() {
            self.grades.as_mut().and_then(|grades| grades.files.remove(&file));
        } else {
            self.grades.get_or_insert_default().files.insert(file, priority);
        }
        let mut files = self.files.to_vec();
        if let Some(file) = files.get_mut(file.as_usize()) {
            *file = priority.is_wanted();
        }
        files
    }

    /// How much files are wanted where that is not the normal priority, as numbers from 1 to 7, to be saved.
    pub(crate) fn grades(&self) -> Vec<(FileIndex, u8)> {
        let files = self.grades.iter().flat_map(|grades| &grades.files);
        files.map(|(file, priority)| (*file, priority.get())).collect()
    }

    /// What was saved of [`Wants::grades`].
    pub(crate) fn restore(&mut self, grades: &[(FileIndex, u8)]) {
        let read = grades.iter().map(|(file, number)| (*file, Priority::new(*number)));
        let files: BTreeMap<_, _> = read.filter(|(_, p)| p.is_wanted() && *p != Priority::NORMAL).collect();
        if self.grades.is_some() || !files.is_empty() {
            self.grades.get_or_insert_default().files = files;
        }
    }

    /// Changes how much pieces are wanted for themselves.
    pub(crate) fn set_own(&mut self, pieces: Range<u32>, priority: Priority) {
        for piece in pieces {
            if priority.is_wanted() {
                self.grades.get_or_insert_default().pieces.insert(piece, priority);
            } else if let Some(grades) = &mut self.grades {
                grades.pieces.remove(&piece);
            }
        }
    }

    /// Whether everything that is wanted is wanted as much.
    pub(crate) fn is_plain(&self) -> bool {
        self.grades.as_ref().is_none_or(|grades| grades.files.is_empty() && grades.pieces.is_empty())
    }

    /// How much a piece is wanted: the most of what it has itself and of what the files have that share it.
    pub(crate) fn piece(&self, info: &Info, piece: u32) -> Priority {
        let files = info.layout().files_of_piece(PieceIndex(piece), info.geometry());
        let own = self.grades.as_ref().and_then(|grades| grades.pieces.get(&piece).copied());
        let own = own.unwrap_or(Priority::NONE);
        files.map(|file| self.file(file)).max().unwrap_or(Priority::NONE).max(own)
    }

    /// The pieces that are wanted.
    pub(crate) fn pieces(&self, info: &Info) -> Bitfield {
        let pieces = info.geometry().pieces();
        let Files::Some(files) = &self.files else { return Bitfield::full(pieces) };
        let mut out = Bitfield::new(pieces);
        let wanted = (0..).map(FileIndex).zip(files).filter(|(_, wanted)| **wanted);
        for (file, _) in wanted {
            info.layout().pieces_of_file(file, info.geometry()).for_each(|p| _ = out.insert(p));
        }
        let own = self.grades.iter().flat_map(|grades| grades.pieces.keys());
        own.for_each(|piece| _ = out.insert(*piece));
        out
    }

    /// The selection in the storage's form.
    pub(crate) fn selection(&self) -> Selection {
        match &self.files {
            Files::All(_) => Selection::all(),
            Files::Some(files) => Selection::of(files.iter().copied()),
        }
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
