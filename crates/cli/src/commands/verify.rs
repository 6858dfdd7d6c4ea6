//! `torrent verify`: compare files with their torrent.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use metainfo::{FileIndex, Info};
use serde::Serialize;
use storage::{CheckOptions, CheckReport, Effort, FileReport, Progress, Verdict};
use types::{Bitfield, PieceIndex};

use crate::describe::infohashes;
use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::select::Selection;
use crate::{data, output, source, units, work};

/// Compare files on the disk with the hashes of their torrent
///
/// Prints a line for each file: its state, how many of its pieces are right, and its path. Changes nothing. The exit code
/// is 0 where all is there and right, 7 where something is missing or wrong, 6 where something can't be read.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The torrent: a file, its URL, or `-`
    file: String,
    /// The directory that holds the torrent's file or directory, or that file or directory itself, under its own name
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// Look at these files only: numbers and ranges as 1,2-5 (`torrent metainfo FILE files` lists them), or one pattern as *.mkv; may be repeated
    #[arg(short, long, value_name = "FILES")]
    select: Vec<String>,
    /// Also list each piece that is wrong, missing or can't be read
    #[arg(short, long)]
    pieces: bool,
    /// Threads that hash; 0 for one for each core
    #[arg(short, long, value_name = "N", default_value = "0")]
    threads: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    infohashes: Vec<String>,
    complete: bool,
    pieces: Counts,
    files: Vec<ShownFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faulty_pieces: Option<Vec<Faulty>>,
}

#[derive(Serialize)]
struct Counts {
    checked: u32,
    good: u32,
    bad: u32,
    missing: u32,
    unreadable: u32,
}

#[derive(Serialize)]
struct ShownFile {
    index: usize,
    path: String,
    length: u64,
    state: &'static str,
    size: u64,
    pieces: u32,
    good: u32,
    excess: u64,
}

#[derive(Serialize)]
struct Faulty {
    piece: u32,
    state: &'static str,
    files: Vec<usize>,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let torrent = source::load(&options.file)?;
    let info = torrent.info();
    if let Some(obstacle) = info.obstacle() {
        return Err(Failure::new(Code::BadTorrent, format!("{}: {obstacle}", options.file)));
    }
    let selection = Selection::new(&options.select).map_err(select_failure)?;
    let chosen = if selection.is_empty() {
        vec![true; info.files().len()]
    } else {
        selection.of(info).map_err(select_failure)?
    };
    let storage = data::open(info, &options.data)?;
    let progress = Progress::new();
    let checking = CheckOptions::default()
        .effort(Effort::default().threads(options.threads))
        .pieces(pieces_of(info, &chosen));
    let faulty = Mutex::new(Vec::new());
    let each = |piece: PieceIndex, verdict: &Verdict| {
        if let Some(state) = faulty_word(verdict) {
            faulty.lock().unwrap_or_else(PoisonError::into_inner).push((piece, state));
        }
    };
    let check = || storage::check(&*storage, info, &checking, &progress, &each);
    let report = work::hashing(global.quiet, "checking", &progress, check)?
        .map_err(|error| Failure::storage(&error))?;
    let mut faulty = faulty.into_inner().unwrap_or_else(PoisonError::into_inner);
    faulty.sort_unstable();
    let shown = Shown::new(infohashes(&torrent), info, &chosen, &report, options.pieces.then_some(faulty));
    if options.json {
        output::json(&shown)?;
    } else if !global.quiet {
        print(&shown)?;
    }
    let misplaced = data::misplaced(info, &data::root(info, &options.data)?);
    verdict(&report, &shown, &misplaced, global.quiet || options.json)
}

fn select_failure(problem: String) -> Failure {
    Failure::usage(format!("--select: {problem}"))
}

/// The pieces that the chosen files lie in.
fn pieces_of(info: &Info, chosen: &[bool]) -> Bitfield {
    let mut pieces = Bitfield::new(info.geometry().pieces());
    for (file, plan) in (0..).map(FileIndex).zip(info.files()) {
        if chosen.get(file.as_usize()) == Some(&true) && plan.is_stored() {
            info.layout().pieces_of_file(file, info.geometry()).for_each(|piece| _ = pieces.insert(piece));
        }
    }
    pieces
}

