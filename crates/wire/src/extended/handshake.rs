//! The extended handshake (BEP 10) and the keys that other BEPs add to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bencode::{Node, Options, Value};
use types::limits;

use super::{Error, number};

const WHAT: &str = "extended handshake";

/// Which extensions a peer understands and by what ids it wants them (BEP 10). Ids belong to the peer that names them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    ids: BTreeMap<Vec<u8>, u8>,
}

impl Extensions {
    /// Most names kept of one peer; what comes beyond them is left out.
    pub const MAX: usize = 255;

    /// None at all.
    pub const fn new() -> Extensions {
        Extensions { ids: BTreeMap::new() }
    }

    /// The id of an extension; nothing where the peer does not understand it or has switched it off.
    pub fn id(&self, name: &str) -> Option<u8> {
        self.ids.get(name.as_bytes()).copied().filter(|&id| id != 0)
    }

    /// The name of the extension with this id: the first one in order where a peer gave an id twice.
    pub fn name(&self, id: u8) -> Option<&[u8]> {
        self.iter().find(|&(_, of)| of == id && id != 0).map(|(name, _)| name)
    }

    /// Sets the id of an extension; 0 switches it off (BEP 10). Returns whether there was room.
    pub fn set(&mut self, name: impl AsRef<[u8]>, id: u8) -> bool {
        let name = name.as_ref();
        if let Some(old) = self.ids.get_mut(name) {
            *old = id;
            return true;
        }
        let room = self.ids.len() < Extensions::MAX;
        if room {
            self.ids.insert(name.to_vec(), id);
        }
        room
    }

    /// Takes over a later handshake of the same peer: what it names changes, all else stays (BEP 10).
    pub fn update(&mut self, later: &Extensions) {
        for (name, id) in later.iter() {
            if id == 0 {
                self.ids.remove(name);
            } else {
                self.set(name, id);
            }
        }
    }

    /// Names and ids in order of the names; an id of 0 is an extension switched off.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u8)> {
        self.ids.iter().map(|(name, &id)| (name.as_slice(), id))
    }

    /// How many names there are, those switched off included.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl<N: AsRef<[u8]>> FromIterator<(N, u8)> for Extensions {
    fn from_iter<I: IntoIterator<Item = (N, u8)>>(iter: I) -> Extensions {
        let mut out = Extensions::new();
        iter.into_iter().for_each(|(name, id)| {
            out.set(name, id);
        });
        out
    }
}

/// What a peer says about itself (BEP 10). Every key may be missing; one with a value that it can't have counts as
/// missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExtendedHandshake {
    /// `m`: the extensions.
    pub extensions: Extensions,
    /// `p`: the TCP port that the sender listens on; never 0.
    pub port: Option<u16>,
    /// `v`: the client and its version. Control characters are left out, and what goes over 128 characters.
    pub client: Option<String>,
    /// `yourip`: the address that the sender sees the receiver at.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: an address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: an address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `reqq`: how many requests the sender keeps waiting.
    pub request_queue: Option<u32>,
    /// `metadata_size`: length of the info dictionary, in bytes (BEP 9). From 1 to [`limits::METADATA_LEN`].
    pub metadata_size: Option<u32>,
    /// `upload_only`: the sender downloads nothing, though it may not have everything (BEP 21).
    pub upload_only: Option<bool>,
    /// `share_mode`: the sender downloads only what it can pass on several times (libtorrent's key).
    pub share_mode: Option<bool>,
    /// `e`: the sender prefers encrypted connections.
    pub prefers_encryption: Option<bool>,
    /// `complete_ago`: seconds since the sender completed the torrent; negative where it has not.
    pub complete_ago: Option<i64>,
    /// Keys not known here, as they came. A known key among them is not encoded.
    pub unknown: BTreeMap<Vec<u8>, Value>,
}

impl ExtendedHandshake {
    /// Longest handshake read, in bytes.
    pub const MAX_LEN: usize = 64 << 10;
    /// Most bencoded values read.
    const MAX_TOKENS: usize = 4096;
    /// Deepest nesting read.
    const MAX_DEPTH: usize = 16;
    /// Longest client name kept, in characters.
    const MAX_CLIENT: usize = 128;

    /// Reads the payload of extended message 0.
    ///
    /// # Errors
    /// It is no bencoded dictionary, or too large.
    pub fn decode(payload: &[u8]) -> Result<ExtendedHandshake, Error> {
        let options = Options::lenient()
            .max_len(ExtendedHandshake::MAX_LEN)
            .max_tokens(ExtendedHandshake::MAX_TOKENS)
            .max_depth(ExtendedHandshake::MAX_DEPTH);
        let document = super::dict(WHAT, payload, &options)?;
        let mut out = ExtendedHandshake::default();
        for (key, node) in document.root().as_dict().into_iter().flatten() {
            out.take(key, node);
        }
        Ok(out)
    }

