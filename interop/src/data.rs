//! What is transferred: data sets made from a seed, and the torrents over them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest, Sha256};

use crate::{Result, process};

/// A tree of files under one name.
pub(crate) struct Dataset {
    /// Its directory, and the seed of its bytes.
    pub(crate) name: &'static str,
    /// The name of the torrent: the file, or the directory that holds the files.
    pub(crate) root: &'static str,
    /// Relative paths below `root` and lengths; one file with an empty path stands for `root` itself.
    files: fn() -> Vec<(String, u64)>,
}

/// A torrent over a data set.
pub(crate) struct Shape {
    /// Its name in cells.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) dataset: &'static Dataset,
    /// Bytes in a piece.
    pub(crate) piece_len: u32,
    /// `v1`, `v2` or `hybrid`.
    pub(crate) version: &'static str,
    /// What it is there for.
    pub(crate) about: &'static str,
}

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

static BIG: Dataset =
    Dataset { name: "big", root: "one gibibyte.bin", files: || vec![(String::new(), 1 << 30)] };
static ODD: Dataset =
    Dataset { name: "odd", root: "odd.bin", files: || vec![(String::new(), (24 << 20) + 12_345)] };
static WIDE: Dataset =
    Dataset { name: "wide", root: "wide.bin", files: || vec![(String::new(), (70 << 20) + 5)] };
static LONE: Dataset = Dataset { name: "lone", root: "lone.txt", files: || vec![(String::new(), 10_007)] };
static TAIL: Dataset =
    Dataset { name: "tail", root: "tail.bin", files: || vec![(String::new(), (48 << 16) + 1)] };
static MANY: Dataset = Dataset { name: "many", root: "dreihundert Dateien – 三百", files: three_hundred };
static PLAIN: Dataset = Dataset { name: "plain", root: "plain", files: plain };

/// Every torrent shape.
pub(crate) static SHAPES: &[Shape] = &[
    shape("one-gib", &BIG, 2 * MIB, "v1", "one file of 1 GiB"),
    shape(
        "many",
        &MANY,
        32 * KIB,
        "v1",
        "300 files of 0, 1, 16383, 16384, 16385 and odd bytes; Unicode, long names",
    ),
    shape("many-v2", &MANY, 32 * KIB, "v2", "the same, v2 with piece layers"),
    shape("many-hybrid", &MANY, 32 * KIB, "hybrid", "the same, hybrid with padding files"),
    shape("piece-16k", &ODD, 16 * KIB, "v1", "pieces of one block"),
    shape("piece-1m", &ODD, MIB, "v1", "pieces of 1 MiB"),
    shape("piece-16m", &WIDE, 16 * MIB, "v1", "pieces of 16 MiB"),
    shape("single-piece", &LONE, 16 * KIB, "v1", "one piece, shorter than a block"),
    shape("tail-of-1", &TAIL, 64 * KIB, "v1", "a last piece of one byte"),
    shape("file-v2", &ODD, 256 * KIB, "v2", "one file, v2 with piece layers"),
    shape("file-hybrid", &ODD, 256 * KIB, "hybrid", "one file, hybrid"),
    shape("leaves-v2", &PLAIN, 512 * KIB, "v2", "40 files of at most a piece, v2 without piece layers"),
    shape("plain", &PLAIN, 64 * KIB, "v1", "40 files that every maker of torrents keeps and sorts alike"),
];

const fn shape(
    name: &'static str,
    dataset: &'static Dataset,
    piece_len: u32,
    version: &'static str,
    about: &'static str,
) -> Shape {
    Shape { name, dataset, piece_len, version, about }
}

/// The shape of that name.
pub(crate) fn named(name: &str) -> Result<&'static Shape> {
    SHAPES.iter().find(|shape| shape.name == name).ok_or_else(|| format!("there is no shape `{name}`").into())
}

fn three_hundred() -> Vec<(String, u64)> {
    let edges = [0, 1, 16_383, 16_384, 16_385];
    let names =
        ["plain", "mit Leerzeichen", "naïve café", "日本語のファイル", "кириллица", "emoji 🌊", "ﷺ-عربى"];
    (0..300u64)
        .map(|n| {
            let len = if n % 2 == 0 { edges[(n / 2 % 5) as usize] } else { splitmix(n) % 131_000 + 3 };
            let name = names[(n % 7) as usize];
            let path = match n % 25 {
                // 240 bytes: libtorrent cuts what is longer.
                24 => format!("{n:03}-{}.bin", "l".repeat(232)),
                // Deep, and long as a path.
                23 => format!("{}/{n:03}.bin", vec!["tief"; 20].join("/")),
                22 => format!("{n:03} {}", "長".repeat(78)),
                k if k % 3 == 0 => format!("{name}/{n:03}.bin"),
                k if k % 3 == 1 => format!("{name}/{:02}/{n:03}.dat", n % 10),
                _ => format!("{n:03} {name}"),
            };
            (path, len)
        })
        .collect()
}

fn plain() -> Vec<(String, u64)> {
    (0..40u64).map(|n| (format!("d{}/f{n:02}", n / 10), splitmix(n) % 300_000 + 1)).collect()
}

/// A file as it must arrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Where, below the directory a client saves to.
    pub(crate) path: PathBuf,
    /// Bytes.
    pub(crate) len: u64,
    /// SHA-256 of the content.
    pub(crate) sha256: [u8; 32],
}

