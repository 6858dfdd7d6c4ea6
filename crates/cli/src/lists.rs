//! Lists of addresses not to talk to, packed or as text.

use std::net::IpAddr;

use iplist::{Blocklist, Builder, IpList, Limits, Packed, Report};
use storage::MappedFile;

use crate::exit::{Code, Failure};
use crate::output;

/// How packed lists begin.
pub(crate) const PACKED: &[u8] = b"RRIPLIST";

/// Reads a list whole.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    if path == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
            .map_err(|error| Failure::io("stdin", &error))?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| Failure::io(path, &error))
}

/// A list that can't be read.
pub(crate) fn damaged(path: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::BadTorrent, format!("{path}: {error}"))
}

/// A packed list, checked.
pub(crate) fn open_packed<'a>(path: &str, bytes: &'a [u8]) -> Result<Packed<'a>, Failure> {
    let packed = Packed::new(bytes).map_err(|error| damaged(path, error))?;
    packed.check().map_err(|error| damaged(path, error))?;
    Ok(packed)
}

/// Adds a list of any kind; the report is that of its lines, where it has lines.
pub(crate) fn add(builder: &mut Builder, path: &str, bytes: &[u8]) -> Result<Option<Report>, Failure> {
    if !bytes.starts_with(PACKED) {
        return builder.add_file(bytes).map(Some).map_err(|error| damaged(path, error));
    }
    for found in open_packed(path, bytes)?.iter() {
        builder.add(found.range, found.name).map_err(|error| damaged(path, error))?;
    }
    Ok(None)
}

/// A list in memory, with names.
pub(crate) fn load(path: &str, bytes: &[u8]) -> Result<(IpList, Option<Report>), Failure> {
    let mut builder = Builder::new(Limits::default()).keep_names();
    let report = add(&mut builder, path, bytes)?;
    Ok((builder.build(), report))
}

/// A list for a client to keep to.
pub(crate) enum Guard {
    /// Packed, and searched where it lies on the disk.
    Packed(MappedFile),
    /// Read from text.
    Listed(IpList),
}

impl Guard {
    /// Opens a list of any kind; lines that can't be read are told.
    pub(crate) fn open(path: &str) -> Result<Guard, Failure> {
        let map = MappedFile::open(path.as_ref()).map_err(|error| Failure::io(path, &error))?;
        if map.starts_with(PACKED) {
            open_packed(path, &map)?;
            return Ok(Guard::Packed(map));
        }
        let (list, report) = load(path, &map)?;
        warn(path, report.as_ref());
        Ok(Guard::Listed(list))
    }

    /// Whether the address is on the list.
    pub(crate) fn contains(&self, addr: IpAddr) -> bool {
        match self {
            Guard::Packed(map) => Packed::new(map).is_ok_and(|packed| packed.contains(addr)),
            Guard::Listed(list) => list.contains(addr),
        }
    }
}

/// Tells of lines that can't be read.
pub(crate) fn warn(path: &str, report: Option<&Report>) {
    if let Some(report) = report.filter(|report| report.bad > 0) {
        output::say(format!("torrent: {path}: {report}"));
    }
}