    /// Takes one entry. Where a key comes twice, the first legal value stays.
    fn take(&mut self, key: &[u8], node: Node<'_, '_>) {
        let bytes = node.as_bytes();
        let flag = || node.as_int().map(|n| n != 0);
        match key {
            b"m" => {
                for (name, id) in node.as_dict().into_iter().flatten() {
                    if let Some(id) = number(Some(id)) {
                        self.extensions.set(name, id);
                    }
                }
            }
            b"p" => keep(&mut self.port, number(Some(node)).filter(|port| *port != 0)),
            b"v" => keep(&mut self.client, bytes.map(printable)),
            b"yourip" => keep(&mut self.your_ip, bytes.and_then(compact_ip)),
            b"ipv4" => keep(&mut self.ipv4, bytes.and_then(array::<4>).map(Ipv4Addr::from)),
            b"ipv6" => keep(&mut self.ipv6, bytes.and_then(array::<16>).map(Ipv6Addr::from)),
            b"reqq" => keep(&mut self.request_queue, number(Some(node))),
            b"metadata_size" => {
                let legal = |len: &u32| (1..=limits::METADATA_LEN).contains(&(*len as usize));
                keep(&mut self.metadata_size, number(Some(node)).filter(legal));
            }
            b"upload_only" => keep(&mut self.upload_only, flag()),
            b"share_mode" => keep(&mut self.share_mode, flag()),
            b"e" => keep(&mut self.prefers_encryption, flag()),
            b"complete_ago" => keep(&mut self.complete_ago, node.as_int()),
            _ => {
                self.unknown.entry(key.to_vec()).or_insert_with(|| node.to_value());
            }
        }
    }

    /// The payload of extended message 0.
    pub fn encode(&self) -> Vec<u8> {
        let ids = self.extensions.iter().map(|(name, id)| (name.to_vec(), Value::Int(id.into())));
        let your_ip = self.your_ip.map(|ip| match ip {
            IpAddr::V4(ip) => Value::bytes(ip.octets()),
            IpAddr::V6(ip) => Value::bytes(ip.octets()),
        });
        let flag = |on: Option<bool>| on.map(|on| Value::Int(on.into()));
        let known: [(&[u8], Option<Value>); 12] = [
            (b"m", Some(Value::Dict(ids.collect()))),
            (b"p", self.port.map(|port| Value::Int(port.into()))),
            (b"v", self.client.as_deref().map(Value::bytes)),
            (b"yourip", your_ip),
            (b"ipv4", self.ipv4.map(|ip| Value::bytes(ip.octets()))),
            (b"ipv6", self.ipv6.map(|ip| Value::bytes(ip.octets()))),
            (b"reqq", self.request_queue.map(Value::from)),
            (b"metadata_size", self.metadata_size.map(Value::from)),
            (b"upload_only", flag(self.upload_only)),
            (b"share_mode", flag(self.share_mode)),
            (b"e", flag(self.prefers_encryption)),
            (b"complete_ago", self.complete_ago.map(Value::Int)),
        ];
        let mut entries = self.unknown.clone();
        for (key, value) in known {
            match value {
                Some(value) => entries.insert(key.to_vec(), value),
                None => entries.remove(key),
            };
        }
        Value::Dict(entries).encode()
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn compact_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = array::<4>(bytes).map(IpAddr::from);
    v4.or_else(|| array::<16>(bytes).map(IpAddr::from))
}

/// Text that is safe to print: strangers write it, terminals and logs show it.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(ExtendedHandshake::MAX_CLIENT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extended::name;
    use proptest::prelude::*;

