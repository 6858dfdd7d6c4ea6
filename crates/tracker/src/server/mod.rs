//! A small tracker that keeps its swarms in memory, as a machine: a request goes in, the bytes of the answer come out.
//!
//! HTTP (BEP 3, 7, 23, 24, 48) and UDP (BEP 15, 41) share the swarms. What strangers can make grow has limits, and UDP
//! connection ids are a keyed hash of address and time, so that nothing is kept for who only asks for one.

mod http;
mod store;
mod udp;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::{InfoHash, KeyedState, Rng, Time};

pub use http::HttpReply;
use store::{Counts, Store, StoreError};

use crate::message::{AnnounceEvent, AnnounceRequest, SwarmCounts};

/// How long a UDP connection id is of one kind. Ids of this window and the two before it are good: for 2 to 3 minutes
/// (BEP 15: at least two).
const WINDOW: Duration = Duration::from_secs(60);

/// Limits and intervals of a [`Server`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// How often clients are asked to announce.
    pub interval: Duration,
    /// How often they may.
    pub min_interval: Duration,
    /// Peers that have not announced for this long are forgotten. At least twice the interval makes sense.
    pub expiry: Duration,
    /// Most swarms.
    pub max_torrents: usize,
    /// Most peers in one swarm.
    pub max_peers: usize,
    /// Most peers in all swarms.
    pub max_total_peers: usize,
    /// Most peers in one answer. UDP answers carry at most [`ServerConfig::UDP_PEERS`].
    pub max_num_want: usize,
    /// Peers in an answer to who does not say how many it wants.
    pub default_num_want: usize,
    /// Only these are tracked, where there is a list.
    pub allow: Option<BTreeSet<InfoHash>>,
    /// Believe the `ip` that a client gives, where it asks from this machine. For set-ups behind a reverse proxy.
    pub trust_local_ip: bool,
}

impl ServerConfig {
    /// Most peers in a UDP answer: with IPv6 they fill a datagram that any path carries.
    pub const UDP_PEERS: usize = 60;
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            interval: Duration::from_secs(1800),
            min_interval: Duration::from_secs(60),
            expiry: Duration::from_secs(4000),
            max_torrents: 10_000,
            max_peers: 5_000,
            max_total_peers: 500_000,
            max_num_want: 200,
            default_num_want: 50,
            allow: None,
            trust_local_ip: false,
        }
    }
}

/// Why an announce or scrape is refused: a sentence that goes to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Not on the list of what is tracked.
    #[error("this torrent is not tracked here")]
    NotAllowed,
    /// The swarm is full.
    #[error("this swarm is full; try again later")]
    SwarmFull,
    /// The tracker is full.
    #[error("this tracker is full; try again later")]
    TrackerFull,
    /// The UDP connection id is unknown or too old.
    #[error("the connection id is unknown or has expired; connect again")]
    Connection,
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter is not what it must be.
    #[error("the parameter {0} is not valid: {1}")]
    Invalid(&'static str, &'static str),
    /// Nothing asked for.
    #[error("a scrape must name 1 to 74 torrents by info_hash; whole-tracker scrapes are not served")]
    ScrapeCount,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        match error {
            StoreError::SwarmFull => Refused::SwarmFull,
            StoreError::TrackerFull => Refused::TrackerFull,
        }
    }
}

/// The answer to an announce, before it takes the form of a protocol.
struct Answer {
    counts: Counts,
    peers: Vec<store::Peer>,
}

/// The tracker.
///
/// ```
/// use riverrun_tracker::server::{Server, ServerConfig};
/// use types::{Rng, Time};
///
/// let mut server = Server::new(ServerConfig::default(), Rng::from_number(1));
/// let from = "192.0.2.1".parse()?;
/// let hash = "%00".repeat(20);
/// let target = format!("/announce?info_hash={hash}&peer_id={hash}&port=6881&left=0&compact=1");
/// let reply = server.http(Time::ZERO, from, "GET", target.as_bytes());
/// assert_eq!(reply.status, 200);
/// assert!(reply.body.starts_with(b"d8:completei1e"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    store: Store,
    rng: Rng,
    secret: KeyedState,
    next_sweep: Time,
}

