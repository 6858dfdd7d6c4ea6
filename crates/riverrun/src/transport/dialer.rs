//! Who opens connections to peers.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use net::tcp::DialOptions;

use super::PeerStream;

/// A connection being opened.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<PeerStream>> + Send>>;

/// Opens connections to peers in place of the client's own TCP: through a proxy, a tunnel, Unix sockets, or a
/// network of your tests. What [`ClientBuilder::dialer`](crate::ClientBuilder::dialer) takes. A closure that
/// returns a future is one; [`blocking_dialer`] makes one of a function that blocks.
///
/// # What holds for every dial
/// - It is asked only for addresses that the blocklist and the address families allow, and counts as a half-open
///   connection until it ends: at most 25 of one torrent, and what
///   [`ClientBuilder::dial_budget`](crate::ClientBuilder::dial_budget) allows over all.
/// - It runs on a thread that is there for the code of embedders, inside a tokio runtime (timers and sockets are
///   enabled). Blocking that thread holds up other dials, but neither data nor the client.
/// - An error, or a panic, counts as a dial that failed: the address is tried again with a growing wait.
/// - After [`ClientBuilder::dial_timeout`](crate::ClientBuilder::dial_timeout), or when nobody wants the connection
///   any more (the torrent pauses or goes, the client closes), the future is dropped. It is dropped at its next
///   await: a future that never returns from `poll` is given up all the same, but keeps the thread.
///
/// ```
/// use riverrun::{Client, DialRequest};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Client::builder().dialer(|to: DialRequest| async move {
///     // What stands on the other side of the tunnel goes through it; the rest by TCP as usual.
///     if to.addr().ip().is_loopback() {
///         let stream = tokio::net::TcpStream::connect(to.addr()).await?;
///         return Ok(stream.into_std()?.into());
///     }
///     to.tcp()
/// });
/// # drop(settings); Ok(()) }
/// ```
pub trait Dialer: Send + Sync + 'static {
    /// Begins to open a connection.
    ///
    /// # Errors
    /// The future's error is only logged.
    fn dial(&self, to: DialRequest) -> Dialing;
}

impl<F, D> Dialer for F
where
    F: Fn(DialRequest) -> D + Send + Sync + 'static,
    D: Future<Output = io::Result<PeerStream>> + Send + 'static,
{
    fn dial(&self, to: DialRequest) -> Dialing {
        Box::pin(self(to))
    }
}

/// A connection that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct DialRequest {
    addr: SocketAddr,
    options: DialOptions,
}

impl DialRequest {
    pub(crate) fn new(addr: SocketAddr, options: DialOptions) -> DialRequest {
        DialRequest { addr, options }
    }

    /// Where to. An IPv4 address is never in its IPv6 form.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port to dial from, where that matters: a third peer has told both ends to dial each other at this
    /// moment (BEP 55), and each expects the other to come from the port it listens on. A transport to which this
    /// means nothing dials as usual.
    pub fn from_port(&self) -> Option<u16> {
        self.options.from_port
    }

    /// Dials by TCP as a client without a dialer does, from [`ClientBuilder::bind`](crate::ClientBuilder::bind)'s
    /// addresses. Returns at once: the client waits until the connection is open.
    ///
    /// # Errors
    /// What the system says at once.
    pub fn tcp(self) -> io::Result<PeerStream> {
        net::tcp::dial(self.addr, &self.options).map(PeerStream::begun)
    }
}

/// A dialer that calls a function which may block, on a thread of its own. There are at most 64 such threads; where
/// all are taken dials wait, which counts as part of their time. A function can't be interrupted: it keeps its
/// thread until it returns, so give its sockets time-outs.
pub fn blocking_dialer(
    dial: impl Fn(DialRequest) -> io::Result<PeerStream> + Send + Sync + 'static,
) -> impl Dialer {
    let dial = std::sync::Arc::new(dial);
    move |to: DialRequest| {
        let dial = dial.clone();
        async move { tokio::task::spawn_blocking(move || dial(to)).await.map_err(io::Error::other)? }
    }
}

/// A dialer to Unix sockets: where `path` names one for an address it is connected to, all else is dialed by TCP. To
/// the swarm the peer is that address: choose one of the network's private ranges, or loopback. `100::/64` is not
/// dialed, since that is what clients that come in through Unix sockets are called.
#[cfg(unix)]
pub fn unix_dialer(
    path: impl Fn(SocketAddr) -> Option<std::path::PathBuf> + Send + Sync + 'static,
) -> impl Dialer {
    move |to: DialRequest| {
        let path = path(to.addr());
        async move {
            match path {
                Some(path) => Ok(tokio::net::UnixStream::connect(path).await?.into_std()?.into()),
                None => to.tcp(),
            }
        }
    }
}