    #[test]
    fn every_key_is_read_and_written() {
        let mut bytes = b"d12:complete_agoi-1e1:ei1e4:ipv44:\x01\x02\x03\x04".to_vec();
        bytes.extend(b"4:ipv616:\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
        bytes.extend(b"1:md11:lt_donthavei7e11:ut_metadatai3e6:ut_pexi0ee13:metadata_sizei31235e");
        bytes.extend(
            b"1:pi6881e4:reqqi250e10:share_modei1e11:upload_onlyi1e1:v12:riverrun 0.16:yourip4:\x7f\0\0\x013:zzzli1eee",
        );
        let h = ExtendedHandshake::decode(&bytes).unwrap();
        assert_eq!(h.extensions.id(name::UT_METADATA), Some(3));
        assert_eq!(h.extensions.id(name::UT_PEX), None);
        assert_eq!(h.extensions.name(7), Some(&b"lt_donthave"[..]));
        assert_eq!(h.extensions.name(0), None);
        assert_eq!((h.port, h.request_queue, h.metadata_size), (Some(6881), Some(250), Some(31235)));
        assert_eq!((h.upload_only, h.prefers_encryption), (Some(true), Some(true)));
        assert_eq!(h.share_mode, Some(true));
        assert_eq!((h.client.as_deref(), h.complete_ago), (Some("riverrun 0.1"), Some(-1)));
        assert_eq!(h.your_ip, Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(h.ipv4, Some(Ipv4Addr::new(1, 2, 3, 4)));
        assert_eq!(h.ipv6, Some("2001::1".parse().unwrap()));
        assert_eq!(h.unknown[&b"zzz"[..]], Value::List(vec![Value::Int(1)]));
        assert_eq!(h.encode(), bytes);
    }

    #[test]
    fn illegal_values_count_as_missing() {
        let bytes =
            b"d1:md1:ai256e1:bi-1e1:c1:xe13:metadata_sizei99999999999e1:pi65536e4:reqqi-1e6:yourip3:abce";
        assert_eq!(ExtendedHandshake::decode(bytes).unwrap(), ExtendedHandshake::default());
        let bytes = b"d1:m3:abc13:metadata_sizei0e1:pi0e11:upload_only1:1e";
        assert_eq!(ExtendedHandshake::decode(bytes).unwrap(), ExtendedHandshake::default());
        assert_eq!(ExtendedHandshake::default().encode(), b"d1:mdee");
    }

    #[test]
    fn what_is_no_dictionary_or_too_large_is_refused() {
        assert_eq!(ExtendedHandshake::decode(b"le"), Err(Error::NotADict { what: WHAT }));
        for bytes in [&b""[..], b"d", b"d1:v5:abc", &[b'd'; 100], &vec![b'l'; 70_000]] {
            assert!(matches!(ExtendedHandshake::decode(bytes), Err(Error::Bencode { .. })));
        }
        let deep = [&b"d1:x"[..], &[b'l'; 16], &[b'e'; 17]].concat();
        assert!(ExtendedHandshake::decode(&deep).is_err());
    }

    #[test]
    fn a_name_with_control_characters_is_cleaned_and_cut() {
        let bytes = [&b"d1:v200:\x1b[2J\r\n"[..], &[b'x'; 194], b"e"].concat();
        let client = ExtendedHandshake::decode(&bytes).unwrap().client.unwrap();
        assert!(client.starts_with("[2Jxx") && client.chars().count() == 128);
    }

    #[test]
    fn later_handshakes_change_only_what_they_name() {
        let mut ids: Extensions = [("ut_pex", 1), ("ut_metadata", 2)].into_iter().collect();
        ids.update(&[("ut_pex", 0), ("lt_donthave", 9)].into_iter().collect());
        assert_eq!(ids.iter().collect::<Vec<_>>(), [(&b"lt_donthave"[..], 9), (b"ut_metadata", 2)]);
        for n in 0..1000u32 {
            ids.set(n.to_string(), 1);
        }
        assert_eq!(ids.len(), Extensions::MAX);
        assert!(ids.set("ut_metadata", 5) && !ids.set("another", 5));
    }

    proptest! {
        #[test]
        fn values_survive(
            ids in proptest::collection::btree_map("[a-z_]{1,12}", any::<u8>(), 0..20), port in 1u16.., client in "\\PC{0,40}",
            v4: Option<[u8; 4]>, v6: Option<[u8; 16]>, reqq: Option<u32>, upload_only: Option<bool>, e: Option<bool>, share_mode: Option<bool>, ago: Option<i64>,
        ) {
            let handshake = ExtendedHandshake {
                extensions: ids.into_iter().collect(),
                port: Some(port),
                client: Some(client),
                your_ip: v6.map(IpAddr::from),
                ipv4: v4.map(Ipv4Addr::from),
                ipv6: v6.map(Ipv6Addr::from),
                request_queue: reqq,
                metadata_size: None,
                upload_only,
                share_mode,
                prefers_encryption: e,
                complete_ago: ago,
                unknown: BTreeMap::new(),
            };
            prop_assert_eq!(ExtendedHandshake::decode(&handshake.encode()).unwrap(), handshake);
        }
    }
}
