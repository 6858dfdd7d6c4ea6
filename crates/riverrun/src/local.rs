//! The local network: neighbours found by local discovery (BEP 14), and our port mapped on the gateway.
//! Neither ever keeps anything else waiting, and where neither works only a word in the log is lost.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::lsd::{Events, Interfaces, LocalDiscovery, Options};
use net::portmap::{self, PortMapper, Protocol};
use tokio::sync::watch;

use crate::ClientBuilder;
use crate::entry::Entry;
use crate::transport::Discoveries;

/// How our port stands on the gateway of the local network.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PortMapping {
    /// It is switched off, or nobody beyond this machine could reach us over IPv4 anyway.
    Off,
    /// A gateway is being looked for.
    Searching,
    /// The gateway passes connections on to us.
    Mapped {
        /// `PCP`, `NAT-PMP` or `UPnP`.
        method: String,
        /// Where others reach us. `0.0.0.0` where the gateway does not tell its address.
        external: SocketAddr,
    },
    /// No gateway was found, or it refused. It is tried again now and then.
    Failed {
        /// Why, for each method.
        reason: String,
    },
}

/// Both, as far as they are switched on.
pub(crate) struct Local {
    discovery: Option<LocalDiscovery>,
    mapper: Mutex<Option<PortMapper>>,
    mapped: Option<watch::Receiver<portmap::Status>>,
    /// What the embedder brings beside them.
    discoveries: Discoveries,
}

impl Local {
    /// Starts what the settings ask for and the addresses allow: who listens on loopback alone has no
    /// neighbours and no gateway. Called inside the control runtime.
    pub(crate) fn start(
        settings: &ClientBuilder,
        listening: &[SocketAddr],
        discoveries: Discoveries,
    ) -> (Local, Option<Events>) {
        let open: Vec<SocketAddr> =
            listening.iter().filter(|addr| !addr.ip().is_loopback()).copied().collect();
        let opened = (settings.lsd && !open.is_empty()).then(|| discover(&open)).flatten();
        let (discovery, events) = opened.unzip();
        let mapper = settings.port_forward.then(|| map(&open)).flatten();
        let mapped = mapper.as_ref().map(PortMapper::watch);
        (Local { discovery, mapper: Mutex::new(mapper), mapped, discoveries }, events)
    }

    /// A torrent takes part in its swarm. A private one is never spoken of, and neither is one that may turn out private
    /// (BEP 27).
    pub(crate) fn enter(&self, entry: &Arc<Entry>) {
        self.discoveries.enter(entry);
        if let (Some(discovery), Some(torrent)) = (&self.discovery, entry.announceable()) {
            discovery.add(torrent);
        }
    }

    /// A torrent takes part no more.
    pub(crate) fn leave(&self, entry: &Entry) {
        self.discoveries.leave(entry);
        if let Some(discovery) = &self.discovery {
            discovery.remove(entry.hashes);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_alone(&self) -> bool {
        self.discovery.is_none()
    }

    /// How the port stands.
    pub(crate) fn port_mapping(&self) -> PortMapping {
        let Some(mapped) = &self.mapped else { return PortMapping::Off };
        match &*mapped.borrow() {
            portmap::Status::Searching => PortMapping::Searching,
            portmap::Status::Mapped { method, mappings } => match mappings.first() {
                Some(first) => PortMapping::Mapped { method: method.to_string(), external: first.external },
                None => PortMapping::Off,
            },
            portmap::Status::Failed { reason, .. } => PortMapping::Failed { reason: reason.clone() },
            _ => PortMapping::Off,
        }
    }

    /// Changes whenever that may have changed; none where it is switched off.
    pub(crate) fn watch_mapping(&self) -> Option<watch::Receiver<portmap::Status>> {
        self.mapped.clone()
    }

    /// The IPv4 port that others reach us at, where the gateway chose it.
    pub(crate) fn external_port(&self) -> Option<u16> {
        match &*self.mapped.as_ref()?.borrow() {
            portmap::Status::Mapped { mappings, .. } => mappings.first().map(|first| first.external.port()),
            _ => None,
        }
    }

    /// Gives the port back, within that time.
    pub(crate) async fn close(&self, within: Duration) {
        let mapper = self.mapper.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(mapper) = mapper {
            mapper.close(within).await;
        }
    }
}

/// The port of the first address of a family.
fn port(open: &[SocketAddr], of_family: fn(&SocketAddr) -> bool) -> Option<u16> {
    open.iter().find(|addr| of_family(addr)).map(SocketAddr::port)
}

fn discover(open: &[SocketAddr]) -> Option<(LocalDiscovery, Events)> {
    let (v4, v6) = (port(open, SocketAddr::is_ipv4), port(open, SocketAddr::is_ipv6));
    let mut options = Options::default();
    (options.ipv4, options.ipv6) = (v4.is_some(), v6.is_some());
    if !open.iter().any(|addr| addr.ip().is_unspecified()) {
        options.interfaces = Interfaces::Only(open.iter().map(SocketAddr::ip).collect());
    }
    match LocalDiscovery::open(options) {
        Ok((discovery, events)) => {
            discovery.ports(v4, v6);
            Some((discovery, events))
        }
        Err(error) => {
            tracing::debug!("no local discovery: {error}");
            None
        }
    }
}

fn map(open: &[SocketAddr]) -> Option<PortMapper> {
    let addr = open.iter().find(|addr| addr.is_ipv4())?;
    let mut options = portmap::Options::new([(Protocol::Tcp, addr.port())]);
    options.local = match addr.ip() {
        IpAddr::V4(ip) if ip != Ipv4Addr::UNSPECIFIED => Some(ip),
        _ => None,
    };
    Some(PortMapper::start(options))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    #[test]
    fn who_listens_on_loopback_alone_keeps_to_himself() {
        let client = Client::builder()
            .listen(["127.0.0.1:0".parse().expect("an address")])
            .shards(1)
            .build()
            .expect("a client");
        assert_eq!(client.port_mapping(), PortMapping::Off);
        assert!(client.inner_for_tests().local.is_alone());
        client.blocking_close();
    }

    #[test]
    fn ports_are_those_of_the_first_address_of_a_family() {
        let open: Vec<SocketAddr> =
            ["[::]:3", "0.0.0.0:1", "192.168.1.1:2"].map(|addr| addr.parse().expect("an address")).to_vec();
        assert_eq!(port(&open, SocketAddr::is_ipv4), Some(1));
        assert_eq!(port(&open, SocketAddr::is_ipv6), Some(3));
        assert_eq!(port(&open[..1], SocketAddr::is_ipv4), None);
    }
}