impl Server {
    /// An empty tracker. `rng` must not be guessable: connection ids come of it.
    pub fn new(config: ServerConfig, mut rng: Rng) -> Server {
        let store = Store::new(&config, &mut rng);
        let secret = KeyedState::new(&mut rng);
        Server { config, store, rng, secret, next_sweep: Time::ZERO }
    }

    /// Answers an HTTP request. `target` is the path and query of the request line; `from` is whom it came from.
    pub fn http(&mut self, now: Time, from: IpAddr, method: &str, target: &[u8]) -> HttpReply {
        self.sweep(now);
        http::answer(self, now, from.to_canonical(), method, target)
    }

    /// Answers a datagram; `None` where silence is best. An answer to who has not proved its address is never longer
    /// than what it sent.
    pub fn udp(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        self.sweep(now);
        udp::answer(self, now, SocketAddr::new(from.ip().to_canonical(), from.port()), datagram)
    }

    /// How many swarms there are.
    pub fn torrents(&self) -> usize {
        self.store.torrents()
    }

    /// How many peers there are in all swarms.
    pub fn peers(&self) -> usize {
        self.store.peers()
    }

    /// The counts of one swarm.
    pub fn counts(&self, info_hash: InfoHash) -> Option<SwarmCounts> {
        self.store.counts(info_hash).map(Counts::public)
    }

    /// Forgets silent peers, once per minute of requests.
    fn sweep(&mut self, now: Time) {
        if self.next_sweep.is_due(now) {
            self.store.expire(now);
            self.next_sweep = now + Duration::from_secs(60);
        }
    }

    fn is_allowed(&self, info_hash: InfoHash) -> bool {
        self.config.allow.as_ref().is_none_or(|list| list.contains(&info_hash))
    }

    /// The announce of whoever is at `ip`. `cap` bounds the peers of the answer, which are all of `ip`'s family where
    /// `one_family` is set.
    fn announce(
        &mut self,
        now: Time,
        from: IpAddr,
        request: &AnnounceRequest,
        cap: usize,
        one_family: bool,
    ) -> Result<Answer, Refused> {
        if !self.is_allowed(request.info_hash) {
            return Err(Refused::NotAllowed);
        }
        if request.port == 0 {
            return Err(Refused::Invalid("port", "it is 0"));
        }
        let trusted = request.ip.filter(|_| self.config.trust_local_ip && from.is_loopback());
        let ip = trusted.unwrap_or(from).to_canonical();
        let peer = store::Peer {
            addr: SocketAddr::new(ip, request.port),
            id: request.peer_id,
            seeder: request.left == 0,
            seen: now,
        };
        let counts = if request.event == AnnounceEvent::Stopped {
            self.store.remove(request.info_hash, peer.addr)
        } else {
            self.store.update(request.info_hash, peer, request.event == AnnounceEvent::Completed)?
        };
        let wanted = match request.num_want {
            _ if request.event == AnnounceEvent::Stopped => 0,
            Some(n) => n as usize,
            None => self.config.default_num_want,
        };
        let wanted = wanted.min(cap).min(self.config.max_num_want);
        let peers = self.store.pick(request.info_hash, &peer, wanted, one_family, &mut self.rng);
        Ok(Answer { counts, peers })
    }

    /// A connection id for `ip` in the time window `window` (BEP 15: not to be guessed).
    fn connection_id(&self, ip: IpAddr, window: u64) -> u64 {
        let mut hasher = self.secret.build_hasher();
        match ip {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.write(&window.to_le_bytes());
        hasher.finish()
    }

    fn window(now: Time) -> u64 {
        now.as_micros() / WINDOW.as_micros() as u64
    }

    fn new_connection(&self, now: Time, ip: IpAddr) -> u64 {
        self.connection_id(ip, Server::window(now))
    }

    fn is_connected(&self, now: Time, ip: IpAddr, id: u64) -> bool {
        let window = Server::window(now);
        (0..3).any(|back| window.checked_sub(back).is_some_and(|w| self.connection_id(ip, w) == id))
    }
}

#[cfg(test)]
mod tests;
