//! What a torrent's brain may be told, with defaults that suit most swarms.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use types::{InfoHashes, PeerId};

use crate::extension::{self, MAX_CUSTOM};
use crate::{Reciprocity, SeedPolicy, SlotPolicy};

/// Settings of every torrent of one client. [`Config::validate`] is called by whoever takes one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What we call ourselves in handshakes (BEP 3; prefix by BEP 20). See [`Config::peer_id_of`].
    pub peer_id: PeerId,
    /// Peers are told nothing of us that they need not know (BEP 37). None is the default: they are.
    pub anonymous: Option<Anonymity>,
    /// What we call ourselves in the extension handshake (BEP 10, `v`). Default `riverrun/VERSION`.
    pub client_name: String,
    /// Extensions of the library's user, by name (BEP 10): peers that know one of them can be sent messages
    /// by [`Command::Extension`](crate::Command::Extension), and theirs come as
    /// [`Event::Extension`](crate::Event::Extension). At most 64, each of 1 to 64 bytes.
    pub extensions: Vec<Arc<str>>,
    /// Our address to the outside, told to peers (BEP 10, `ipv4`).
    pub public_v4: Option<Ipv4Addr>,
    /// Our address to the outside, told to peers (BEP 10, `ipv6`).
    pub public_v6: Option<Ipv6Addr>,
    /// The port we accept connections on, told to peers we dial (BEP 10, `p`). None where we don't listen.
    pub listen_port: Option<u16>,
    /// Whether peers and we tell each other of peers (BEP 11); never in a private torrent (BEP 27). Default
    /// yes.
    pub pex: bool,
    /// Most connections of one torrent, both ways. Default 80.
    pub max_peers: u32,
    /// Most dials of one torrent under way. Default 25.
    pub max_half_open: u32,
    /// Regular upload slots of one torrent; one more in five is optimistic, except in a seed that serves
    /// everyone in turn. Default 8.
    pub upload_slots: u32,
    /// Whether the slots are so many, or follow the rates. Default fixed.
    pub slot_policy: SlotPolicy,
    /// Which peers a seed serves first. Default round-robin.
    pub seed_policy: SeedPolicy,
    /// Who is served while we download. Default tit-for-tat.
    pub reciprocity: Reciprocity,
    /// Most blocks asked of one peer at once, whatever its speed: 2,000 (32 MiB) fills 2.5 Gbit/s at 100 ms.
    pub max_requests: u32,
    /// How many requests of a peer we keep, told to it (BEP 10, `reqq`). Default 2,000, which is also the
    /// most.
    pub accept_requests: u32,
    /// Blocks handed to one connection's send queue at once, where it is not faster: as many as left in the last
    /// 20 ms are (at most 64). More fills longer pipes and uses more memory. Default 16.
    pub send_ahead: u32,
    /// How long a dialed or accepted connection may take for its handshake. Default 20 s.
    pub handshake_timeout: Duration,
    /// Silence after which a peer is dropped. Default 120 s, as BEP 3 clients expect; below 120 s honest
    /// peers are lost.
    pub idle_timeout: Duration,
    /// Silence after which we send a keep-alive. Default 100 s.
    pub keep_alive: Duration,
    /// How long a peer may owe us every piece before it counts as snubbing us. Default 20 s.
    pub snub_after: Duration,
    /// The choker's round. Default 10 s.
    pub choke_interval: Duration,
    /// First wait before a failed address is tried again; each further failure adds as much. Default 60 s.
    pub retry_after: Duration,
    /// Failures in a row after which an address rests for an hour. Default 3.
    pub max_failures: u8,
    /// How long an address that sent corrupt data is shut out. Default 1 h.
    pub ban_time: Duration,
    /// Addresses remembered for one torrent. Default 1,000.
    pub max_known_peers: usize,
}

/// What the names of an anonymous client are drawn from: whoever knows it can tell which torrents are the same client's.
#[derive(Clone, PartialEq, Eq)]
pub struct Anonymity([u8; 32]);

impl Anonymity {
    /// From bytes that the caller draws at random, anew in each run.
    pub const fn new(secret: [u8; 32]) -> Anonymity {
        Anonymity(secret)
    }
}

impl fmt::Debug for Anonymity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anonymity(..)")
    }
}

