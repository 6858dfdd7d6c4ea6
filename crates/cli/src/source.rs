//! Where a torrent comes from: a file, stdin, a URL, a magnet link, an info hash.

use std::io::Read;

use metainfo::{Limits, Magnet, Metainfo};
use net::tracker::{Error, TrackerClient};
use types::{InfoHashes, limits};

use crate::exit::{Code, Failure};
use crate::work;

/// What a SOURCE argument names.
#[derive(Debug)]
pub(crate) enum Source {
    /// A whole torrent, read from a file, stdin or a URL.
    Torrent(Box<Metainfo>),
    /// A magnet link, or a bare info hash made into one.
    Magnet(Box<Magnet>),
}

/// Reads what `text` names. A path that exists wins over every other reading but `-`.
pub(crate) fn open(text: &str) -> Result<Source, Failure> {
    if text == "-" || std::path::Path::new(text).exists() {
        return load(text).map(|torrent| Source::Torrent(Box::new(torrent)));
    }
    if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:")) {
        let magnet = text.parse::<Magnet>().map_err(|error| Failure::new(Code::BadTorrent, error))?;
        return Ok(Source::Magnet(Box::new(magnet)));
    }
    let bare = text.strip_prefix("infohash:").unwrap_or(text);
    if let Ok(hashes) = bare.parse::<InfoHashes>() {
        return Ok(Source::Magnet(Box::new(Magnet::new(hashes))));
    }
    load(text).map(|torrent| Source::Torrent(Box::new(torrent)))
}

/// An error where `-` is named more than once: the second would find nothing.
pub(crate) fn refuse_stdin_twice(sources: &[String]) -> Result<(), Failure> {
    match sources.iter().filter(|text| *text == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::usage("stdin holds one torrent; give `-` once")),
    }
}

/// Reads a torrent from a file, an http(s) URL, or stdin for `-`.
pub(crate) fn load(text: &str) -> Result<Metainfo, Failure> {
    let bytes = read(text)?;
    Metainfo::from_bytes(&bytes, &Limits::default())
        .map_err(|error| Failure::new(Code::BadTorrent, format!("{}: {error}", name_of(text))))
}

/// Reads the bytes of a torrent; never more than a torrent may have.
pub(crate) fn read(text: &str) -> Result<Vec<u8>, Failure> {
    if is_url(text) {
        return fetch(text);
    }
    if text == "-" {
        return bounded(std::io::stdin().lock(), text);
    }
    let file = std::fs::File::open(text).map_err(|error| no_file(text, &error))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        let message = format!("{text}: is a directory; give the path of a file");
        return Err(Failure::new(Code::Io, message));
    }
    bounded(file, text)
}

/// Why `text` can't be opened: often it is something other than a path.
fn no_file(text: &str, error: &std::io::Error) -> Failure {
    if text.is_empty() {
        return Failure::usage("an empty word names no file; give a path, an http(s) URL, or `-` for stdin");
    }
    if error.kind() != std::io::ErrorKind::NotFound {
        return Failure::io(text, error);
    }
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    match text.split_once(':') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("magnet") => Failure::usage(
            "a magnet link does not hold a torrent's files and hashes; this command needs a .torrent",
        ),
        Some((scheme, rest)) if is_scheme(scheme) && rest.starts_with("//") => Failure::usage(format!(
            "{scheme}: this scheme is not supported; give an http or https URL, or the path of a file"
        )),
        _ => Failure::new(
            Code::Io,
            format!("{text}: {error}; give the path of a file, an http(s) URL, or `-` for stdin"),
        ),
    }
}

fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(limits::METAINFO_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(name_of(name), &error))?;
    if bytes.len() > limits::METAINFO_LEN {
        let message =
            format!("{}: over the limit of {} bytes for a torrent", name_of(name), limits::METAINFO_LEN);
        return Err(Failure::new(Code::BadTorrent, message));
    }
    Ok(bytes)
}

fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|s| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)))
}

fn name_of(text: &str) -> &str {
    if text == "-" { "stdin" } else { text }
}

/// Fetches a .torrent. The URL is the user's own, so it may lead to this network; its redirects, a stranger's, may not
/// lead further inward than it does.
fn fetch(url: &str) -> Result<Vec<u8>, Failure> {
    work::block_on(async {
        let client = TrackerClient::builder().build().map_err(|error| Failure::net(&error))?;
        client.fetch_metainfo(url).await.map_err(|error| match error {
            // A file that is too long is a bad torrent, whoever sends it.
            Error::TooLarge { .. } => Failure::new(Code::BadTorrent, error),
            error => Failure::net(&error),
        })
    })
}
