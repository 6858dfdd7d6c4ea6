//! The DHT (BEP 5): where peers of public torrents are looked for, once somebody names a node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metainfo::Node;
use net::dht::{DhtClient, Events, Options};
use tokio::net::lookup_host;
use tokio::time::timeout;
use types::Scope;

use crate::entry::Entry;
use crate::runtime::Shared;
use crate::{ClientBuilder, Error};

/// How long a node's name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(15);
/// Most nodes that are taken from one torrent.
const OF_A_TORRENT: usize = 16;

/// A client's part in the DHT, as long as it is switched on and not closed.
pub(crate) struct Dht {
    client: Mutex<Option<DhtClient>>,
}

impl Dht {
    /// Opens its sockets, where the settings have it. Called inside the control runtime.
    pub(crate) fn start(
        settings: &ClientBuilder,
        listening: &[SocketAddr],
        shared: &Arc<Shared>,
    ) -> (Dht, Option<Events>) {
        let at = |v4: bool| listening.iter().find(|addr| addr.is_ipv4() == v4).copied();
        let anywhere: [SocketAddr; 2] =
            [(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()];
        let socket = |v4: bool, on: bool| {
            // Who listens on loopback alone asks nobody beyond it; who listens nowhere may ask everybody.
            let addr = at(v4).or(listening.is_empty().then_some(anywhere[usize::from(!v4)]))?;
            let from = settings.bind.iter().find(|ip| ip.is_ipv4() == v4);
            on.then_some(SocketAddr::new(from.copied().unwrap_or(addr.ip()), addr.port()))
        };
        let mut options = Options::default();
        (options.v4, options.v6) = (socket(true, settings.ipv4), socket(false, settings.ipv6));
        let list = shared.clone();
        let opened = settings.dht.then(|| DhtClient::open(options, move |addr| list.blocklist.blocks(addr)));
        let opened =
            opened.and_then(|opened| opened.inspect_err(|error| tracing::debug!("no DHT: {error}")).ok());
        let (client, events) = opened.unzip();
        (Dht { client: Mutex::new(client) }, events)
    }

    fn client(&self) -> Option<DhtClient> {
        self.client.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Tells where others reach us, over IPv4 and over IPv6 ([`Inner::reached_at`](crate::inner::Inner::reached_at)).
    pub(crate) fn say_ports(&self, [v4, v6]: [Option<u16>; 2]) {
        if let Some(client) = self.client() {
            client.ports(v4, v6);
        }
    }

    /// A torrent takes part in its swarm. One that is private, or may turn out to be, is never spoken of (BEP 27).
    pub(crate) fn enter(&self, entry: &Entry) {
        if let (Some(client), Some(torrent)) = (self.client(), entry.announceable()) {
            client.add(torrent);
        }
    }

    /// A torrent takes part no more.
    pub(crate) fn leave(&self, entry: &Entry) {
        if let Some(client) = self.client() {
            client.remove(entry.hashes);
        }
    }

    /// How many nodes are known.
    pub(crate) fn known(&self) -> usize {
        self.client().map_or(0, |client| client.known().v4 + client.known().v6)
    }

    /// Takes in nodes that the user named. Those whose names are known are taken in whatever the others are.
    ///
    /// # Errors
    /// The DHT is off; a name that can't be looked up, the first of them.
    pub(crate) async fn add_nodes(&self, nodes: Vec<Node>) -> Result<(), Error> {
        let client = self.client().ok_or(Error::NoDht)?;
        let mut result = Ok(());
        for node in nodes {
            match look_up(&node).await {
                Ok(addrs) => _ = client.add_nodes(addrs).await,
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Takes in the nodes of a public torrent, those that are routed on the Internet: who made it is a stranger, and is not
    /// to have us knock at our own network. `local`: also others.
    pub(crate) async fn add_nodes_of(&self, nodes: Vec<Node>, local: bool) {
        let Some(client) = self.client() else { return };
        for node in nodes.iter().take(OF_A_TORRENT) {
            let Ok(mut addrs) = look_up(node).await else { continue };
            addrs.retain(|addr| local || Scope::of(addr.ip()) == Some(Scope::World));
            client.add_nodes(addrs).await;
        }
    }

    /// Asks nobody any more.
    pub(crate) fn close(&self) {
        self.client.lock().unwrap_or_else(|e| e.into_inner()).take();
    }
}

async fn look_up(Node { host, port }: &Node) -> Result<Vec<SocketAddr>, Error> {
    let unknown = |message: &str| Error::UnknownHost { host: host.as_str().into(), message: message.into() };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, *port)]);
    }
    match timeout(LOOK_UP, lookup_host((host.as_str(), *port))).await {
        Ok(Ok(addrs)) => Ok(addrs.collect()),
        Ok(Err(error)) => Err(unknown(&error.to_string())),
        Err(_) => Err(unknown("no answer in time")),
    }
}