/// A setting outside its range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}` must be {}", self.field, self.allowed)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The defaults, under this name.
    pub fn new(peer_id: PeerId) -> Config {
        Config {
            peer_id,
            anonymous: None,
            client_name: types::CLIENT_NAME.to_owned(),
            extensions: Vec::new(),
            public_v4: None,
            public_v6: None,
            listen_port: None,
            pex: true,
            max_peers: types::DEFAULT_MAX_PEERS,
            max_half_open: 25,
            upload_slots: 8,
            slot_policy: SlotPolicy::default(),
            seed_policy: SeedPolicy::default(),
            reciprocity: Reciprocity::default(),
            max_requests: 2_000,
            accept_requests: types::limits::INBOUND_REQUESTS as u32,
            send_ahead: 16,
            handshake_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(120),
            keep_alive: Duration::from_secs(100),
            snub_after: Duration::from_secs(20),
            choke_interval: Duration::from_secs(10),
            retry_after: Duration::from_secs(60),
            max_failures: 3,
            ban_time: Duration::from_secs(3600),
            max_known_peers: 1_000,
        }
    }

    /// What we call ourselves in this torrent: [`Config::peer_id`], or where we are anonymous a name without a prefix that no
    /// other torrent and no other run has (BEP 37).
    pub fn peer_id_of(&self, torrent: &InfoHashes) -> PeerId {
        let Some(Anonymity(secret)) = &self.anonymous else { return self.peer_id };
        let digest = hash::sha256(&[&secret[..], torrent.primary().as_bytes()].concat());
        let mut tail = [0; 20];
        tail.copy_from_slice(&digest[..20]);
        PeerId::new(b"", tail)
    }

    /// Checks every setting.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rule = |ok: bool, field, allowed| if ok { Ok(()) } else { Err(ConfigError { field, allowed }) };
        let span = |d: Duration| d >= Duration::from_secs(1) && d <= Duration::from_secs(86_400);
        rule(self.max_peers >= 1, "max_peers", "at least 1")?;
        rule(self.max_half_open >= 1, "max_half_open", "at least 1")?;
        rule(self.upload_slots >= 1, "upload_slots", "at least 1")?;
        rule((1..=20_000).contains(&self.max_requests), "max_requests", "1 to 20000")?;
        let most = types::limits::INBOUND_REQUESTS as u32;
        rule((1..=most).contains(&self.accept_requests), "accept_requests", "1 to 2000")?;
        rule((1..=1_000).contains(&self.send_ahead), "send_ahead", "1 to 1000")?;
        rule(self.max_known_peers >= 1, "max_known_peers", "at least 1")?;
        for (value, field) in [
            (self.handshake_timeout, "handshake_timeout"),
            (self.idle_timeout, "idle_timeout"),
            (self.keep_alive, "keep_alive"),
            (self.snub_after, "snub_after"),
            (self.choke_interval, "choke_interval"),
            (self.retry_after, "retry_after"),
            (self.ban_time, "ban_time"),
        ] {
            rule(span(value), field, "1 s to 1 day")?;
        }
        let distinct =
            self.extensions.iter().enumerate().all(|(n, name)| !self.extensions[..n].contains(name));
        let legal = self.extensions.iter().all(|name| extension::is_legal_name(name));
        let few = self.extensions.len() <= MAX_CUSTOM;
        rule(few && distinct && legal, "extensions", "at most 64 different names of 1 to 64 bytes")?;
        // Names that nobody else sends are as good as our own.
        let silent = self.anonymous.is_none() || self.extensions.is_empty();
        rule(silent, "extensions", "left empty by an anonymous client")?;
        rule(self.client_name.len() <= 64, "client_name", "at most 64 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_named() {
        let mut config = Config::new(PeerId([1; 20]));
        assert_eq!(config.validate(), Ok(()));
        config.choke_interval = Duration::ZERO;
        assert_eq!(config.validate().unwrap_err().field, "choke_interval");
        config = Config::new(PeerId([1; 20]));
        config.extensions = vec!["xy".into(), "xy".into()];
        assert_eq!(config.validate().unwrap_err().field, "extensions");
        config.extensions = vec!["xy".into()];
        assert_eq!(config.validate(), Ok(()));
        config.anonymous = Some(Anonymity::new([1; 32]));
        assert_eq!(config.validate().unwrap_err().field, "extensions");
    }

    #[test]
    fn an_anonymous_client_has_a_name_for_each_torrent() {
        let [one, other] = [1, 2].map(|n| InfoHashes::v1(types::InfoHash([n; 20])));
        let mut config = Config::new(PeerId(*b"-RR0100-abcdefghijkl"));
        assert_eq!(config.peer_id_of(&one), config.peer_id);
        config.anonymous = Some(Anonymity::new([1; 32]));
        let name = config.peer_id_of(&one);
        assert_eq!(name, config.peer_id_of(&one), "it has one name in all handshakes");
        assert_ne!(name, config.peer_id_of(&other));
        config.anonymous = Some(Anonymity::new([2; 32]));
        assert_ne!(name, config.peer_id_of(&one), "another run is another client");
        assert!(name.0.iter().all(u8::is_ascii_alphanumeric));
        assert_eq!(format!("{:?}", config.anonymous), "Some(Anonymity(..))");
    }
}
