//! The info dictionary: what a torrent's content is.

use std::num::NonZeroU32;

use types::{Geometry, GeometryError, InfoHash, InfoHashV2, InfoHashes, PieceIndex, SharedBytes, limits};

use crate::error::{Error, ErrorKind, WarningKind, Warnings};
use crate::field::Field;
use crate::file::{File, FileIndex};
use crate::files_v1::Files;
use crate::hints::Hints;
use crate::layers::{LayerError, Layers};
use crate::layout::FileLayout;
use crate::limits::Limits;
use crate::merkle::{self, Hash};
use crate::path::safe_component;
use crate::rare::{Nothing, Rare};
use crate::verify::{Expected, V2Expected};

/// Which versions of the format a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SHA-1 over pieces that run across files (BEP 3).
    V1,
    /// SHA-256 merkle trees, one for each file (BEP 52).
    V2,
    /// Both at once.
    Hybrid,
}

impl Version {
    /// Whether pieces have SHA-1 hashes.
    pub const fn has_v1(self) -> bool {
        matches!(self, Version::V1 | Version::Hybrid)
    }

    /// Whether files have merkle roots.
    pub const fn has_v2(self) -> bool {
        matches!(self, Version::V2 | Version::Hybrid)
    }
}

/// Why a torrent that was read can't be downloaded as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// It is a v1 merkle torrent (BEP 30): its piece hashes are only known to peers that speak that extension.
    #[error("this is a merkle torrent of BEP 30, whose pieces cannot be checked")]
    MerkleV1,
    /// It is v2 alone and piece layers are missing; they can be asked of peers (BEP 52).
    #[error("the piece layers of this v2 torrent are missing and must be fetched from peers first")]
    PieceLayers,
}

/// An info dictionary that was read and checked. Cheap to share in an `Arc`.
#[derive(Clone, Debug)]
pub struct Info {
    pub(crate) raw: SharedBytes,
    hashes: InfoHashes,
    geometry: Geometry,
    layout: FileLayout,
    /// At least one; the path of each begins with the torrent's name.
    files: Box<[File]>,
    pub(crate) seldom: Rare<Seldom>,
    /// Where in `raw` the v1 hashes end.
    pieces_end: Option<NonZeroU32>,
    version: Version,
    single: bool,
    private: bool,
}

/// What few of them say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seldom {
    /// The name as the torrent has it, where that differs from the safe one.
    raw_name: Option<Box<[u8]>>,
    source: Option<Box<str>>,
    pub(crate) hints: Hints,
    merkle_root: Option<[u8; 20]>,
    pub(crate) layers: Layers,
    warnings: Warnings,
}

static NOTHING: Seldom = Seldom {
    raw_name: None,
    source: None,
    hints: Hints::NONE,
    merkle_root: None,
    layers: Layers::NONE,
    warnings: Warnings::NONE,
};

impl Nothing for Seldom {
    const NOTHING: &'static Seldom = &NOTHING;
}

impl Info {
    /// Reads an info dictionary that comes alone, as peers send it (BEP 9). Offsets in errors count from its start.
    ///
    /// # Errors
    /// [`Error`] names the key and the offset of what is wrong. Bytes after the dictionary are an error.
    pub fn from_bytes(raw: &[u8], limits: &Limits) -> Result<Info, Error> {
        let document = bencode::parse(raw, &limits.bencode(limits.info_len))?;
        let field = Field::named(document.root(), "info");
        if !document.rest().is_empty() {
            // They would be part of what was hashed to find this dictionary, but not of the dictionary.
            let kind = bencode::ErrorKind::NotCanonical(bencode::WarningKind::TrailingData);
            return Err(bencode::Error { kind, offset: document.consumed() }.into());
        }
        let mut info = Info::read(&field, limits)?;
        if !document.warnings().is_empty() {
            info.seldom.warnings.push_bencode(document.warnings());
        }
        info.raw = raw[..document.consumed()].into();
        Ok(info)
    }

