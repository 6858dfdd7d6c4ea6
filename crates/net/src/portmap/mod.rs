//! Ports mapped on the local gateway, so that peers beyond it can connect: by PCP (RFC 6887), NAT-PMP (RFC 6886) or
//! UPnP-IGD, whichever the gateway speaks.
//!
//! A [`PortMapper`] looks for a gateway, maps the ports, renews the mappings when half of their lease has passed, looks
//! again when the gateway forgets or refuses them, and removes them at its end. Nothing of it ever stands in anybody's
//! way: it runs in a task of its own, and what it came to is its [`Status`]. IPv4 only: an IPv6 address needs no mapping.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use riverrun_net::portmap::{Options, PortMapper, Protocol, Status};
//!
//! # async fn example() {
//! let mapper = PortMapper::start(Options::new([(Protocol::Tcp, 6881)]));
//! let mut status = mapper.watch();
//! while status.changed().await.is_ok() {
//!     if let Status::Mapped { mappings, .. } = &*status.borrow() {
//!         println!("others reach us at {}", mappings[0].external);
//!         break;
//!     }
//! }
//! mapper.close(Duration::from_secs(2)).await;
//! # }
//! ```

mod gateway;
mod nat;
mod upnp;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// How long removing takes at most where nobody waits for it.
const REMOVAL: Duration = Duration::from_secs(5);

/// What a port is mapped for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        })
    }
}

/// How a gateway was asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Method {
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl Method {
    /// All, in the order they are tried.
    pub const ALL: [Method; 3] = [Method::Pcp, Method::NatPmp, Method::Upnp];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Pcp => "PCP",
            Method::NatPmp => "NAT-PMP",
            Method::Upnp => "UPnP",
        })
    }
}

/// A port that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Mapping {
    /// What it is mapped for.
    pub protocol: Protocol,
    /// Our own port.
    pub internal: u16,
    /// Where others reach it. The gateway may have chosen another port. The address is `0.0.0.0` where the gateway does
    /// not tell it, and may itself be a private one behind a second gateway.
    pub external: SocketAddr,
}

/// How a [`PortMapper`] stands.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Status {
    /// It looks for a gateway.
    Searching,
    /// The ports are mapped.
    Mapped {
        /// How.
        method: Method,
        /// Each of them.
        mappings: Vec<Mapping>,
    },
    /// There is no gateway, or it refused; it will be looked for again.
    Failed {
        /// Why, for each method.
        reason: String,
        /// When it is tried again.
        retry: Duration,
    },
    /// The mapper has ended, and removed its mappings where it could.
    Closed,
}

/// Settings of a [`PortMapper`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The ports; none of them 0.
    pub ports: Vec<(Protocol, NonZeroU16)>,
    /// How long a mapping shall last unless renewed; 2 hours by default, as RFC 6886 advises.
    pub lease: Duration,
    /// What the gateway's list calls the mapping (UPnP).
    pub description: String,
    /// The methods that are tried, in this order.
    pub methods: Vec<Method>,
    /// Our address in the local network. Default: whichever the way to the gateway leaves from.
    pub local: Option<Ipv4Addr>,
    /// The gateway to ask by PCP and NAT-PMP. Default: that of the default route, which is known on Linux only.
    pub gateway: Option<Ipv4Addr>,
    /// Where UPnP gateways are searched; `239.255.255.250:1900` by default.
    pub ssdp: SocketAddrV4,
    /// How long UPnP gateways are waited for; 4 s by default.
    pub search: Duration,
}

