//! Lists of addresses not to talk to, packed or as text.

use std::io::Read;
use std::net::IpAddr;

use iplist::{Blocklist, Builder, IpList, Limits, Packed, Report};
use storage::MappedFile;

use crate::exit::{Code, Failure};
use crate::output;

/// How packed lists begin.
pub(crate) const PACKED: &[u8] = b"RRIPLIST";

/// Most bytes of a list as it comes: as many as a compressed one may grow to.
fn most() -> u64 {
    Limits::default().text_len as u64
}

/// Reads a list whole, unless it is too long.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    if path == "-" {
        return bounded(std::io::stdin().lock(), "stdin", most());
    }
    let file = std::fs::File::open(path).map_err(|error| Failure::io(path, &error))?;
    bounded(file, path, most())
}

fn bounded(from: impl Read, name: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes).map_err(|error| Failure::io(name, &error))?;
    if bytes.len() as u64 > most {
        return Err(damaged(name, format_args!("over the limit of {most} bytes for a list")));
    }
    Ok(bytes)
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
    /// Packed, and searched as it is.
    Packed(MappedFile),
    /// Read from text.
    Listed(IpList),
}

impl Guard {
    /// Opens a list of any kind; lines that can't be read are told.
    pub(crate) fn open(path: &str) -> Result<Guard, Failure> {
        // A pipe has no length to map: it is read as the other commands read it.
        if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            let (list, report) = load(path, &read(path)?)?;
            warn(path, report.as_ref());
            return Ok(Guard::Listed(list));
        }
        let map = MappedFile::open(path.as_ref(), most()).map_err(|error| Failure::io(path, &error))?;
        if map.starts_with(PACKED) {
            open_packed(path, &map)?;
            return Ok(Guard::Packed(map));
        }
        let (list, report) = load(path, &map)?;
        refuse_nonsense(path, report.as_ref())?;
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

/// An error where no line could be read, though there are some: this is no list, and whoever named it would go unprotected.
pub(crate) fn refuse_nonsense(path: &str, report: Option<&Report>) -> Result<(), Failure> {
    let nonsense = report.filter(|report| report.bad > 0 && report.ranges == 0 && report.allowed == 0);
    let Some(report) = nonsense else { return Ok(()) };
    let first = report.bad_lines.first().map(|line| format!(", the first is {line}")).unwrap_or_default();
    Err(damaged(
        path,
        format!("this is no blocklist: none of its {} lines gives a range{first}", report.lines),
    ))
}

/// Tells of lines that can't be read.
pub(crate) fn warn(path: &str, report: Option<&Report>) {
    if let Some(report) = report.filter(|report| report.bad > 0) {
        output::say(format!("torrent: {path}: {report}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_is_read_without_end() {
        assert_eq!(bounded(&b"1.2.3.4"[..], "x", 7).unwrap(), b"1.2.3.4");
        let failure = bounded(std::io::repeat(b'1'), "x", 7).unwrap_err();
        assert!(format!("{failure:?}").contains("over the limit of 7 bytes for a list"));
    }
}