    /// Reads an info dictionary that strangers sent for `wanted`, the hashes of a magnet link or of a handshake. The
    /// bytes are hashed before anything of them is believed, and every hash of `wanted` must be right; a 20-byte one may
    /// also be the start of a v2 hash.
    ///
    /// # Errors
    /// [`ErrorKind::WrongHash`] if they are not what was asked for, else as [`Info::from_bytes`].
    pub fn from_peers(raw: &[u8], wanted: &InfoHashes, limits: &Limits) -> Result<Info, Error> {
        let wrong = || Error { kind: ErrorKind::WrongHash, key: "info".into(), offset: 0 };
        let matches = |known: InfoHashes| {
            wanted.get_v1().is_none_or(|v1| known.matches(v1))
                && wanted.get_v2().is_none_or(|v2| known.get_v2() == Some(v2))
        };
        if raw.len() > limits.info_len || !matches(hashes(raw, Version::Hybrid)) {
            return Err(wrong());
        }
        let info = Info::from_bytes(raw, limits)?;
        // A v1 torrent has no v2 name and the other way round, whatever its bytes hash to.
        if matches(info.hashes) { Ok(info) } else { Err(wrong()) }
    }

    /// Reads the value of `info`. How its bytes are kept ([`Info::raw`]) is the caller's to say.
    pub(crate) fn read(info: &Field<'_, '_, '_>, limits: &Limits) -> Result<Info, Error> {
        info.dict()?;
        let version = version(info)?;
        let raw = info.node().raw();
        let hashes = hashes(raw, version);
        let name_field = match info.get("name.utf-8").filter(|name| name.node().as_str().is_some()) {
            Some(better) => better,
            None => info.need("name")?,
        };
        let raw_name = name_field.bytes()?;
        let name = safe_component(raw_name, limits).map_or_else(|| hashes.primary().to_string(), Into::into);
        let piece_len = piece_len(info, version, limits)?;

        let mut files = Files::new(name.clone(), limits);
        if name.as_bytes() != raw_name {
            name_field.warn(&mut files.warnings, WarningKind::Renamed(name.clone()));
        }
        let single = match version {
            Version::V1 => files.read_v1(info, raw_name)?,
            Version::V2 => files.read_v2(&info.need("file tree")?, info.need("name")?.bytes()?)?,
            Version::Hybrid => {
                let single = files.read_v1(info, raw_name)?;
                files.join_v2(&info.need("file tree")?, single)?;
                single
            }
        };
        files.resolve_links();
        let Files { mut warnings, mut files, .. } = files;
        let (layout, geometry) = cut(info, version, &mut files, piece_len, limits)?;
        let (pieces_end, merkle_root) = v1_hashes(info, version, &geometry)?;
        let private = private(info, &mut warnings);
        let source = info.get("source").and_then(|s| s.node().as_str_lossy()).map(Into::into);
        let hints = Hints::read(info, &mut warnings);
        warn_of_other_version(info, version, &mut warnings);
        let raw_name = (name.as_bytes() != raw_name).then(|| raw_name.into());
        let layers = Layers::default();
        let seldom = Seldom { raw_name, source, hints, merkle_root, layers, warnings };
        Ok(Info {
            raw: SharedBytes::default(),
            hashes,
            geometry,
            layout,
            files: files.into(),
            seldom: seldom.into(),
            pieces_end,
            version,
            single,
            private,
        })
    }

    /// Reads and checks the piece layers that came with it.
    pub(crate) fn read_layers(&mut self, layers: &Field<'_, '_, '_>) -> Result<(), Error> {
        layers.dict()?;
        if !self.version.has_v2() {
            layers.warn(&mut self.seldom.warnings, WarningKind::OtherVersion);
            return Ok(());
        }
        let lens: std::collections::BTreeMap<Hash, u64> =
            self.files.iter().filter_map(|f| Some((*f.root()?, f.len))).collect();
        for (key, layer) in layers.entries() {
            let Ok(root) = Hash::try_from(key) else {
                return Err(layer.error(ErrorKind::Len { got: key.len() as u64, expected: 32 }));
            };
            let Some(len) = lens.get(&root) else {
                return Err(layer.error(LayerError::NoSuchFile.into()));
            };
            let piece_len = self.geometry.nominal_piece_len();
            if *len <= piece_len.into() {
                layer.warn(&mut self.seldom.warnings, WarningKind::Ignored("needed for a file of one piece"));
                continue;
            }
            let pieces = len.div_ceil(piece_len.into());
            let added = self.seldom.layers.add(&root, layer.bytes()?, pieces, piece_len);
            added.map_err(|error| layer.error(error.into()))?;
        }
        Ok(())
    }

