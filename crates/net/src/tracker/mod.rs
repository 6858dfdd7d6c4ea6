//! A tracker client on tokio: announces and scrapes over HTTP(S) and UDP, and fetches .torrent files.
//!
//! [`TrackerClient`] keeps few connections per host alive, follows redirects itself, checks each address after look-up
//! against the rules of [`tracker::url`], reads bodies up to a limit, and verifies TLS certificates always. It decides
//! nothing about when to ask whom: that is [`tracker::Schedule`].
//!
//! ```no_run
//! use riverrun_net::tracker::TrackerClient;
//! use tracker::{AnnounceRequest, TrackerUrl};
//! use types::{InfoHash, PeerId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = TrackerClient::builder().user_agent("example/1.0").build()?;
//! let url = TrackerUrl::parse("udp://tracker.example:6969/announce")?;
//! let request = AnnounceRequest::new(InfoHash([7; 20]), PeerId([b'x'; 20]), 6881);
//! for peer in client.announce(&url, &request).await?.peers {
//!     println!("{}", peer.addr);
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod http;
mod resolve;
mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tracker::url::{Purpose, Rules, Scheme, check_tracker_url, check_url};
use tracker::{
    AnnounceReply, AnnounceRequest, Family, ScrapeReply, TrackerUrl,
    udp::{Call, UdpReply},
};
use types::{InfoHash, limits};

pub use error::Error;
pub use resolve::{Resolve, Resolving, SystemResolver};

/// What `User-Agent` says where nothing else is set.
pub const USER_AGENT: &str = types::CLIENT_NAME;

/// Whose certificates are believed to sign servers' certificates.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Roots {
    /// The system's, and the bundled ones of Mozilla where the system has none.
    #[default]
    System,
    /// The bundled ones of Mozilla.
    Bundled,
    /// Only these, in PEM.
    Pem(Vec<u8>),
}

/// Settings of a [`TrackerClient`].
#[derive(Clone)]
pub struct Builder {
    user_agent: String,
    rules: Rules,
    family: Family,
    bind_v4: Option<Ipv4Addr>,
    bind_v6: Option<Ipv6Addr>,
    connect_timeout: Duration,
    total_timeout: Duration,
    udp_retransmits: u32,
    per_host: usize,
    roots: Roots,
    resolver: Arc<dyn Resolve>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            user_agent: USER_AGENT.to_owned(),
            rules: Rules::default(),
            family: Family::Any,
            bind_v4: None,
            bind_v6: None,
            connect_timeout: Duration::from_secs(15),
            total_timeout: Duration::from_secs(60),
            udp_retransmits: 1,
            per_host: 4,
            roots: Roots::System,
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl Builder {
    /// What HTTP requests call themselves; [`USER_AGENT`] by default.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Builder {
        self.user_agent = name.into();
        self
    }

    /// Switches off the rules that keep strangers' URLs and redirects away from this machine and network.
    #[must_use]
    pub fn allow_local(mut self, allow: bool) -> Builder {
        self.rules.allow_local = allow;
        self
    }

    /// Allows internationalised host names.
    #[must_use]
    pub fn allow_idna(mut self, allow: bool) -> Builder {
        self.rules.allow_idna = allow;
        self
    }

    /// Uses one kind of address only, whatever a request says.
    #[must_use]
    pub fn ip_family(mut self, family: Family) -> Builder {
        self.family = family;
        self
    }

    /// The local IPv4 address to ask from.
    #[must_use]
    pub fn bind_v4(mut self, addr: Ipv4Addr) -> Builder {
        self.bind_v4 = Some(addr);
        self
    }

    /// The local IPv6 address to ask from.
    #[must_use]
    pub fn bind_v6(mut self, addr: Ipv6Addr) -> Builder {
        self.bind_v6 = Some(addr);
        self
    }

    /// How long a TCP and TLS connection may take to come about; 15 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Builder {
        self.connect_timeout = timeout;
        self
    }

    /// How long an HTTP request may take in all, with its redirects and its wait for a slot; 60 s by default.
    #[must_use]
    pub fn total_timeout(mut self, timeout: Duration) -> Builder {
        self.total_timeout = timeout;
        self
    }

    /// How often a UDP request is sent again before its tracker counts as unreachable. 1 by default, which takes 45 s:
    /// an [`Announcer`](tracker::Announcer) goes on from there, and tries other trackers meanwhile. With 8 it takes the
    /// 7665 s of BEP 15.
    #[must_use]
    pub fn udp_retransmits(mut self, times: u32) -> Builder {
        self.udp_retransmits = times;
        self
    }

    /// Most HTTP requests at a time to one host, and most connections kept alive to it; 4 by default, at least 1.
    #[must_use]
    pub fn per_host(mut self, requests: usize) -> Builder {
        self.per_host = requests.max(1);
        self
    }

    /// Whose certificates are believed. They are verified always.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Builder {
        self.roots = roots;
        self
    }

    /// Looks up names some other way. The addresses are checked all the same.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Builder {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The client. It opens nothing yet.
    ///
    /// # Errors
    /// [`Error::Setup`] where the system has no entropy, or the settings can't be used.
    pub fn build(self) -> Result<TrackerClient, Error> {
        let http = http::Http::new(self.clone())?;
        let udp = udp::Udp::new(&self);
        Ok(TrackerClient(Arc::new(Inner { settings: self, http, udp })))
    }

    fn bind_addr(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Any => None,
            Family::V4 => self.bind_v4.map(IpAddr::V4),
            Family::V6 => self.bind_v6.map(IpAddr::V6),
        }
    }
}

