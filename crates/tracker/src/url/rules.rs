//! Where a client may be sent by a URL: the rules against being made to ask what listens here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Scheme, TrackerUrl, UrlError, percent_decode};

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

impl TrackerUrl {
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
