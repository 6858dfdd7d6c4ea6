//! The embedded tracker on real sockets.
//!
//! [`TrackerServer`] puts [`tracker::server::Server`] behind HTTP/1.1 and UDP. It is small on purpose: it serves a
//! demo, a test or a home network, on one runtime and behind one lock.
//!
//! ```no_run
//! use riverrun_net::tracker_server::TrackerServer;
//! use tracker::server::ServerConfig;
//!
//! # async fn example() -> std::io::Result<()> {
//! let any = "127.0.0.1:0".parse().ok();
//! let server = TrackerServer::bind(any, any, ServerConfig::default()).await?;
//! println!("{}", server.announce_urls().join("\n"));
//! # Ok(())
//! # }
//! ```

mod http;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tracker::SwarmCounts;
use tracker::server::{Server, ServerConfig};
use types::InfoHash;

use crate::clock::{Clock, system_rng};

/// What HTTP clients may take of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// Most connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and how long a connection may stay idle.
    pub head_timeout: Duration,
    /// How long a connection may last.
    pub lifetime: Duration,
    /// Most bytes of a request's head; at least 8192.
    pub head_len: usize,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            connections: 512,
            head_timeout: Duration::from_secs(15),
            lifetime: Duration::from_secs(300),
            head_len: 16 * 1024,
        }
    }
}

/// The machine, its clock, and the one lock around it.
struct Shared {
    server: Mutex<Server>,
    clock: Clock,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tracker that runs until it is dropped.
pub struct TrackerServer {
    shared: Arc<Shared>,
    http: Option<SocketAddr>,
    udp: Option<SocketAddr>,
    /// Dropping it ends the tasks, and with them the sockets.
    _tasks: JoinSet<()>,
}

impl TrackerServer {
    /// Opens the sockets and serves, with default limits. Port 0 lets the system choose.
    ///
    /// # Errors
    /// Where a socket can't be opened, or the system has no entropy.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(
        http: Option<SocketAddr>,
        udp: Option<SocketAddr>,
        config: ServerConfig,
    ) -> io::Result<TrackerServer> {
        TrackerServer::bind_with(http, udp, config, HttpLimits::default()).await
    }

    /// As [`TrackerServer::bind`], with limits.
    ///
    /// # Errors
    /// As [`TrackerServer::bind`].
    pub async fn bind_with(
        http: Option<SocketAddr>,
        udp: Option<SocketAddr>,
        config: ServerConfig,
        limits: HttpLimits,
    ) -> io::Result<TrackerServer> {
        let rng = system_rng().map_err(io::Error::other)?;
        let shared = Arc::new(Shared { server: Mutex::new(Server::new(config, rng)), clock: Clock::start() });
        let mut tasks = JoinSet::new();
        let (mut http_addr, mut udp_addr) = (None, None);
        if let Some(addr) = http {
            let listener = TcpListener::bind(addr).await?;
            http_addr = Some(listener.local_addr()?);
            tasks.spawn(http::serve(listener, Arc::clone(&shared), limits));
        }
        if let Some(addr) = udp {
            let socket = UdpSocket::bind(addr).await?;
            udp_addr = Some(socket.local_addr()?);
            tasks.spawn(udp::serve(socket, Arc::clone(&shared)));
        }
        Ok(TrackerServer { shared, http: http_addr, udp: udp_addr, _tasks: tasks })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where UDP is served.
    pub fn udp_addr(&self) -> Option<SocketAddr> {
        self.udp
    }

    /// The announce URLs, HTTP first; a wildcard address is shown as loopback.
    pub fn announce_urls(&self) -> Vec<String> {
        let shown = |addr: SocketAddr| match addr.ip() {
            IpAddr::V4(v4) if v4.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], addr.port())),
            IpAddr::V6(v6) if v6.is_unspecified() => {
                SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), addr.port())
            }
            _ => addr,
        };
        let http = self.http.map(|addr| format!("http://{}/announce", shown(addr)));
        let udp = self.udp.map(|addr| format!("udp://{}/announce", shown(addr)));
        http.into_iter().chain(udp).collect()
    }

    /// How many swarms and peers there are.
    pub fn totals(&self) -> (usize, usize) {
        let server = self.shared.lock();
        (server.torrents(), server.peers())
    }

    /// The counts of one swarm, where there is one.
    pub fn counts(&self, info_hash: InfoHash) -> Option<SwarmCounts> {
        self.shared.lock().counts(info_hash)
    }
}
