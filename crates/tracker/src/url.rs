//! Tracker URLs, and where a client may be sent by one.
//!
//! A URL in a .torrent or magnet link is chosen by a stranger, and so is every redirect. These rules keep it from
//! making us ask a service that listens on this machine or in this network for something: see [`Rules`] and
//! [`AddressRule`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use url::{Host, Url};

/// Longest URL taken, in bytes.
pub const URL_LEN: usize = 4096;

/// Query parameters of an announce: a URL that brings them along could make our request say something else.
const RESERVED: [&str; 10] = [
    "info_hash",
    "peer_id",
    "port",
    "uploaded",
    "downloaded",
    "left",
    "event",
    "compact",
    "corrupt",
    "numwant",
];

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

/// Why a URL or an address may not be asked: the answer is not to try.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The scheme is known but not spoken here.
    #[error("{0} trackers are not supported")]
    Unsupported(&'static str),
    /// The host name is internationalised.
    #[error("the host `{0}` is an internationalised name, which can look like another; allow them to use it")]
    Idna(String),
    /// The query carries a parameter of the announce itself.
    #[error("the tracker URL already carries `{0}`")]
    ReservedParameter(String),
    /// A tracker on this machine or link whose path does not look like a tracker's.
    #[error("a tracker at the local address {0} must have a path that begins with /announce")]
    LocalPath(String),
    /// The name leads to an address that this URL may not lead to.
    #[error("{host} is at {addr}, where this URL may not lead")]
    Address {
        /// The host asked for.
        host: String,
        /// Where it is.
        addr: IpAddr,
    },
    /// A redirect from the outside to the inside.
    #[error("a redirect from {from} to the more local {to}")]
    RedirectInward {
        /// Who redirected.
        from: String,
        /// Where to.
        to: String,
    },
    /// A redirect to something that is not HTTP.
    #[error("a redirect to {0}, which is neither http nor https")]
    RedirectScheme(String),
    /// A redirect to something that is no URL.
    #[error("a redirect to what is no URL: {0}")]
    RedirectSyntax(String),
    /// More redirects than [`types::limits::REDIRECTS`].
    #[error("more than {} redirects", types::limits::REDIRECTS)]
    TooManyRedirects,
}

/// How far from the world an address is; the order is from the outside inwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// The internet.
    Global,
    /// A private network: RFC 1918, RFC 6598, unique local IPv6.
    Private,
    /// This link: where routers and the metadata services of clouds are.
    Link,
    /// This machine.
    Loopback,
    /// No address of a server: unspecified, multicast, broadcast, reserved.
    Unusable,
}

impl Scope {
    /// The scope of `addr`. An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) counts as itself.
    pub fn of(addr: IpAddr) -> Scope {
        match addr {
            IpAddr::V4(v4) => Scope::of_v4(v4),
            IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| Scope::of_v6(v6), Scope::of_v4),
        }
    }

    fn of_v4(addr: Ipv4Addr) -> Scope {
        let [a, b, ..] = addr.octets();
        match (a, b) {
            (127, _) => Scope::Loopback,
            (169, 254) => Scope::Link,
            (10, _) | (172, 16..=31) | (192, 168) | (100, 64..=127) => Scope::Private,
            (0, _) | (224..=255, _) => Scope::Unusable,
            _ => Scope::Global,
        }
    }

    fn of_v6(addr: Ipv6Addr) -> Scope {
        let head = addr.segments()[0];
        if addr.is_loopback() {
            Scope::Loopback
        } else if addr.is_unspecified() || addr.is_multicast() {
            Scope::Unusable
        } else if head & 0xffc0 == 0xfe80 {
            Scope::Link
        } else if head & 0xfe00 == 0xfc00 || head & 0xffc0 == 0xfec0 {
            Scope::Private
        } else {
            Scope::Global
        }
    }
}

/// The IPv4 address that packets to `addr` end up at, where there is one.
fn embedded_v4(addr: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |hi: u16, lo: u16| Some(Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo)));
    match addr.segments() {
        [0, 0, 0, 0, 0, 0xffff, hi, lo] | [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => from(hi, lo),
        [0, 0, 0, 0, 0, 0, hi, lo] if hi != 0 => from(hi, lo),
        [0x2002, hi, lo, ..] => from(hi, lo),
        _ => None,
    }
}

/// How far inward a request may go. It must be asked about the *resolved* address, at the moment of connecting: a name
/// can lead elsewhere from one look-up to the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AddressRule {
    innermost: Scope,
}

impl AddressRule {
    /// Every address a server can have.
    pub const ANY: AddressRule = AddressRule { innermost: Scope::Loopback };
    /// Nothing on this machine or this link.
    pub const NOT_HOST: AddressRule = AddressRule { innermost: Scope::Private };
    /// The internet only.
    pub const GLOBAL: AddressRule = AddressRule { innermost: Scope::Global };

    /// The rule under which `innermost` is as far inward as it goes.
    pub const fn up_to(innermost: Scope) -> AddressRule {
        AddressRule { innermost }
    }

    /// Whether `addr` may be asked.
    pub fn allows(self, addr: IpAddr) -> bool {
        let scope = Scope::of(addr);
        scope != Scope::Unusable && scope <= self.innermost
    }

    /// The stricter of two rules.
    pub fn and(self, other: AddressRule) -> AddressRule {
        self.min(other)
    }
}

/// Whether `addr`, which `host` was resolved to, may be asked under `rule`.
///
/// # Errors
/// [`Refusal::Address`].
pub fn check_address(host: &str, addr: IpAddr, rule: AddressRule) -> Result<(), Refusal> {
    if rule.allows(addr) { Ok(()) } else { Err(Refusal::Address { host: host.to_owned(), addr }) }
}

