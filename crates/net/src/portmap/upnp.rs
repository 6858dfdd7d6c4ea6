//! UPnP-IGD.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use tokio::task::JoinSet;

use super::{Mapping, Options, Protocol};
use crate::interfaces;

/// Most interfaces that gateways are searched on.
const INTERFACES: usize = 8;
/// How often another port is tried where somebody else has the one we want.
const OTHER_PORTS: u16 = 4;

/// A mapping of a gateway.
pub(super) struct Held {
    gateway: Gateway<Tokio>,
    protocol: Protocol,
    local: SocketAddr,
    external: SocketAddr,
    /// Seconds; 0 does not end.
    lease: u32,
    description: String,
}

/// Maps all ports, adding each to `held` as soon as it is there.
pub(super) async fn map(options: &Options, held: &mut Vec<super::Held>) -> Result<(), String> {
    let (gateway, local) = search(options).await?;
    // A gateway that maps and does not tell its address is good enough.
    let outside = gateway.get_external_ip().await.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    for (protocol, port) in &options.ports {
        let mut new = Held {
            gateway: gateway.clone(),
            protocol: *protocol,
            local: (local, port.get()).into(),
            external: (outside, port.get()).into(),
            lease: options.lease_secs(),
            description: options.description.clone(),
        };
        new.find_port(*port).await?;
        held.push(super::Held::Upnp(new));
    }
    Ok(())
}

/// The first gateway that answers on any interface, and our address there.
async fn search(options: &Options) -> Result<(Gateway<Tokio>, Ipv4Addr), String> {
    let mut searches = JoinSet::new();
    for local in locals(options).into_iter().take(INTERFACES) {
        let mut wanted = SearchOptions::default();
        wanted.bind_addr = (local, 0).into();
        wanted.broadcast_address = options.ssdp.into();
        wanted.timeout = Some(options.search);
        if local.is_loopback() {
            // What claims to be a gateway on this machine is believed only where it was named as one.
            wanted.allowed_gateway_ips.push(local.into());
        }
        searches.spawn(async move { (search_gateway(wanted).await, local) });
    }
    let mut reason = "no interface to search on".to_owned();
    while let Some(done) = searches.join_next().await {
        match done {
            Ok((Ok(gateway), local)) => return Ok((gateway, local)),
            Ok((Err(error), _)) => reason = error.to_string(),
            // The search itself fell over what it was sent.
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

fn locals(options: &Options) -> Vec<Ipv4Addr> {
    if let Some(local) = options.local {
        return vec![local];
    }
    let address = |interface: interfaces::Interface| match interface.ip {
        IpAddr::V4(ip) if !ip.is_loopback() && !interface.point_to_point => Some(ip),
        _ => None,
    };
    interfaces::list().unwrap_or_default().into_iter().filter_map(address).collect()
}

impl Held {
    /// Maps the wanted port, or one near it where that is somebody else's.
    async fn find_port(&mut self, wanted: NonZeroU16) -> Result<(), String> {
        for other in 0..=OTHER_PORTS {
            self.external.set_port(wanted.checked_add(other).unwrap_or(wanted).get());
            match self.ask().await {
                Err(AddPortError::PortInUse) => {}
                done => return done.map_err(|error| error.to_string()),
            }
        }
        Err(AddPortError::PortInUse.to_string())
    }

    async fn ask(&mut self) -> Result<(), AddPortError> {
        let mut asked = self.add(self.lease).await;
        if let Err(AddPortError::OnlyPermanentLeasesSupported) = asked {
            self.lease = 0;
            asked = self.add(0).await;
        }
        if let Err(AddPortError::DescriptionTooLong) = asked {
            self.description.clear();
            asked = self.add(self.lease).await;
        }
        asked
    }

    async fn add(&self, lease: u32) -> Result<(), AddPortError> {
        let protocol = wire_protocol(self.protocol);
        self.gateway.add_port(protocol, self.external.port(), self.local, lease, &self.description).await
    }

    pub(super) async fn renew(&mut self) -> Result<(), String> {
        // To ask again for what is ours is how UPnP renews.
        self.ask().await.map_err(|error| error.to_string())?;
        if let Ok(outside) = self.gateway.get_external_ip().await {
            self.external.set_ip(outside);
        }
        Ok(())
    }

    pub(super) async fn remove(self) -> Result<(), String> {
        let removed = self.gateway.remove_port(wire_protocol(self.protocol), self.external.port()).await;
        removed.map_err(|error| error.to_string())
    }

    pub(super) fn mapping(&self) -> Mapping {
        Mapping { protocol: self.protocol, internal: self.local.port(), external: self.external }
    }

    pub(super) fn lease(&self) -> Option<Duration> {
        (self.lease != 0).then(|| Duration::from_secs(u64::from(self.lease)))
    }
}

fn wire_protocol(protocol: Protocol) -> PortMappingProtocol {
    match protocol {
        Protocol::Tcp => PortMappingProtocol::TCP,
        Protocol::Udp => PortMappingProtocol::UDP,
    }
}