    /// Adds the piece layer of the file with merkle root `root`, as fetched from peers: 32 bytes for each piece.
    ///
    /// # Errors
    /// [`LayerError`] if no file has that root or the layer is not that file's. Nothing is changed then.
    pub fn add_piece_layer(&mut self, root: &Hash, layer: &[u8]) -> Result<(), LayerError> {
        let piece_len = self.geometry.nominal_piece_len();
        let big = |f: &&File| f.root() == Some(root) && f.len > piece_len.into();
        let file = self.files.iter().find(big).ok_or(LayerError::NoSuchFile)?;
        self.seldom.layers.add(root, layer, file.len.div_ceil(piece_len.into()), piece_len)
    }

    /// The dictionary exactly as read: what the info hashes are made of.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same, to be held elsewhere without a copy.
    pub fn shared_raw(&self) -> SharedBytes {
        self.raw.clone()
    }

    /// The hashes that name this torrent.
    pub fn info_hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// Which versions of the format it has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The torrent's name, safe as a file name: the only file, or the directory of all files. Where nothing of the name
    /// is usable it is the info hash.
    pub fn name(&self) -> &str {
        self.files.first().and_then(|file| file.components().next()).unwrap_or_default()
    }

    /// The name as the torrent has it.
    pub fn raw_name(&self) -> &[u8] {
        self.seldom.raw_name.as_deref().unwrap_or_else(|| self.name().as_bytes())
    }

    /// Whether it is a torrent of a single file, which is not in a directory.
    pub fn is_single_file(&self) -> bool {
        self.single
    }

    /// Whether peers may only come from its trackers (BEP 27).
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// `source`, which some trackers set to make their info hash differ.
    pub fn source(&self) -> Option<&str> {
        self.seldom.source.as_deref()
    }

    /// Distance from one piece to the next, in bytes.
    pub fn piece_len(&self) -> u32 {
        self.geometry.nominal_piece_len()
    }

    /// The length of one piece, in bytes: its data and, in v1 and hybrid torrents, padding files. In a v2 torrent the
    /// last piece of each file may be short.
    pub fn piece_len_of(&self, piece: PieceIndex) -> u32 {
        self.geometry.piece_len(piece)
    }

    /// How the payload is cut into pieces.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Where the bytes of the payload are.
    pub fn layout(&self) -> &FileLayout {
        &self.layout
    }

    /// Every file, padding files included, in the order of the payload.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// A file by number.
    pub fn file(&self, file: FileIndex) -> Option<&File> {
        self.files.get(file.as_usize())
    }

    /// Bytes of all files that are stored on disk: padding left out.
    pub fn content_len(&self) -> u64 {
        self.files.iter().filter(|f| f.is_stored()).map(File::len).sum()
    }

    /// What was odd about it.
    pub fn warnings(&self) -> &Warnings {
        &self.seldom.warnings
    }

    /// The root of a v1 merkle torrent (BEP 30).
    pub fn merkle_root(&self) -> Option<&[u8; 20]> {
        self.seldom.merkle_root.as_ref()
    }

    /// The v1 hashes of all pieces, 20 bytes each.
    pub fn v1_pieces(&self) -> Option<&[u8]> {
        let end = self.pieces_end?.get() as usize;
        Some(&self.raw[end - self.geometry.pieces() as usize * 20..end])
    }

