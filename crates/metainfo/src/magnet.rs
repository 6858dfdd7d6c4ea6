//! Magnet links (BEP 9; web seeds and sources as in its extensions; selected files BEP 53).

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use types::{InfoHash, InfoHashV2, InfoHashes};

use crate::info::Version;
use crate::metainfo::Metainfo;
use crate::outer::Node;

/// Longest link read, in bytes.
pub const MAX_LEN: usize = 64 << 10;
/// Most parameters of a link.
pub const MAX_PARAMETERS: usize = 2_000;
/// Most ranges of selected files.
pub const MAX_RANGES: usize = 1_000;

/// A magnet link: the hashes of a torrent, and where to find it.
///
/// ```
/// use riverrun_metainfo::Magnet;
/// let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=a%20b&tr=udp%3A%2F%2Ft%3A1";
/// let magnet: Magnet = link.parse()?;
/// assert_eq!(magnet.name.as_deref(), Some("a b"));
/// assert_eq!(magnet.trackers, ["udp://t:1"]);
/// assert_eq!(magnet.to_string(), link);
/// # Ok::<(), riverrun_metainfo::MagnetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// `xt`: what names the torrent; `urn:btih` in hexadecimal or base32, `urn:btmh`, or both.
    pub hashes: InfoHashes,
    /// `dn`: a name to show until the torrent is known. Not safe as a file name.
    pub name: Option<String>,
    /// `tr`: trackers.
    pub trackers: Vec<String>,
    /// `ws`: web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// `xs`: where the `.torrent` itself is, or a mutable torrent (BEP 46).
    pub exact_sources: Vec<String>,
    /// `as`: other places of the `.torrent`.
    pub acceptable_sources: Vec<String>,
    /// `x.pe`: peers.
    pub peers: Vec<Node>,
    /// `so`: the files to download, by number; none means all (BEP 53).
    pub select: Vec<RangeInclusive<u32>>,
    /// Parameters that mean nothing here, decoded, in the order of the link.
    pub other: Vec<(String, String)>,
}

/// Why a link was refused; each names the parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not begin with `magnet:?`.
    #[error("a magnet link begins with `magnet:?`")]
    Scheme,
    /// It is longer than [`MAX_LEN`].
    #[error("the link has {0} bytes, over the limit of {MAX_LEN}")]
    TooLong(usize),
    /// It has more parameters than [`MAX_PARAMETERS`].
    #[error("the link has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    /// No `xt` names a torrent.
    #[error("xt: no `urn:btih:` or `urn:btmh:` that names a torrent")]
    NoHash,
    /// An `xt` is of the right kind but no hash.
    #[error("xt: `{0}` is not 40 hexadecimal digits or 32 characters of base32")]
    Btih(String),
    /// A `urn:btmh` is no SHA-256 multihash.
    #[error("xt: `{0}` is not a SHA-256 multihash: 1220 and 64 hexadecimal digits")]
    Btmh(String),
    /// Two different hashes of one version.
    #[error("xt: the link names two different torrents")]
    TwoHashes,
    /// A `%` that no two hexadecimal digits follow.
    #[error("{parameter}: a `%` is not followed by two hexadecimal digits, at byte {offset} of the link")]
    Percent {
        /// The parameter.
        parameter: String,
        /// Where the `%` is.
        offset: usize,
    },
    /// A peer that is no `host:port`.
    #[error("x.pe: `{0}` is not a host and a port")]
    Peer(String),
    /// A selection that is not numbers and ranges, or has more than [`MAX_RANGES`].
    #[error("so: `{0}` is not a list of numbers and ranges such as 0,2,4-6")]
    Select(String),
}

impl Magnet {
    /// A link with nothing but the hashes.
    pub fn new(hashes: InfoHashes) -> Magnet {
        Magnet {
            hashes,
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            exact_sources: Vec::new(),
            acceptable_sources: Vec::new(),
            peers: Vec::new(),
            select: Vec::new(),
            other: Vec::new(),
        }
    }

    /// Whether file `number` is selected. True for each if the link selects none.
    pub fn selects(&self, number: u32) -> bool {
        self.select.is_empty() || self.select.iter().any(|range| range.contains(&number))
    }

    /// Which versions of the format its hashes are of.
    pub fn version(&self) -> Version {
        match (self.hashes.get_v1(), self.hashes.get_v2()) {
            (Some(_), Some(_)) => Version::Hybrid,
            (_, None) => Version::V1,
            (None, _) => Version::V2,
        }
    }
}