/// A data set on disk.
pub(crate) struct Data {
    /// The directory that a client would have saved to.
    pub(crate) dir: PathBuf,
    /// `dir` and the root.
    pub(crate) root: PathBuf,
    /// Every file.
    pub(crate) files: Vec<Expected>,
}

impl Data {
    /// All bytes.
    pub(crate) fn len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// Compares what was saved to `dir` with what it must be: every file there, equal in length and SHA-256. Without
    /// `empty`, files of no bytes may be missing.
    pub(crate) fn compare(&self, dir: &Path, empty: bool) -> Result {
        for file in self.files.iter().filter(|file| empty || file.len > 0) {
            compare(&dir.join(&file.path), file)?;
        }
        Ok(())
    }

    /// As `compare`, and nothing else may be there.
    pub(crate) fn compare_exactly(&self, dir: &Path) -> Result {
        self.compare(dir, true)?;
        let there = files_below(dir)?;
        let more = there.iter().find(|path| !self.files.iter().any(|file| file.path == **path));
        match more {
            Some(path) => Err(format!("{} is no part of the torrent", path.display()).into()),
            None => Ok(()),
        }
    }
}

/// Compares one file.
pub(crate) fn compare(path: &Path, expected: &Expected) -> Result {
    let len = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if len != expected.len {
        return Err(format!("{} has {len} bytes, not {}", path.display(), expected.len).into());
    }
    if sha256(path)? != expected.sha256 {
        return Err(format!("{} differs in its SHA-256", path.display()).into());
    }
    Ok(())
}

/// Every regular file below `dir`, relative to it.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path.strip_prefix(dir)?.to_owned());
            }
        }
    }
    Ok(found)
}

fn sha256(path: &Path) -> Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&buffer[..len]),
        }
    }
}

/// Makes data sets and torrents when a cell first asks for them.
pub(crate) struct Store {
    dir: PathBuf,
    torrent: PathBuf,
    data: Mutex<HashMap<&'static str, Slot<Data>>>,
    torrents: Mutex<HashMap<&'static str, Slot<Vec<u8>>>>,
}

type Slot<T> = Arc<OnceLock<std::result::Result<Arc<T>, String>>>;

impl Store {
    /// Below `dir`, with torrents made by the program `torrent`.
    pub(crate) fn new(dir: PathBuf, torrent: PathBuf) -> Store {
        Store { dir, torrent, data: Mutex::default(), torrents: Mutex::default() }
    }

    /// The data of a shape.
    pub(crate) fn data(&self, shape: &Shape) -> Result<Arc<Data>> {
        let dataset = shape.dataset;
        once(&self.data, dataset.name, || make(dataset, &self.dir.join("data").join(dataset.name)))
    }

    /// The bytes of a shape's torrent, without trackers, made by `torrent create`.
    pub(crate) fn torrent(&self, shape: &Shape) -> Result<Arc<Vec<u8>>> {
        let data = self.data(shape)?;
        once(&self.torrents, shape.name, || {
            let path = self.dir.join(format!("{}.torrent", shape.name));
            process::run(&mut create(&self.torrent, shape, &data, &path))?;
            Ok(std::fs::read(path)?)
        })
    }
}

/// Makes the value of that name once; who comes meanwhile waits.
fn once<T>(
    slots: &Mutex<HashMap<&'static str, Slot<T>>>,
    name: &'static str,
    make: impl FnOnce() -> Result<T>,
) -> Result<Arc<T>> {
    let slot = slots.lock().map_err(|_| "a cell panicked")?.entry(name).or_default().clone();
    let made = slot.get_or_init(|| make().map(Arc::new).map_err(|error| error.to_string()));
    Ok(made.clone()?)
}

/// `torrent create` for a shape.
pub(crate) fn create(torrent: &Path, shape: &Shape, data: &Data, out: &Path) -> Command {
    let mut command = Command::new(torrent);
    command.arg("create").arg(&data.root).arg("--output").arg(out);
    command.args(["--piece-length", &shape.piece_len.to_string()]);
    match shape.version {
        "v2" => drop(command.arg("--v2")),
        "hybrid" => drop(command.arg("--hybrid")),
        _ => {}
    }
    command
}

fn make(dataset: &Dataset, dir: &Path) -> Result<Data> {
    let root = dir.join(dataset.root);
    let seed = dataset.name.bytes().fold(7, |seed, byte| splitmix(seed ^ u64::from(byte)));
    let mut files = Vec::new();
    for (n, (relative, len)) in (dataset.files)().into_iter().enumerate() {
        let path = if relative.is_empty() { root.clone() } else { root.join(&relative) };
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        let sha256 = fill(&path, len, splitmix(seed ^ n as u64))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        files.push(Expected { path: path.strip_prefix(dir)?.to_owned(), len, sha256 });
    }
    Ok(Data { dir: dir.to_owned(), root, files })
}

/// Writes `len` bytes that follow from `seed`, and hashes them.
fn fill(path: &Path, len: u64, seed: u64) -> std::io::Result<[u8; 32]> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut hash, mut left, mut state) = (Sha256::new(), len, seed);
    let mut block = [0; 16 * 1024];
    while left > 0 {
        for word in block.as_chunks_mut::<8>().0 {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            *word = mix(state).to_le_bytes();
        }
        let part = &block[..usize::try_from(left).unwrap_or(block.len()).min(block.len())];
        hash.update(part);
        out.write_all(part)?;
        left -= part.len() as u64;
    }
    out.flush()?;
    Ok(hash.finalize().into())
}

/// One step of the splitmix64 generator.
pub(crate) fn splitmix(state: u64) -> u64 {
    mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