impl Options {
    /// The usual settings for these ports. Ports 0 are left out.
    pub fn new(ports: impl IntoIterator<Item = (Protocol, u16)>) -> Options {
        let known = |(protocol, port)| Some((protocol, NonZeroU16::new(port)?));
        Options {
            ports: ports.into_iter().filter_map(known).collect(),
            lease: Duration::from_secs(7_200),
            description: "riverrun".to_owned(),
            methods: Method::ALL.to_vec(),
            local: None,
            gateway: None,
            ssdp: SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900),
            search: Duration::from_secs(4),
        }
    }

    fn lease_secs(&self) -> u32 {
        u32::try_from(self.lease.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

/// Keeps ports mapped on the local gateway. When it is dropped the mappings are removed in the background, while the
/// runtime lives; [`close`](PortMapper::close) waits for that.
#[derive(Debug)]
pub struct PortMapper {
    status: watch::Receiver<Status>,
    /// Dropped, it ends the task.
    end: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl PortMapper {
    /// Starts the task, in the tokio runtime it is called in, and returns at once.
    pub fn start(options: Options) -> PortMapper {
        let (said, status) = watch::channel(Status::Searching);
        let (end, ended) = oneshot::channel();
        let keeper = Keeper { options, held: Vec::new(), status: said };
        let task = tokio::spawn(keeper.run(ended));
        PortMapper { status, end: Some(end), task: Some(task) }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How it stands, and when that changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Removes the mappings and ends, within that time. What the gateway does not confirm in time ends with its lease.
    pub async fn close(mut self, within: Duration) {
        self.end = None;
        if let Some(task) = self.task.take() {
            // Past the time, the task goes on without anybody who waits, and has an end of its own.
            let _ = timeout(within, task).await;
        }
    }
}

/// A mapping that is to be kept.
enum Held {
    Nat(nat::Held),
    Upnp(upnp::Held),
}

impl Held {
    async fn renew(&mut self) -> Result<(), String> {
        match self {
            Held::Nat(held) => held.renew().await,
            Held::Upnp(held) => held.renew().await,
        }
    }

    async fn remove(self) {
        let removed = match self {
            Held::Nat(held) => held.remove().await,
            Held::Upnp(held) => held.remove().await,
        };
        if let Err(error) = removed {
            tracing::debug!("a port mapping could not be removed: {error}");
        }
    }

    fn mapping(&self) -> Mapping {
        match self {
            Held::Nat(held) => held.mapping(),
            Held::Upnp(held) => held.mapping(),
        }
    }

    /// What the gateway grants; none for a mapping that does not end.
    fn lease(&self) -> Option<Duration> {
        match self {
            Held::Nat(held) => Some(held.lease()),
            Held::Upnp(held) => held.lease(),
        }
    }
}

/// The task.
struct Keeper {
    options: Options,
    /// What must be removed at the end, whatever is under way.
    held: Vec<Held>,
    status: watch::Sender<Status>,
}

impl Keeper {
    async fn run(mut self, mut ended: oneshot::Receiver<()>) {
        tokio::select! {
            // Also when the other end is dropped.
            _ = &mut ended => {}
            () = self.keep() => {}
        }
        // What is under way is left; what is held by then is removed.
        let removals: Vec<_> =
            self.held.drain(..).map(|held| tokio::spawn(timeout(REMOVAL, held.remove()))).collect();
        for removal in removals {
            let _ = removal.await;
        }
        self.status.send_replace(Status::Closed);
    }

    /// Maps and renews, for ever.
    async fn keep(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.map().await {
                Ok(method) => {
                    pause = FIRST_PAUSE;
                    self.renew(method).await;
                }
                Err(reason) => {
                    tracing::debug!("no port was mapped, next try in {} s: {reason}", pause.as_secs());
                    self.status.send_replace(Status::Failed { reason, retry: pause });
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Maps all ports by the first method that can.
    async fn map(&mut self) -> Result<Method, String> {
        let mut reasons = Vec::new();
        for method in self.options.methods.clone() {
            let mapped = match method {
                Method::Pcp | Method::NatPmp => nat::map(&self.options, method, &mut self.held).await,
                Method::Upnp => upnp::map(&self.options, &mut self.held).await,
            };
            match mapped {
                Ok(()) => return Ok(method),
                Err(error) => reasons.push(format!("{method}: {error}")),
            }
            // Half of the ports by one method and half by another would be hard to explain.
            for held in std::mem::take(&mut self.held) {
                held.remove().await;
            }
        }
        Err(reasons.join("; "))
    }

    /// Renews for as long as that works.
    async fn renew(&mut self, method: Method) {
        loop {
            let mappings: Vec<_> = self.held.iter().map(Held::mapping).collect();
            for mapping in &mappings {
                tracing::debug!(
                    "{method} maps {} port {} to {}",
                    mapping.protocol,
                    mapping.internal,
                    mapping.external
                );
            }
            self.status.send_if_modified(|status| {
                let new = Status::Mapped { method, mappings };
                let changed = *status != new;
                *status = new;
                changed
            });
            // One that does not end is looked after all the same: a gateway that restarts forgets it.
            let lease = self.held.iter().filter_map(Held::lease).min();
            sleep(lease.unwrap_or(self.options.lease).max(Duration::from_secs(1)) / 2).await;
            for held in &mut self.held {
                if let Err(error) = held.renew().await {
                    tracing::debug!("a port mapping could not be renewed, gateways are searched: {error}");
                    self.status.send_replace(Status::Searching);
                    // It may be there still: asked for again, it is the same one.
                    self.held.clear();
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_none_are_left_out() {
        let options = Options::new([(Protocol::Tcp, 0), (Protocol::Udp, 7)]);
        assert_eq!(options.ports, [(Protocol::Udp, NonZeroU16::new(7).expect("not 0"))]);
    }

    #[test]
    fn a_lease_is_whole_seconds_and_never_none() {
        let mut options = Options::new([]);
        options.lease = Duration::from_millis(10);
        assert_eq!(options.lease_secs(), 1);
        options.lease = Duration::MAX;
        assert_eq!(options.lease_secs(), u32::MAX);
    }
}
