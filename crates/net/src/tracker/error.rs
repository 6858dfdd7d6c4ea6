//! What can go wrong, with a stable code for each kind.

use std::time::Duration;

use tracker::url::{Refusal, UrlError};
use tracker::{Failure, FailureKind, Family, ReplyError};

/// Why a tracker could not be asked. No variant shows the path or query of a URL: they may hold secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A URL, redirect or address that may not be asked.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// A redirect to a URL that may not be asked: whoever redirects there is to blame, not who gave the first URL.
    #[error("{origin} redirects where it may not: {refusal}")]
    Redirect {
        /// Who redirected.
        origin: String,
        /// Why the target may not be asked.
        refusal: Refusal,
    },
    /// The name could not be looked up.
    #[error("{host} could not be looked up: {problem}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        problem: String,
    },
    /// There is no address of the wanted kind.
    #[error("{host} has no {}address", kind_word(*.family))]
    NoAddress {
        /// The name.
        host: String,
        /// The kind.
        family: Family,
    },
    /// No connection, a certificate that does not hold, or a broken exchange.
    #[error("{origin}: {problem}")]
    Http {
        /// Who was asked.
        origin: String,
        /// What happened.
        problem: String,
    },
    /// A socket could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{origin} did not answer within {} s", after.as_secs_f32())]
    Timeout {
        /// Who was asked.
        origin: String,
        /// How long we waited.
        after: Duration,
    },
    /// No UDP answer.
    #[error("no answer from {to} after {tries} tries")]
    UdpTimeout {
        /// Who was asked.
        to: std::net::SocketAddr,
        /// How often.
        tries: u32,
    },
    /// An HTTP status other than success, with a body that is no tracker's.
    #[error("{origin} answered with status {status}")]
    Status {
        /// Who was asked.
        origin: String,
        /// The status code.
        status: u16,
    },
    /// The body is larger than the limit, unpacked.
    #[error("{origin} sent more than {limit} bytes")]
    TooLarge {
        /// Who was asked.
        origin: String,
        /// The limit.
        limit: usize,
    },
    /// The tracker refused, or its answer can't be read.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// The URL has no scrape: no part of its path begins with `announce` (BEP 48).
    #[error("this tracker has no scrape: its path does not begin with announce")]
    NoScrape,
    /// The client can't be made.
    #[error("the tracker client can't be set up: {0}")]
    Setup(String),
    /// The runtime that drove the sockets is gone.
    #[error("the tracker client was shut down")]
    Closed,
}

/// The kind of address that was wanted.
fn kind_word(family: Family) -> &'static str {
    match family {
        Family::Any => "",
        Family::V4 => "IPv4 ",
        Family::V6 => "IPv6 ",
    }
}

impl Error {
    /// A stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Url(_) => "tracker-url",
            Error::Refusal(_) | Error::Redirect { .. } => "tracker-refused-by-rule",
            Error::Lookup { .. } => "tracker-lookup",
            Error::NoAddress { .. } => "tracker-no-address",
            Error::Http { .. } => "tracker-http",
            Error::Io { .. } => "tracker-io",
            Error::Timeout { .. } | Error::UdpTimeout { .. } => "tracker-timeout",
            Error::Status { .. } => "tracker-status",
            Error::TooLarge { .. } => "tracker-too-large",
            Error::Reply(ReplyError::Refused { .. }) => "tracker-refused",
            Error::Reply(_) => "tracker-reply",
            Error::NoScrape => "tracker-no-scrape",
            Error::Setup(_) => "tracker-setup",
            Error::Closed => "tracker-closed",
        }
    }

    /// What an [`Announcer`](tracker::Announcer) wants to know of it.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Error::Url(_) | Error::NoScrape => FailureKind::Unusable,
            // What a redirect or an address breaks today may be mended tomorrow; what the URL breaks may not.
            Error::Refusal(
                Refusal::Unsupported(_)
                | Refusal::Idna(_)
                | Refusal::ReservedParameter(_)
                | Refusal::LocalPath(_),
            ) => FailureKind::Unusable,
            Error::NoAddress { .. } => FailureKind::NoAddress,
            Error::Reply(error) => return Failure::from(error.clone()),
            _ => FailureKind::Unreachable,
        };
        Failure::new(kind, self)
    }

    /// What is wrong with a redirect from `origin`. Refusals that only redirects can have speak for themselves.
    pub(super) fn from_redirect(origin: &str, refusal: Refusal) -> Error {
        match refusal {
            Refusal::RedirectInward { .. }
            | Refusal::RedirectScheme(_)
            | Refusal::RedirectSyntax(_)
            | Refusal::TooManyRedirects => Error::Refusal(refusal),
            refusal => Error::Redirect { origin: origin.to_owned(), refusal },
        }
    }

    /// What a failed HTTP exchange with `origin` was about.
    pub(super) fn from_http(origin: &str, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let mut problem = String::new();
        while let Some(cause) = source {
            if let Some(blocked) = cause.downcast_ref::<Blocked>() {
                return blocked.to_error();
            }
            // The outer layers only say that something below them failed.
            problem = cause.to_string();
            source = cause.source();
        }
        Error::Http { origin: origin.to_owned(), problem }
    }
}

/// A look-up that failed below the HTTP client, on its way through it.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Blocked {
    #[error(transparent)]
    Refusal(Refusal),
    #[error("{host} has no {}address", kind_word(*.family))]
    NoAddress { host: String, family: Family },
    #[error("{host} could not be looked up: {problem}")]
    Lookup { host: String, problem: String },
}

impl Blocked {
    pub(super) fn to_error(&self) -> Error {
        match self.clone() {
            Blocked::Refusal(refusal) => Error::Refusal(refusal),
            Blocked::NoAddress { host, family } => Error::NoAddress { host, family },
            Blocked::Lookup { host, problem } => Error::Lookup { host, problem },
        }
    }
}
