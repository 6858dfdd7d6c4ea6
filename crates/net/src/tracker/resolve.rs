//! Names to addresses, with the rules applied to what comes out.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tracker::url::{AddressRule, check_address};
use tracker::{Family, TrackerUrl};

use super::error::{Blocked, Error};

/// A look-up under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up names.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, the best first. Dropping the future ends the look-up.
    fn resolve(&self, host: &str) -> Resolving;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|addr| addr.ip()).collect())
        })
    }
}

/// Of `addrs`, those that `rule` and `family` allow.
fn admit(host: &str, addrs: Vec<IpAddr>, rule: AddressRule, family: Family) -> Result<Vec<IpAddr>, Blocked> {
    let of_family: Vec<IpAddr> = addrs.into_iter().filter(|addr| family.allows(*addr)).collect();
    if of_family.is_empty() {
        return Err(Blocked::NoAddress { host: host.to_owned(), family });
    }
    let mut refusal = None;
    let allowed: Vec<IpAddr> = of_family
        .into_iter()
        .filter(|addr| match check_address(host, *addr, rule) {
            Ok(()) => true,
            Err(error) => {
                refusal = Some(error);
                false
            }
        })
        .collect();
    match refusal {
        Some(refusal) if allowed.is_empty() => Err(Blocked::Refusal(refusal)),
        _ => Ok(allowed),
    }
}

async fn look_up(
    resolving: Resolving,
    host: &str,
    rule: AddressRule,
    family: Family,
) -> Result<Vec<IpAddr>, Blocked> {
    let addrs = resolving
        .await
        .map_err(|error| Blocked::Lookup { host: host.to_owned(), problem: error.to_string() })?;
    admit(host, addrs, rule, family)
}

/// The addresses of a URL's host that may be asked.
pub(super) async fn lookup(
    resolver: &dyn Resolve,
    url: &TrackerUrl,
    rule: AddressRule,
    family: Family,
) -> Result<Vec<IpAddr>, Error> {
    let found = match url.addr() {
        Some(addr) => admit(url.host(), vec![addr], rule, family),
        None => look_up(resolver.resolve(url.host()), url.host(), rule, family).await,
    };
    found.map_err(|blocked| blocked.to_error())
}

/// Checks a host that is an address, which no resolver gets to see.
pub(super) fn check_literal(url: &TrackerUrl, rule: AddressRule, family: Family) -> Result<(), Error> {
    match url.addr() {
        Some(addr) => {
            admit(url.host(), vec![addr], rule, family).map(drop).map_err(|blocked| blocked.to_error())
        }
        None => Ok(()),
    }
}

/// The resolver of one HTTP client, which serves requests of one rule and family only: so a connection kept alive
/// never serves a request that might not have opened it.
pub(super) struct Guarded {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) rule: AddressRule,
    pub(super) family: Family,
}

impl reqwest::dns::Resolve for Guarded {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolving = self.resolver.resolve(name.as_str());
        let (rule, family) = (self.rule, self.family);
        Box::pin(async move {
            let addrs = look_up(resolving, name.as_str(), rule, family).await?;
            // Port 0 is replaced by the URL's.
            let addrs = addrs.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addrs) as reqwest::dns::Addrs)
        })
    }
}