    /// Whether the piece layer of every file that needs one is known. True for v1 torrents.
    pub fn has_piece_layers(&self) -> bool {
        self.missing_piece_layers().next().is_none()
    }

    /// The files whose piece layer is not known yet.
    pub fn missing_piece_layers(&self) -> impl Iterator<Item = FileIndex> + '_ {
        let piece_len = u64::from(self.piece_len());
        let missing = move |f: &File| {
            f.len > piece_len && f.root().is_some_and(|r| self.seldom.layers.get(r).is_none())
        };
        (0u32..).zip(&*self.files).filter(move |(_, file)| missing(file)).map(|(n, _)| FileIndex(n))
    }

    /// The piece layer of a file of more than one piece: the hash of each of its pieces.
    pub fn piece_layer(&self, file: FileIndex) -> Option<&[Hash]> {
        self.seldom.layers.get(self.file(file)?.root()?).map(|layer| &**layer)
    }

    /// Why it can't be downloaded as it is, if so.
    pub fn obstacle(&self) -> Option<Obstacle> {
        if self.merkle_root().is_some() {
            return Some(Obstacle::MerkleV1);
        }
        let blind = self.version == Version::V2 && !self.has_piece_layers();
        blind.then_some(Obstacle::PieceLayers)
    }

    /// The hashes that `piece` must have. Both sides are empty where there is no such piece.
    pub fn piece_hash(&self, piece: PieceIndex) -> Expected {
        let at = piece.as_usize() * 20;
        let v1 = self.v1_pieces().and_then(|all| all.get(at..at + 20)?.try_into().ok());
        let v2 = if self.version.has_v2() { self.v2_hash(piece) } else { None };
        Expected { piece, v1, v2 }
    }

    /// The v2 hash of a piece, which holds bytes of one file alone: each begins at a piece boundary.
    fn v2_hash(&self, piece: PieceIndex) -> Option<V2Expected> {
        let index = self.layout.files_of_piece(piece, &self.geometry).next()?;
        let (file, root) = self.file(index).and_then(|f| Some((f, *f.root()?)))?;
        let piece_len = u64::from(self.piece_len());
        if file.len <= piece_len {
            // `len` fits, as it is at most a piece.
            let (data_len, blocks) = (file.len as u32, file.len.div_ceil(types::BLOCK_LEN.into()));
            return Some(V2Expected { hash: root, data_len, level: merkle::height(blocks) });
        }
        let start = self.geometry.piece_range(piece).start - file.offset;
        let hash = *self.seldom.layers.get(&root)?.get((start / piece_len) as usize)?;
        let data_len = (file.len - start).min(piece_len) as u32;
        Some(V2Expected { hash, data_len, level: merkle::piece_level(self.piece_len()) })
    }
}

fn version(info: &Field<'_, '_, '_>) -> Result<Version, Error> {
    let Some(meta) = info.get("meta version") else { return Ok(Version::V1) };
    let number = meta.node().as_int().ok_or_else(|| meta.wrong("an integer"))?;
    match number {
        1 => Ok(Version::V1),
        2 if info.get("pieces").is_some() => Ok(Version::Hybrid),
        2 => Ok(Version::V2),
        _ => Err(meta.error(ErrorKind::MetaVersion(number))),
    }
}

fn hashes(raw: &[u8], version: Version) -> InfoHashes {
    match version {
        Version::V1 => InfoHashes::v1(InfoHash(hash::sha1(raw))),
        Version::V2 => InfoHashes::v2(InfoHashV2(hash::sha256(raw))),
        Version::Hybrid => InfoHashes::hybrid(InfoHash(hash::sha1(raw)), InfoHashV2(hash::sha256(raw))),
    }
}

fn piece_len(info: &Field<'_, '_, '_>, version: Version, limits: &Limits) -> Result<u32, Error> {
    let field = info.need("piece length")?;
    let len = field.number(1, limits.piece_len.min(limits::PIECE_LEN).into())?;
    if version.has_v2() && (!len.is_power_of_two() || len < types::BLOCK_LEN.into()) {
        return Err(field.error(ErrorKind::PieceLenV2(len)));
    }
    Ok(len as u32)
}