impl Metainfo {
    /// The magnet link of this torrent, with its trackers and web seeds.
    pub fn magnet(&self) -> Magnet {
        Magnet {
            name: Some(String::from_utf8_lossy(self.info().raw_name()).into_owned()),
            trackers: self.tiers().into_iter().flatten().collect(),
            web_seeds: self.web_seeds().to_vec(),
            ..Magnet::new(self.info_hashes())
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(link: &str) -> Result<Magnet, MagnetError> {
        const SCHEME: &str = "magnet:?";
        if link.len() > MAX_LEN {
            return Err(MagnetError::TooLong(link.len()));
        }
        let trimmed = link.trim();
        let scheme = trimmed.get(..SCHEME.len()).filter(|s| s.eq_ignore_ascii_case(SCHEME));
        scheme.ok_or(MagnetError::Scheme)?;
        let mut reader = Reader::default();
        // Offsets count from the start of the link as given.
        let mut offset = link.len() - link.trim_start().len() + SCHEME.len();
        for (number, parameter) in trimmed[SCHEME.len()..].split('&').enumerate() {
            if number == MAX_PARAMETERS {
                return Err(MagnetError::TooManyParameters);
            }
            // Links copied out of HTML have `&amp;` between their parameters.
            let bare = parameter.strip_prefix("amp;").unwrap_or(parameter);
            let at = offset + parameter.len() - bare.len();
            offset += parameter.len() + 1;
            let (key, value) = bare.split_once('=').unwrap_or((bare, ""));
            if key.is_empty() {
                continue;
            }
            let key_text = decode(key, key, at)?;
            let value = decode(value, &key_text, at + key.len() + 1)?;
            reader.parameter(&key_text, value)?;
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
    rest: Option<Magnet>,
}

impl Reader {
    fn parameter(&mut self, key: &str, value: String) -> Result<(), MagnetError> {
        let empty = || Magnet::new(InfoHashes::v1(InfoHash([0; 20])));
        let lower = key.to_ascii_lowercase();
        if base_name(&lower) == "xt" && self.hash(&value)? {
            return Ok(());
        }
        let magnet = self.rest.get_or_insert_with(empty);
        match base_name(&lower) {
            "dn" if magnet.name.is_none() => magnet.name = Some(value),
            "tr" => push_new(&mut magnet.trackers, value),
            "ws" => push_new(&mut magnet.web_seeds, value),
            "xs" => push_new(&mut magnet.exact_sources, value),
            "as" => push_new(&mut magnet.acceptable_sources, value),
            "x.pe" => magnet.peers.push(peer(&value).ok_or(MagnetError::Peer(value))?),
            "so" => select(&value, &mut magnet.select)?,
            _ => magnet.other.push((key.to_owned(), value)),
        }
        Ok(())
    }

    /// Whether `value` is the name of a torrent, rather than of something else.
    fn hash(&mut self, value: &str) -> Result<bool, MagnetError> {
        let tail = |prefix: &str| {
            let head = value.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then(|| &value[prefix.len()..])
        };
        if let Some(text) = tail("urn:btih:") {
            let hash = text.parse().map_err(|_| MagnetError::Btih(shown(text)))?;
            set(&mut self.v1, hash)?;
        } else if let Some(text) = tail("urn:btmh:") {
            // A multihash: 0x12 is SHA-256, 0x20 its length.
            let digits = text.strip_prefix("1220").and_then(|digits| digits.parse().ok());
            set(&mut self.v2, digits.ok_or_else(|| MagnetError::Btmh(shown(text)))?)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn finish(self) -> Result<Magnet, MagnetError> {
        let hashes = match (self.v1, self.v2) {
            (Some(v1), Some(v2)) => InfoHashes::hybrid(v1, v2),
            (Some(v1), None) => InfoHashes::v1(v1),
            (None, Some(v2)) => InfoHashes::v2(v2),
            (None, None) => return Err(MagnetError::NoHash),
        };
        Ok(Magnet { hashes, ..self.rest.unwrap_or_else(|| Magnet::new(hashes)) })
    }
}

fn set<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), MagnetError> {
    match slot {
        Some(known) if *known != value => Err(MagnetError::TwoHashes),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// `tr.1` is `tr`: some programs number parameters that come more than once.
fn base_name(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => key,
    }
}

fn push_new(list: &mut Vec<String>, value: String) {
    let value = value.trim();
    if !value.is_empty() && !list.iter().any(|known| known == value) {
        list.push(value.to_owned());
    }
}

fn peer(text: &str) -> Option<Node> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host.to_owned(),
    };
    let name = !host.is_empty()
        && !host.contains(|c: char| c.is_control() || c.is_whitespace() || "/@[]".contains(c));
    let fits = name && host.len() <= 255 && (bare.is_some() || !host.contains(':'));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    fits.then_some(Node { host, port })
}

fn select(text: &str, out: &mut Vec<RangeInclusive<u32>>) -> Result<(), MagnetError> {
    let wrong = || MagnetError::Select(shown(text));
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        let range = number(first)?..=number(last)?;
        if range.is_empty() || out.len() == MAX_RANGES {
            return Err(wrong());
        }
        out.push(range);
    }
    Ok(())
}

/// The start of `text`, for an error.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Undoes percent-encoding; what is not UTF-8 then becomes U+FFFD. A `+` is a space, as in HTML forms.
fn decode(text: &str, parameter: &str, offset: usize) -> Result<String, MagnetError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
                let (Some(high), Some(low)) = (digit(at), digit(at + 1)) else {
                    return Err(MagnetError::Percent {
                        parameter: shown(parameter),
                        offset: offset + at - 1,
                    });
                };
                at += 2;
                (high << 4 | low) as u8
            }
            other => other,
        });
    }
    Ok(match String::from_utf8_lossy(&out) {
        std::borrow::Cow::Borrowed(_) => String::from_utf8(out).unwrap_or_default(),
        std::borrow::Cow::Owned(text) => text,
    })
}

