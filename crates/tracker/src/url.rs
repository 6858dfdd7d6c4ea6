//! Tracker URLs, and where a client may be sent by one.
//!
//! A URL in a .torrent or magnet link is chosen by a stranger, and so is every redirect. These rules keep it from
//! making us ask a service that listens on this machine or in this network for something: see [`Rules`] and
//! [`AddressRule`].

mod rules;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Url};

pub use rules::{
    AddressRule, Purpose, Redirect, Refusal, Rules, Scope, check_address, check_redirect, check_tracker_url,
    check_url,
};

/// Longest URL taken, in bytes.
pub const URL_LEN: usize = 4096;

/// What a tracker is spoken to with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Scheme {
    /// HTTP (BEP 3).
    Http,
    /// HTTP over TLS.
    Https,
    /// UDP (BEP 15).
    Udp,
    /// WebSocket (WebTorrent); kept, shown, and not spoken to.
    Ws,
    /// WebSocket over TLS; kept, shown, and not spoken to.
    Wss,
}

impl Scheme {
    /// Whether announces can be made with it.
    pub const fn is_supported(self) -> bool {
        matches!(self, Scheme::Http | Scheme::Https | Scheme::Udp)
    }

    /// As it stands in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Udp => "udp",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }

    fn parse(text: &str) -> Option<Scheme> {
        let all = [Scheme::Http, Scheme::Https, Scheme::Udp, Scheme::Ws, Scheme::Wss];
        all.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text))
    }
}

/// Why a text is no URL to be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than [`URL_LEN`].
    #[error("a URL of {0} bytes; the limit is {URL_LEN}")]
    TooLong(usize),
    /// Not a URL.
    #[error("`{text}` is not a URL: {problem}")]
    Syntax {
        /// The text, made safe to print.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another scheme than http, https, udp, ws or wss.
    #[error("`{0}` is not a scheme of trackers; use http, https or udp")]
    Scheme(String),
}

/// The URL of a tracker, or of a .torrent file. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerUrl(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    /// The whole URL without user information and fragment, normalised.
    text: String,
    scheme: Scheme,
    /// `scheme://host:port`, the port always there.
    origin: String,
    host: String,
    addr: Option<IpAddr>,
    port: u16,
    path: String,
    query: Option<String>,
    credentials: Option<(String, String)>,
}

impl TrackerUrl {
    /// Reads a URL. Spaces around it are cut away, the host is lower-cased, numbers in odd forms become addresses
    /// (`0x7f.1` is `127.0.0.1`), user information is kept apart.
    ///
    /// # Errors
    /// [`UrlError`]. Whether it may be used is another question: [`check_tracker_url`].
    pub fn parse(text: &str) -> Result<TrackerUrl, UrlError> {
        let text = text.trim();
        if text.len() > URL_LEN {
            return Err(UrlError::TooLong(text.len()));
        }
        let syntax =
            |problem: String| UrlError::Syntax { text: crate::message::clean_text(text.as_bytes()), problem };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| syntax("it has no `://`".into()))?;
        let scheme = Scheme::parse(scheme)
            .ok_or_else(|| UrlError::Scheme(crate::message::clean_text(scheme.as_bytes())))?;
        // Only the schemes of the web get their hosts normalised, so udp is read as if it were one.
        let read_as = if scheme == Scheme::Udp { "http" } else { scheme.as_str() };
        let url = Url::parse(&format!("{read_as}://{rest}")).map_err(|e| syntax(e.to_string()))?;
        TrackerUrl::from_url(scheme, &url).ok_or_else(|| syntax("it names no host or port 0".into()))
    }

    /// Reads a URL that stands in an answer of this one: absolute, or relative to it (RFC 3986, section 5).
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn join(&self, location: &str) -> Result<TrackerUrl, UrlError> {
        if location.len() > URL_LEN {
            return Err(UrlError::TooLong(location.len()));
        }
        let syntax = |e: url::ParseError| UrlError::Syntax {
            text: crate::message::clean_text(location.as_bytes()),
            problem: e.to_string(),
        };
        let url = Url::parse(&self.0.text).and_then(|base| base.join(location)).map_err(syntax)?;
        TrackerUrl::parse(url.as_str())
    }

    fn from_url(scheme: Scheme, url: &Url) -> Option<TrackerUrl> {
        let addr = match url.host()? {
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
            Host::Domain(_) => None,
        };
        let host = url.host_str().filter(|h| !h.is_empty())?.to_owned();
        let port = url.port_or_known_default().filter(|p| *p != 0)?;
        let (path, query) = (url.path().to_owned(), url.query().map(str::to_owned));
        let shown_port = match url.port() {
            None if scheme != Scheme::Udp => String::new(),
            _ => format!(":{port}"),
        };
        let tail = query.as_ref().map(|q| format!("?{q}")).unwrap_or_default();
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let plain = |s: &str| String::from_utf8_lossy(&percent_decode(s.as_bytes())).into_owned();
            (plain(url.username()), plain(url.password().unwrap_or_default()))
        });
        Some(TrackerUrl(Arc::new(Parts {
            text: format!("{}://{host}{shown_port}{path}{tail}", scheme.as_str()),
            origin: format!("{}://{host}:{port}", scheme.as_str()),
            scheme,
            host,
            addr,
            port,
            path,
            query,
            credentials,
        })))
    }

    /// The URL, normalised, without user information: safe to show as far as its path and query are no secret.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// What it is spoken to with.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host: a name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The host, where it is an address and no name.
    pub fn addr(&self) -> Option<IpAddr> {
        self.0.addr
    }

    /// The port; 80, or 443 for https and wss, where the URL names none.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// `scheme://host:port`: what connections and their limits are counted by, and what credentials belong to.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// The path; at least `/`.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What follows the `?`.
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// User name and password of the URL. They are for this [`TrackerUrl::origin`] only.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.0.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// Path and query as BEP 41 sends them; empty where the URL names neither.
    pub fn udp_data(&self) -> String {
        match (self.path(), self.query()) {
            ("/", None) => String::new(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        }
    }
}

/// `%41` to `A`; what is no escape stays as it is.
pub(crate) fn percent_decode(text: &[u8]) -> Vec<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(hi), Some(lo)) => {
                out.push((hi << 4 | lo) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Raw bytes for a query: all but RFC 3986's unreserved characters are escaped.
pub(crate) fn percent_encode(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &b in bytes {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
}

impl std::str::FromStr for TrackerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<TrackerUrl, UrlError> {
        TrackerUrl::parse(text)
    }
}

impl fmt::Display for TrackerUrl {
    /// Without user information.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
