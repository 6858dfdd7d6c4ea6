//! Exit codes, and the sentence that goes with each failure.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// What kind of failure ended the program. The numbers are a promise to scripts; `torrent help exit` prints them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something that should not happen, or fits nothing below.
    Other = 1,
    /// Arguments that make no sense; nothing was done.
    Usage = 2,
    /// A torrent, magnet link or other input that can't be read.
    BadTorrent = 3,
    /// No peer had the data in the given time.
    NoPeers = 4,
    /// The disk is full.
    DiskFull = 5,
    /// Reading or writing failed.
    Io = 6,
    /// Data on the disk does not match its hashes.
    HashMismatch = 7,
    /// A tracker or server did not answer as it should.
    Network = 8,
    /// Ctrl-C, a termination signal or a hangup; what was done is kept.
    Interrupted = 130,
    /// Nobody reads stdout any more, and the work that was to be told there was not done.
    OutputClosed = 141,
}

impl Code {
    /// Every code, with what `torrent help exit` and the man page say of it.
    pub(crate) const TABLE: [(u8, &'static str); 11] = [
        (0, "success"),
        (Code::Other as u8, "internal error, or one that fits nothing below"),
        (Code::Usage as u8, "wrong arguments; nothing was done"),
        (Code::BadTorrent as u8, "a torrent, magnet link or other input can't be read"),
        (Code::NoPeers as u8, "no peer had the data within --timeout"),
        (Code::DiskFull as u8, "the disk is full"),
        (Code::Io as u8, "reading or writing failed"),
        (Code::HashMismatch as u8, "data on the disk does not match its hashes"),
        (Code::Network as u8, "a tracker or server did not answer as it should"),
        (Code::Interrupted as u8, "interrupted by Ctrl-C, SIGTERM or SIGHUP; progress is kept"),
        (Code::OutputClosed as u8, "the reader of stdout went before --json had told all; progress is kept"),
    ];

    /// The exit code for a stable code of the library.
    pub(crate) fn of_library(code: &str) -> Code {
        match code {
            "bad_torrent" | "bad_magnet" | "hash_exchange_missing" => Code::BadTorrent,
            "no_peers" => Code::NoPeers,
            "disk_full" => Code::DiskFull,
            "hash_mismatch" => Code::HashMismatch,
            "bad_setting" | "no_such_file" => Code::Usage,
            "fetch_failed" | "address_in_use" | "address_not_available" => Code::Network,
            "internal" | "closed" | "removed" | "system" => Code::Other,
            _ => Code::Io,
        }
    }
}

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Failure {
        Failure { code, message: message.to_string() }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure::new(Code::Usage, message)
    }

    /// A failure of the file at `path`.
    pub(crate) fn io(path: impl fmt::Display, error: &std::io::Error) -> Failure {
        let code = if error.kind() == std::io::ErrorKind::StorageFull { Code::DiskFull } else { Code::Io };
        Failure::new(code, format!("{path}: {error}"))
    }

    /// The same, said of an option.
    pub(crate) fn of(self, option: &str) -> Failure {
        Failure { message: format!("{option} {}", self.message), ..self }
    }

    /// A tracker or web server that could not be asked. The error names the host and keeps secrets of the URL.
    pub(crate) fn net(error: &net::tracker::Error) -> Failure {
        use net::tracker::Error;
        use tracker::url::Refusal;
        let code = match error {
            Error::Url(_) | Error::NoScrape => Code::Usage,
            // What the URL itself says, not where a tracker or a resolver leads.
            Error::Refusal(
                Refusal::Unsupported(_)
                | Refusal::Idna(_)
                | Refusal::ReservedParameter(_)
                | Refusal::LocalPath(_),
            ) => Code::Usage,
            Error::Setup(_) | Error::Closed => Code::Other,
            _ => Code::Network,
        };
        Failure::new(code, error)
    }

    /// A failure of the files of a torrent.
    pub(crate) fn storage(error: &storage::StorageError) -> Failure {
        Failure::new(Code::of_library(error.kind().code()), error)
    }

    /// A torrent that could not be made.
    pub(crate) fn make(error: storage::MakeError) -> Failure {
        use storage::MakeError;
        match error {
            MakeError::Storage(error) => Failure::storage(&error),
            MakeError::Link { .. } => Failure::new(Code::Io, error),
            MakeError::Cancelled => Failure::interrupted(),
            _ => Failure::usage(error),
        }
    }

    /// Ctrl-C, or a request of the system to end.
    pub(crate) fn interrupted() -> Failure {
        Failure::new(Code::Interrupted, "interrupted")
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the sentence and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // Where stderr is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "torrent: {}", self.message);
        }
        ExitCode::from(self.code as u8)
    }
}

/// What is wrong with a command line. Each complaint is told, not the first alone: nobody likes to try again and again.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Vec<Failure>);

impl Complaints {
    /// What was asked for, or none where something is wrong with it.
    pub(crate) fn note<T>(&mut self, found: Result<T, Failure>) -> Option<T> {
        found.map_err(|failure| self.0.push(failure)).ok()
    }

    /// What was found, or all complaints as one failure. Wrong arguments go before what the system refused.
    pub(crate) fn end<T>(self, found: Option<T>) -> Result<T, Failure> {
        let usage = self.0.iter().any(|failure| failure.code == Code::Usage);
        let code = self.0.first().map_or(Code::Other, |first| if usage { Code::Usage } else { first.code });
        let sentences: Vec<&str> = self.0.iter().map(|failure| failure.message.as_str()).collect();
        found.filter(|_| self.0.is_empty()).ok_or_else(|| Failure::new(code, sentences.join("\ntorrent: ")))
    }
}

/// Help and version are answers on stdout; everything else is a usage error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(Code::Usage as u8) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table_once_and_library_codes_map() {
        let mut codes: Vec<u8> = Code::TABLE.iter().map(|(code, _)| *code).collect();
        codes.dedup();
        assert_eq!(codes.len(), Code::TABLE.len());
        assert_eq!(Code::of_library("disk_full"), Code::DiskFull);
        assert_eq!(Code::of_library("permission"), Code::Io);
    }

    #[test]
    fn each_complaint_is_told() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.note(Ok(1)), Some(1));
        complaints.note::<()>(Err(Failure::new(Code::Io, "a: is gone")));
        complaints.note::<()>(Err(Failure::usage("b is wrong")));
        let failure = complaints.end(Some(1)).unwrap_err();
        assert_eq!((failure.code(), failure.message()), (Code::Usage, "a: is gone\ntorrent: b is wrong"));
        assert_eq!(Complaints::default().end(Some(1)).unwrap(), 1);
    }
}