/// Writes `text` with everything but unreserved characters (RFC 3986) encoded.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                write!(f, "{}", char::from(byte))
            }
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:?")?;
        match (self.hashes.get_v1(), self.hashes.get_v2()) {
            (Some(v1), Some(v2)) => write!(f, "xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}")?,
            (Some(v1), None) => write!(f, "xt=urn:btih:{v1}")?,
            (None, Some(v2)) => write!(f, "xt=urn:btmh:1220{v2}")?,
            // `InfoHashes` has no constructor for it.
            (None, None) => {}
        }
        let name = self.name.iter().map(|name| ("dn", name));
        let lists = [("tr", &self.trackers), ("ws", &self.web_seeds), ("xs", &self.exact_sources)];
        let sources = ("as", &self.acceptable_sources);
        let lists =
            lists.into_iter().chain([sources]).flat_map(|(key, list)| list.iter().map(move |v| (key, v)));
        name.chain(lists).try_for_each(|(key, value)| write!(f, "&{key}={}", Encoded(value)))?;
        for peer in &self.peers {
            // Addresses are written plainly, as every program does.
            let v6 = peer.host.contains(':');
            let (open, close) = if v6 { ("[", "]") } else { ("", "") };
            let host: &dyn fmt::Display = if v6 { &peer.host } else { &Encoded(&peer.host) };
            write!(f, "&x.pe={open}{host}{close}:{}", peer.port)?;
        }
        for (n, range) in self.select.iter().enumerate() {
            f.write_str(if n == 0 { "&so=" } else { "," })?;
            match range.start() == range.end() {
                true => write!(f, "{}", range.start())?,
                false => write!(f, "{}-{}", range.start(), range.end())?,
            }
        }
        self.other.iter().try_for_each(|(key, value)| write!(f, "&{}={}", Encoded(key), Encoded(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(tail: &str) -> Result<Magnet, MagnetError> {
        format!("magnet:?xt=urn:btih:{HEX}{tail}").parse()
    }

    #[test]
    fn every_parameter_is_read() {
        let v2 = "ab".repeat(32);
        let link = format!(
            "  MAGNET:?XT.1=URN:BTIH:{}&xt.2=urn:btmh:1220{v2}&dn=a+b%c3%a9&tr.1=http%3A%2F%2Ft%2F&tr=http://t/&tr=u\
             &ws=w&xs=x&as=s&x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=host:7&so=0,2,4-6&so=9&xl=12&kt=&xt=urn:sha1:x ",
            HEX.to_uppercase(),
        );
        let magnet: Magnet = link.parse().unwrap();
        assert_eq!(magnet.hashes, InfoHashes::hybrid(HEX.parse().unwrap(), v2.parse().unwrap()));
        assert_eq!(magnet.name.as_deref(), Some("a bé"));
        assert_eq!(magnet.trackers, ["http://t/", "u"]);
        assert_eq!(
            (&magnet.web_seeds[0], &magnet.exact_sources[0], &magnet.acceptable_sources[0]),
            (&"w".to_owned(), &"x".to_owned(), &"s".to_owned())
        );
        let peers: Vec<_> = magnet.peers.iter().map(|p| (&*p.host, p.port)).collect();
        assert_eq!(peers, [("1.2.3.4", 5), ("::1", 6), ("host", 7)]);
        assert_eq!(magnet.select, [0..=0, 2..=2, 4..=6, 9..=9]);
        assert!(magnet.selects(5) && !magnet.selects(3));
        assert_eq!(
            magnet.other.iter().map(|(k, v)| (&**k, &**v)).collect::<Vec<_>>(),
            [("xl", "12"), ("kt", ""), ("xt", "urn:sha1:x")]
        );
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }

    #[test]
    fn base32_and_html_copies_are_read() {
        let base32 = "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH&amp;dn=x";
        let magnet: Magnet = base32.parse().unwrap();
        assert_eq!(magnet.hashes.to_string(), HEX);
        assert_eq!(magnet.name.as_deref(), Some("x"));
    }

    #[test]
    fn refusals_name_the_parameter() {
        let cases: [(String, &str); 13] = [
            ("http://x".into(), "a magnet link begins with `magnet:?`"),
            ("magnet:xt".into(), "a magnet link begins with `magnet:?`"),
            ("magnet:?dn=x".into(), "xt: no `urn:btih:` or `urn:btmh:` that names a torrent"),
            (
                "magnet:?xt=urn:btih:12".into(),
                "xt: `12` is not 40 hexadecimal digits or 32 characters of base32",
            ),
            (
                "magnet:?xt=urn:btmh:1620aa".into(),
                "xt: `1620aa` is not a SHA-256 multihash: 1220 and 64 hexadecimal digits",
            ),
            (
                format!("magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{}", "0".repeat(40)),
                "xt: the link names two different torrents",
            ),
            (
                format!("magnet:?xt=urn:btih:{HEX}&dn=%4"),
                "dn: a `%` is not followed by two hexadecimal digits, at byte 64 of the link",
            ),
            (format!("magnet:?xt=urn:btih:{HEX}&x.pe=a"), "x.pe: `a` is not a host and a port"),
            (format!("magnet:?xt=urn:btih:{HEX}&x.pe=::1:2"), "x.pe: `::1:2` is not a host and a port"),
            (format!("magnet:?xt=urn:btih:{HEX}&x.pe=a:0"), "x.pe: `a:0` is not a host and a port"),
            (
                format!("magnet:?xt=urn:btih:{HEX}&so=3-1"),
                "so: `3-1` is not a list of numbers and ranges such as 0,2,4-6",
            ),
            (format!("magnet:?{}", "&".repeat(2_000)), "the link has more than 2000 parameters"),
            (
                "magnet:?".to_owned() + &"x".repeat(MAX_LEN),
                "the link has 65544 bytes, over the limit of 65536",
            ),
        ];
        for (link, expected) in cases {
            assert_eq!(link.parse::<Magnet>().unwrap_err().to_string(), expected);
        }
        assert!(read("&so=0-4294967295").is_ok());
        assert!(read("&so=4294967296").is_err());
    }

    proptest! {
        #[test]
        fn links_survive_a_round_trip(
            v1: Option<[u8; 20]>, v2: [u8; 32], name: Option<String>,
            trackers in proptest::collection::btree_set("[a-z:/%&=+ é]{1,20}", 0..4),
            other in proptest::collection::vec(("q[a-z%&=+]{0,9}", ".{0,20}"), 0..4),
            select in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..4),
        ) {
            let v2 = InfoHashV2(v2);
            let mut magnet = Magnet::new(v1.map_or(InfoHashes::v2(v2), |v1| InfoHashes::hybrid(InfoHash(v1), v2)));
            magnet.name = name;
            let trimmed: std::collections::BTreeSet<_> = trackers.iter().map(|t| t.trim().to_owned()).collect();
            magnet.trackers = trimmed.into_iter().filter(|t| !t.is_empty()).collect();
            magnet.other = other;
            magnet.select = select.into_iter().map(|(a, b)| a.min(b)..=a.max(b)).collect();
            prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<Magnet>();
            let _ = format!("magnet:?{text}").parse::<Magnet>();
            let _ = read(&format!("&{text}"));
        }
    }
}