/// Lays the files out and cuts the whole into pieces.
fn cut(
    info: &Field<'_, '_, '_>,
    version: Version,
    files: &mut [File],
    piece_len: u32,
    limits: &Limits,
) -> Result<(FileLayout, Geometry), Error> {
    let lens = files.iter().map(|f| (f.len, f.is_padding()));
    let too_long = |got| {
        let limit = limits.file_len.min(limits::FILE_LEN);
        info.error(ErrorKind::TooMany { what: "bytes of content", got, limit })
    };
    let align = (version == Version::V2).then_some(piece_len);
    let layout = FileLayout::new(lens, align).ok_or_else(|| too_long(u64::MAX))?;
    if files.iter().all(|f| f.len == 0 || !f.is_stored()) {
        return Err(info.error(ErrorKind::NoContent));
    }
    if layout.total_len() > limits.file_len {
        return Err(too_long(layout.total_len()));
    }
    let too_many = |got: u64| {
        let limit = limits.pieces.min(types::limits::PIECES).into();
        info.error(ErrorKind::TooMany { what: "pieces", got, limit })
    };
    for (n, file) in (0u32..).zip(files.iter_mut()) {
        file.offset = layout.file_range(FileIndex(n)).start;
        if version == Version::Hybrid && file.root.is_some() && !file.offset.is_multiple_of(piece_len.into())
        {
            let what = "a file does not begin at a piece, as v2 files do (padding is missing)";
            return Err(info.error(ErrorKind::Hybrid(what)));
        }
    }
    let geometry = crate::layout::geometry(&layout, piece_len, align.is_some()).map_err(|e| match e {
        GeometryError::Pieces(got) => too_many(got),
        _ => too_long(layout.total_len()),
    })?;
    if geometry.pieces() > limits.pieces {
        return Err(too_many(geometry.pieces().into()));
    }
    Ok((layout, geometry))
}

type V1Hashes = (Option<NonZeroU32>, Option<[u8; 20]>);

/// Where the hashes of the pieces end, or the root of them (BEP 30).
fn v1_hashes(info: &Field<'_, '_, '_>, version: Version, geometry: &Geometry) -> Result<V1Hashes, Error> {
    if !version.has_v1() {
        return Ok((None, None));
    }
    if let (None, Some(root)) = (info.get("pieces"), info.get("root hash")) {
        let bytes = root.bytes()?;
        let wrong = ErrorKind::Len { got: bytes.len() as u64, expected: 20 };
        return Ok((None, Some(bytes.try_into().map_err(|_| root.error(wrong))?)));
    }
    let pieces = info.need("pieces")?;
    let got = pieces.bytes()?.len();
    let expected = u64::from(geometry.pieces()) * 20;
    if got as u64 != expected {
        return Err(pieces.error(ErrorKind::Len { got: got as u64, expected }));
    }
    let end = pieces.node().offset() + pieces.node().raw().len() - info.node().offset();
    // The decoder refuses input of more bytes than a u32 counts.
    Ok((u32::try_from(end).ok().and_then(NonZeroU32::new), None))
}

fn private(info: &Field<'_, '_, '_>, warnings: &mut Warnings) -> bool {
    let Some(field) = info.get("private") else { return false };
    match field.node().as_int() {
        Some(0) => false,
        Some(1) => true,
        // Whoever wrote this meant something, and to leak a private torrent is the worse mistake.
        _ => {
            field.warn(warnings, WarningKind::Private);
            true
        }
    }
}

fn warn_of_other_version(info: &Field<'_, '_, '_>, version: Version, warnings: &mut Warnings) {
    let strange: &[&'static str] = match version {
        Version::V1 => &["file tree"],
        Version::V2 => &["files", "length", "root hash"],
        Version::Hybrid => &["root hash"],
    };
    for key in strange {
        if let Some(field) = info.get(key) {
            field.warn(warnings, WarningKind::OtherVersion);
        }
    }
}
