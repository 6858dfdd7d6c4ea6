//! What can go wrong, in words and in stable codes.

use std::fmt;
use std::sync::Arc;

use storage::{ErrorKind, StorageError};

/// Why something stopped, for people (one sentence that names the path or address) and for programs (a code).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Trouble {
    /// A stable code, see [`Error::code`].
    pub code: &'static str,
    /// One sentence: what, where, and what to do.
    #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
    pub message: Arc<str>,
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

impl Trouble {
    pub(crate) fn new(code: &'static str, message: impl Into<Arc<str>>) -> Trouble {
        Trouble { code, message: message.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<engine::DiskTrouble> for Trouble {
    fn from(trouble: engine::DiskTrouble) -> Trouble {
        Trouble { code: trouble.code, message: trouble.message }
    }
}

/// Why a call failed. [`Error::code`] is the same word that the command line prints in its JSON.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The `.torrent` is not what it should be. The sentence names the key and the offset.
    #[error("not a valid torrent: {message}")]
    BadTorrent {
        /// What is wrong.
        message: Arc<str>,
    },
    /// The magnet link is not what it should be. The sentence names the parameter.
    #[error("not a valid magnet link: {message}")]
    BadMagnet {
        /// What is wrong.
        message: Arc<str>,
    },
    /// A v2 torrent needs the hashes of its pieces, which a magnet link can't bring, and fetching them from
    /// peers (BEP 52) is not built yet.
    #[error(
        "{hashes}: the hashes of its pieces must be fetched from peers, which is not supported yet; give the .torrent file"
    )]
    HashExchangeMissing {
        /// The torrent.
        hashes: types::InfoHashes,
    },
    /// The `.torrent` could not be fetched.
    #[error("{url}: {message}")]
    Fetch {
        /// From where.
        url: Arc<str>,
        /// Why not.
        message: Arc<str>,
    },
    /// The DHT is switched off ([`ClientBuilder::no_dht`](crate::ClientBuilder::no_dht)), the client anonymous, or no socket could be had for it.
    #[error("there is no DHT: it is switched off, or has no socket")]
    NoDht,
    /// A name can't be looked up.
    #[error("{host} can't be looked up: {message}")]
    UnknownHost {
        /// The name.
        host: Arc<str>,
        /// Why not.
        message: Arc<str>,
    },
    /// No peer was found in the time that the caller gave.
    #[error("no peers found in time")]
    NoPeers,
    /// Reading or writing failed; the code is the storage's.
    #[error("{0}")]
    Disk(Trouble),
    /// An address can't be listened on; the code tells why.
    #[error("{0}")]
    Listen(Trouble),
    /// A setting outside its range.
    #[error("setting `{setting}` must be {allowed}")]
    Config {
        /// Which setting.
        setting: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// There is no such file in the torrent.
    #[error("the torrent has no file {file}; its files are numbered from 0 to {}", .files.saturating_sub(1))]
    NoSuchFile {
        /// What was asked for.
        file: u32,
        /// How many files there are.
        files: u32,
    },
    /// The files of a torrent can't be renamed or moved before its data has been looked for.
    #[error("the torrent's data is not known yet; wait until it is checked")]
    NotReady,
    /// Bytes that a responsive reader gave out before they were verified are wrong, or may be: their piece failed its hash
    /// or had to begin anew. It is fetched again; seek back and read them again.
    #[error("bytes {} were read before they were verified, and are wrong; read them again", Ranges(.bytes))]
    Retracted {
        /// All that was given out of that piece, from the start of what the reader reads: at least one range, in order,
        /// with something between any two.
        bytes: Vec<std::ops::Range<u64>>,
    },
    /// The call was cancelled from elsewhere.
    #[error("cancelled")]
    Cancelled,
    /// The torrent failed; what made it fail is in the [`Trouble`].
    #[error("{0}")]
    Failed(Trouble),
    /// The torrent was removed.
    #[error("the torrent was removed")]
    Removed,
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The system has no thread, poller or entropy to give.
    #[error("can't {what}: {message}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        message: Arc<str>,
    },
}