/// What a URL is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Announces and scrapes: the URL comes from a stranger.
    Tracker,
    /// A .torrent file: the URL comes from the user, its redirects from a stranger.
    Metainfo,
}

/// What may be relaxed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Allow internationalised host names.
    pub allow_idna: bool,
    /// Allow every address, whatever the path and whoever redirects there.
    pub allow_local: bool,
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
    /// [`UrlError`]. Whether it may be used is another question: [`TrackerUrl::check`].
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

    fn is_localhost(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        host == "localhost" || host.ends_with(".localhost")
    }

    /// The scope that the text of the host gives away: that of an address, or `localhost`.
    fn written_scope(&self) -> Option<Scope> {
        self.addr().map(Scope::of).or(self.is_localhost().then_some(Scope::Loopback))
    }

    fn check_host(&self, rules: Rules) -> Result<(), Refusal> {
        // The parser has turned every non-ASCII name into its `xn--` form.
        if !rules.allow_idna && self.host().split('.').any(|label| label.starts_with("xn--")) {
            return Err(Refusal::Idna(self.host().to_owned()));
        }
        match self.addr() {
            Some(addr) if Scope::of(addr) == Scope::Unusable => {
                Err(Refusal::Address { host: self.host().to_owned(), addr })
            }
            _ => Ok(()),
        }
    }

    /// Whether the path is one that a tracker on a local address may have. A scrape's is derived from such a path.
    fn is_tracker_path(&self) -> bool {
        self.path().starts_with("/announce") || self.path().starts_with("/scrape")
    }
}

/// Whether a URL may be asked for `purpose`, as far as its text shows. The address is checked after look-up, with the
/// rule that comes back.
///
/// # Errors
/// [`Refusal`].
pub fn check_url(url: &TrackerUrl, purpose: Purpose, rules: Rules) -> Result<AddressRule, Refusal> {
    let supported = match purpose {
        Purpose::Tracker => url.scheme().is_supported(),
        Purpose::Metainfo => matches!(url.scheme(), Scheme::Http | Scheme::Https),
    };
    if !supported {
        return Err(Refusal::Unsupported(url.scheme().as_str()));
    }
    url.check_host(rules)?;
    if purpose == Purpose::Metainfo {
        return Ok(AddressRule::ANY);
    }
    let reserved = |name: &str| RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name));
    for pair in url.query().unwrap_or_default().split(['&', ';']) {
        let name = percent_decode(pair.split('=').next().unwrap_or_default().as_bytes());
        let name = String::from_utf8_lossy(&name);
        if reserved(name.trim()) {
            return Err(Refusal::ReservedParameter(crate::message::clean_text(name.as_bytes())));
        }
    }
    local_rule(url, rules)
}

/// [`check_url`] for a tracker.
///
/// # Errors
/// [`Refusal`].
pub fn check_tracker_url(url: &TrackerUrl, rules: Rules) -> Result<AddressRule, Refusal> {
    check_url(url, Purpose::Tracker, rules)
}

/// A UDP tracker cannot be talked into saying something to another service by its path, but it can by its port: the
/// same rule holds for it, with a URL without a path counting as one of a tracker.
fn local_rule(url: &TrackerUrl, rules: Rules) -> Result<AddressRule, Refusal> {
    let udp_root = url.scheme() == Scheme::Udp && url.udp_data().is_empty();
    if rules.allow_local || url.is_tracker_path() || udp_root {
        return Ok(AddressRule::ANY);
    }
    match url.written_scope() {
        Some(scope) if scope > Scope::Private => Err(Refusal::LocalPath(url.host().to_owned())),
        _ => Ok(AddressRule::NOT_HOST),
    }
}

/// A redirect that may be followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// Where to.
    pub to: TrackerUrl,
    /// What its address must obey after look-up.
    pub rule: AddressRule,
    /// Whether the `Authorization` of the first request may go along: only to the same origin.
    pub keep_authorization: bool,
}

/// Judges the redirect number `count` (from 1), which `from`, reached at `from_addr`, sent us as `location`.
///
/// A redirect never leads further inward than where it came from, and `Authorization` never leaves its origin.
///
/// # Errors
/// [`Refusal`].
pub fn check_redirect(
    from: &TrackerUrl,
    from_addr: IpAddr,
    location: &str,
    count: usize,
    purpose: Purpose,
    rules: Rules,
) -> Result<Redirect, Refusal> {
    if count > types::limits::REDIRECTS {
        return Err(Refusal::TooManyRedirects);
    }
    let to = match from.join(location) {
        Ok(to) if matches!(to.scheme(), Scheme::Http | Scheme::Https) => to,
        Ok(to) => return Err(Refusal::RedirectScheme(to.scheme().as_str().to_owned())),
        Err(UrlError::Scheme(scheme)) => return Err(Refusal::RedirectScheme(scheme)),
        Err(error) => return Err(Refusal::RedirectSyntax(error.to_string())),
    };
    to.check_host(rules)?;
    let keep_authorization = to.origin() == from.origin();
    if rules.allow_local {
        return Ok(Redirect { to, rule: AddressRule::ANY, keep_authorization });
    }
    let from_scope = Scope::of(from_addr);
    if to.written_scope().is_some_and(|scope| scope > from_scope) {
        let from = from.origin().to_owned();
        return Err(Refusal::RedirectInward { from, to: to.origin().to_owned() });
    }
    let outer = match purpose {
        Purpose::Tracker => local_rule(&to, rules)?,
        Purpose::Metainfo => AddressRule::ANY,
    };
    Ok(Redirect { to, rule: outer.and(AddressRule::up_to(from_scope)), keep_authorization })
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