fn faulty_word(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Good => None,
        Verdict::Bad(_) => Some("bad"),
        Verdict::Missing => Some("missing"),
        _ => Some("unreadable"),
    }
}

impl Shown {
    fn new(
        infohashes: Vec<String>,
        info: &Info,
        chosen: &[bool],
        report: &CheckReport,
        faulty: Option<Vec<(PieceIndex, &'static str)>>,
    ) -> Shown {
        let files = info.files().iter().zip(&report.files).zip(chosen).enumerate();
        let files: Vec<ShownFile> = files
            .filter(|(_, ((file, _), chosen))| **chosen && file.is_stored())
            .map(|(index, ((file, report), _))| ShownFile::new(index, file, report))
            .collect();
        let files_of = |piece| info.layout().files_of_piece(piece, info.geometry());
        let faulty = faulty.map(|faulty| {
            let one = |(piece, state): (PieceIndex, _)| Faulty {
                piece: piece.0,
                state,
                files: files_of(piece)
                    .map(|file| file.as_usize())
                    .filter(|i| info.files()[*i].is_stored())
                    .collect(),
            };
            faulty.into_iter().map(one).collect()
        });
        Shown {
            name: info.name().to_owned(),
            infohashes,
            complete: files.iter().all(|file| file.state == "ok"),
            pieces: Counts {
                checked: report.checked.ones().count() as u32,
                good: report.good.ones().count() as u32,
                bad: report.bad,
                missing: report.missing,
                unreadable: report.unreadable,
            },
            files,
            faulty_pieces: faulty,
        }
    }
}

impl ShownFile {
    fn new(index: usize, file: &metainfo::File, report: &FileReport) -> ShownFile {
        let state = match report.state {
            _ if report.is_complete() => "ok",
            state if !state.present && !state.in_part_file => "missing",
            state if state.present && state.size < file.len() => "short",
            _ => "bad",
        };
        ShownFile {
            index,
            path: file.path().to_owned(),
            length: file.len(),
            state,
            size: report.state.size,
            pieces: report.pieces,
            good: report.good,
            excess: report.excess,
        }
    }
}

fn print(shown: &Shown) -> Result<(), Failure> {
    for file in &shown.files {
        let note = match file.state {
            "short" => format!("  ({} of {} bytes)", file.size, file.length),
            _ if file.excess > 0 => format!("  ({} bytes too long)", file.excess),
            _ => String::new(),
        };
        let pieces = format!("{}/{}", file.good, file.pieces);
        output::line(format!("{:<8}{pieces:>11}  {}{note}", file.state, file.path))?;
    }
    for faulty in shown.faulty_pieces.iter().flatten() {
        let files: Vec<String> = faulty.files.iter().map(ToString::to_string).collect();
        output::line(format!("piece {}  {}  in file {}", faulty.piece, faulty.state, files.join(", ")))?;
    }
    Ok(())
}

fn verdict(report: &CheckReport, shown: &Shown, misplaced: &str, silent: bool) -> Result<(), Failure> {
    let Counts { checked, good, bad, missing, .. } = shown.pieces;
    if let Some(error) = &report.error {
        let failure = Failure::storage(error);
        return Err(Failure::new(
            failure.code(),
            format!("{} pieces can't be read: {error}", report.unreadable),
        ));
    }
    if let Some(piece) = report.inconsistent {
        let message =
            format!("piece {piece} has one of its two hashes but not the other: the torrent itself is bad");
        return Err(Failure::new(Code::BadTorrent, message));
    }
    if !shown.complete || bad + missing > 0 {
        let empty = shown.files.iter().filter(|file| file.state == "missing" && file.length == 0).count();
        let also = match empty {
            0 => String::new(),
            n => format!(", {n} empty file{} missing", if n == 1 { "" } else { "s" }),
        };
        let message =
            format!("{good} of {checked} pieces are right, {bad} wrong, {missing} missing{also}{misplaced}");
        return Err(Failure::new(Code::HashMismatch, message));
    }
    if !silent {
        let bytes = shown.files.iter().map(|file| file.length).sum();
        output::say(format!(
            "all {checked} pieces are right: {}, {}",
            units::count(shown.files.len() as u64, "file"),
            units::size(bytes)
        ));
    }
    Ok(())
}
