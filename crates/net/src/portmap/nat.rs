//! PCP and NAT-PMP.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig,
    natpmp, pcp,
};

use super::{Mapping, Method, Options, Protocol, gateway};

/// 250 ms, 500 ms, 1 s: a gateway is near. The RFCs' own 9 tries would take a minute to find that there is none.
const TIMEOUTS: TimeoutConfig =
    TimeoutConfig { initial_timeout: Duration::from_millis(250), max_retries: 2, max_retry_timeout: None };

/// A mapping by one of the two.
pub(super) struct Held {
    mapping: PortMapping,
    /// What NAT-PMP was told of the gateway's address outside; PCP tells it with each mapping.
    external: Option<Ipv4Addr>,
}

/// Maps all ports, adding each to `held` as soon as it is there.
pub(super) async fn map(
    options: &Options,
    method: Method,
    held: &mut Vec<super::Held>,
) -> Result<(), String> {
    let gateway = options.gateway.or_else(gateway::default_gateway).ok_or("the gateway is not known")?;
    let local = match options.local {
        Some(local) => local,
        None => gateway::local_towards(gateway).map_err(|error| error.to_string())?,
    };
    let external = match method {
        Method::NatPmp => {
            // A gateway that maps and does not tell its address is good enough.
            natpmp::external_address(gateway.into(), Some(TIMEOUTS)).await.ok()
        }
        _ => None,
    };
    for (protocol, port) in &options.ports {
        let mapping = ask(gateway.into(), local, method, *protocol, *port, options.lease_secs()).await?;
        held.push(super::Held::Nat(Held { mapping, external }));
    }
    Ok(())
}

async fn ask(
    gateway: GatewayAddress,
    local: Ipv4Addr,
    method: Method,
    protocol: Protocol,
    port: NonZeroU16,
    lease: u32,
) -> Result<PortMapping, String> {
    let protocol = match protocol {
        Protocol::Tcp => InternetProtocol::Tcp,
        Protocol::Udp => InternetProtocol::Udp,
    };
    let wanted = PortMappingOptions {
        external_port: Some(port),
        lifetime_seconds: Some(lease),
        timeout_config: Some(TIMEOUTS),
    };
    if method == Method::NatPmp {
        let mapped = natpmp::port_mapping(gateway, protocol, port, wanted).await;
        return mapped.map_err(|error| error.to_string());
    }
    let request = pcp::BaseMapRequest::new(gateway, IpAddr::V4(local), protocol, port);
    pcp::port_mapping(request, None, None, wanted).await.map_err(|error| error.to_string())
}

impl Held {
    pub(super) async fn renew(&mut self) -> Result<(), String> {
        self.mapping.renew().await.map_err(|error| error.to_string())?;
        if let (PortMappingType::NatPmp, Some(external)) = (self.mapping.mapping_type(), &mut self.external) {
            // It may have changed since; where it is not told, the old one stands.
            let now = natpmp::external_address(self.mapping.gateway(), Some(TIMEOUTS)).await;
            *external = now.unwrap_or(*external);
        }
        Ok(())
    }

    pub(super) async fn remove(self) -> Result<(), String> {
        self.mapping.try_drop().await.map_err(|(error, _)| error.to_string())
    }

    pub(super) fn mapping(&self) -> Mapping {
        let ip = match self.mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => external_ip.to_canonical(),
            PortMappingType::NatPmp => self.external.unwrap_or(Ipv4Addr::UNSPECIFIED).into(),
        };
        let protocol = match self.mapping.protocol() {
            InternetProtocol::Tcp => Protocol::Tcp,
            InternetProtocol::Udp => Protocol::Udp,
        };
        let internal = self.mapping.internal_port().get();
        Mapping { protocol, internal, external: (ip, self.mapping.external_port().get()).into() }
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.mapping.lifetime()))
    }
}