/// Ranges for a sentence.
struct Ranges<'a>(&'a [std::ops::Range<u64>]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let between = if n > 0 { ", " } else { "" };
            write!(f, "{between}{} to {}", range.start, range.end)?;
        }
        Ok(())
    }
}

impl Error {
    /// A stable name, the same here, in `--json` output and behind the exit codes of the command line:
    ///
    /// `bad_torrent`, `bad_magnet`, `hash_exchange_missing`, `fetch_failed`, `no_dht`, `unknown_host`, `no_peers`, `bad_setting`,
    /// `no_such_file`, `in_use`, `not_ready`, `retracted`, `cancelled`, `removed`, `closed`, `system`, `internal`; for listening `address_in_use`,
    /// `permission`, `address_not_available`, `io`; for disks `disk_full`, `permission`, `read_only`,
    /// `not_found`, `truncated`, `is_directory`, `not_a_directory`, `symlink`, `not_a_file`,
    /// `exists`, `bad_path`, `file_too_large`, `too_many_open_files`, `damaged`, `hash_mismatch`, `io`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::BadTorrent { .. } => "bad_torrent",
            Error::BadMagnet { .. } => "bad_magnet",
            Error::HashExchangeMissing { .. } => "hash_exchange_missing",
            Error::Fetch { .. } => "fetch_failed",
            Error::NoDht => "no_dht",
            Error::UnknownHost { .. } => "unknown_host",
            Error::NoPeers => "no_peers",
            Error::Disk(trouble) | Error::Listen(trouble) | Error::Failed(trouble) => trouble.code,
            Error::Config { .. } => "bad_setting",
            Error::NoSuchFile { .. } => "no_such_file",
            Error::NotReady => "not_ready",
            Error::Retracted { .. } => "retracted",
            Error::Cancelled => "cancelled",
            Error::Removed => "removed",
            Error::Closed => "closed",
            Error::System { .. } => "system",
        }
    }

    pub(crate) fn bad_torrent(error: impl fmt::Display) -> Error {
        Error::BadTorrent { message: error.to_string().into() }
    }

    pub(crate) fn system(what: &'static str, error: impl fmt::Display) -> Error {
        Error::System { what, message: error.to_string().into() }
    }

    /// What failed about a path that is not a torrent's.
    pub(crate) fn io(path: &std::path::Path, op: storage::Op, error: std::io::Error) -> Error {
        StorageError::from_io(path, op, error).into()
    }
}

impl From<Error> for std::io::Error {
    /// The error is found again by [`std::io::Error::get_ref`].
    fn from(error: Error) -> std::io::Error {
        let kind = match error {
            Error::Closed | Error::Removed => std::io::ErrorKind::NotConnected,
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Error {
        match error {
            StorageError::Cancelled => Error::Closed,
            error => Error::Disk(Trouble::new(storage_code(&error), error.to_string())),
        }
    }
}

impl From<net::tcp::ListenError> for Error {
    fn from(error: net::tcp::ListenError) -> Error {
        Error::Listen(Trouble::new(error.code(), error.to_string()))
    }
}

/// The public code of a storage's error: the storage's own, but for what only this crate can name.
pub(crate) fn storage_code(error: &StorageError) -> &'static str {
    match error.kind() {
        ErrorKind::Cancelled => "closed",
        ErrorKind::Panicked => "internal",
        ErrorKind::OutOfRange | ErrorKind::Unsupported => "io",
        kind => kind.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_that_scripts_can_rely_on() {
        let full = StorageError::DiskFull { path: "/data/a".into() };
        let error = Error::from(full);
        assert_eq!(error.code(), "disk_full");
        assert!(error.to_string().starts_with("/data/a: "));
        assert_eq!(Error::from(StorageError::Cancelled).code(), "closed");
    }
}