struct Inner {
    settings: Builder,
    http: http::Http,
    udp: udp::Udp,
}

/// Asks trackers. Cheap to clone; clones share connections and sockets.
///
/// All its calls may be dropped at any time: the request is then forgotten, though the tracker may have got it.
#[derive(Clone)]
pub struct TrackerClient(Arc<Inner>);

impl TrackerClient {
    /// Default settings, to be changed.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Announces.
    ///
    /// # Errors
    /// [`Error`]; [`Error::failure`] makes of it what an [`Announcer`](tracker::Announcer) wants to know.
    pub async fn announce(
        &self,
        url: &TrackerUrl,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, Error> {
        let rule = check_tracker_url(url, self.0.settings.rules)?;
        let family = self.family(request.family)?;
        if url.scheme() == Scheme::Udp {
            let call = Call::Announce { request: Box::new(request.clone()), url_data: url.udp_data() };
            return match self.ask_udp(url, rule, family, call).await? {
                UdpReply::Announce(reply) => Ok(reply),
                UdpReply::Scrape(_) => Err(Error::Closed),
            };
        }
        let text = tracker::http::announce_url(url, request);
        let fetched = self.0.http.get(url, text, Purpose::Tracker, rule, family).await?;
        fetched.read(tracker::http::parse_announce)
    }

    /// Asks for the counts of some swarms: of the first 70 over HTTP, 74 over UDP.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NoScrape`] where the tracker has no scrape (BEP 48).
    pub async fn scrape(&self, url: &TrackerUrl, hashes: &[InfoHash]) -> Result<ScrapeReply, Error> {
        let rule = check_tracker_url(url, self.0.settings.rules)?;
        let family = self.family(Family::Any)?;
        if url.scheme() == Scheme::Udp {
            let hashes = hashes[..hashes.len().min(tracker::udp::SCRAPE_HASHES)].to_vec();
            return match self.ask_udp(url, rule, family, Call::Scrape(hashes)).await? {
                UdpReply::Scrape(reply) => Ok(reply),
                UdpReply::Announce(_) => Err(Error::Closed),
            };
        }
        let text = tracker::http::scrape_url(url, hashes).ok_or(Error::NoScrape)?;
        let fetched = self.0.http.get(url, text, Purpose::Tracker, rule, family).await?;
        fetched.read(|body| tracker::http::parse_scrape(body, hashes))
    }

    /// Fetches a .torrent file over HTTP(S), at most [`limits::METAINFO_LEN`] bytes. The URL is taken as the user's own,
    /// so it may lead to this machine or network; its redirects may not lead further inward than it does.
    ///
    /// # Errors
    /// [`Error`]. What the bytes are is not looked at.
    pub async fn fetch_metainfo(&self, url: &str) -> Result<Vec<u8>, Error> {
        let url = TrackerUrl::parse(url)?;
        let rule = check_url(&url, Purpose::Metainfo, self.0.settings.rules)?;
        let text = url.as_str().to_owned();
        let family = self.family(Family::Any)?;
        let fetched = self.0.http.get(&url, text, Purpose::Metainfo, rule, family).await?;
        fetched.into_success()
    }

    /// UDP datagrams that answered nothing we asked.
    pub fn ignored_datagrams(&self) -> u64 {
        self.0.udp.ignored()
    }

    async fn ask_udp(
        &self,
        url: &TrackerUrl,
        rule: tracker::url::AddressRule,
        family: Family,
        call: Call,
    ) -> Result<UdpReply, Error> {
        let lookup = resolve::lookup(&*self.0.settings.resolver, url, rule, family);
        let timeout = self.0.settings.connect_timeout;
        let addrs = tokio::time::timeout(timeout, lookup)
            .await
            .map_err(|_| Error::Timeout { origin: url.origin().to_owned(), after: timeout })??;
        // One of each family: a host may have routes for one only.
        let v4 = addrs.iter().find(|a| a.is_ipv4()).copied();
        let v6 = addrs.iter().find(|a| a.is_ipv6()).copied();
        let first_v6 = addrs.first().is_some_and(IpAddr::is_ipv6);
        let order = if first_v6 { [v6, v4] } else { [v4, v6] };
        let mut last = Error::NoAddress { host: url.host().to_owned(), family };
        for addr in order.into_iter().flatten() {
            match self.0.udp.ask((addr, url.port()).into(), call.clone()).await {
                Err(error @ (Error::UdpTimeout { .. } | Error::Io { .. })) => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    /// The kind of address that both the client and the request allow.
    fn family(&self, wanted: Family) -> Result<Family, Error> {
        match (self.0.settings.family, wanted) {
            (Family::Any, family) | (family, Family::Any) => Ok(family),
            (ours, wanted) if ours == wanted => Ok(ours),
            (_, family) => Err(Error::NoAddress { host: "this client".to_owned(), family }),
        }
    }
}

/// The most bytes taken for `purpose`.
const fn body_limit(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Tracker => limits::TRACKER_REPLY_LEN,
        Purpose::Metainfo => limits::METAINFO_LEN,
    }
}
