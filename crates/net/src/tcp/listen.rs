//! Accepting connections.

use std::io;
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::{TcpStream, canonical};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// How many random ports are tried until one is free in both families.
const TRIES: u32 = 32;

/// Why an address can't be listened on. Each names the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another socket has it.
    #[error("{addr}: the address is in use; choose another port, or 0 for any")]
    InUse {
        /// The address.
        addr: SocketAddr,
    },
    /// The system forbids it.
    #[error("{addr}: no permission to listen there; ports below 1024 need privileges")]
    Permission {
        /// The address.
        addr: SocketAddr,
    },
    /// This machine has no such address.
    #[error("{addr}: this machine does not have the address")]
    NotAvailable {
        /// The address.
        addr: SocketAddr,
    },
    /// Anything else the system said.
    #[error("{addr}: can't listen: {source}")]
    Io {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    /// A stable name for logs, scripts and APIs.
    pub fn code(&self) -> &'static str {
        match self {
            ListenError::InUse { .. } => "address_in_use",
            ListenError::Permission { .. } => "permission",
            ListenError::NotAvailable { .. } => "address_not_available",
            ListenError::Io { .. } => "io",
        }
    }

    fn new(addr: SocketAddr, source: io::Error) -> ListenError {
        match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { addr },
            io::ErrorKind::PermissionDenied => ListenError::Permission { addr },
            io::ErrorKind::AddrNotAvailable => ListenError::NotAvailable { addr },
            _ => ListenError::Io { addr, source },
        }
    }
}

/// The open listeners of one client.
#[derive(Debug)]
pub struct Listening {
    /// One for each address that could be had.
    pub listeners: Vec<Listener>,
    /// Wildcard addresses of a family that this machine does not have.
    pub skipped: Vec<ListenError>,
}

impl Listening {
    /// The port of the first listener.
    pub fn port(&self) -> Option<u16> {
        self.listeners.first().map(|l| l.local_addr().port())
    }
}

/// A listening TCP socket of one address family.
#[derive(Debug)]
pub struct Listener {
    inner: mio::net::TcpListener,
    local: SocketAddr,
}

/// Listens on each of `addrs`. An IPv6 socket takes IPv6 alone, so `0.0.0.0:p` and `[::]:p` go together. Every port 0 of
/// the list becomes one and the same random port, as trackers and peers are told only one.
///
/// A wildcard address (`0.0.0.0`, `[::]`) whose family this machine lacks is skipped and reported, as long as another
/// listener is left.
///
/// # Errors
/// The first address that can't be had; nothing stays open then.
pub fn listen(addrs: &[SocketAddr]) -> Result<Listening, ListenError> {
    let random = addrs.iter().filter(|a| a.port() == 0).count();
    let mut tries = 0;
    loop {
        tries += 1;
        match listen_once(addrs) {
            // A random port that is free in one family need not be free in the other: draw again.
            Err(ListenError::InUse { .. }) if random > 1 && tries < TRIES => {}
            result => return result,
        }
    }
}

fn listen_once(addrs: &[SocketAddr]) -> Result<Listening, ListenError> {
    let mut out = Listening { listeners: Vec::new(), skipped: Vec::new() };
    let mut drawn = None;
    for &wanted in addrs {
        let mut addr = wanted;
        if addr.port() == 0 {
            addr.set_port(drawn.unwrap_or(0));
        }
        match Listener::bind(addr) {
            Ok(listener) => {
                if wanted.port() == 0 {
                    drawn = Some(listener.local.port());
                }
                out.listeners.push(listener);
            }
            Err(error) if addr.ip().is_unspecified() && lacks_family(&error) => out.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    match out.skipped.pop() {
        Some(error) if out.listeners.is_empty() => Err(error),
        Some(error) => {
            out.skipped.push(error);
            Ok(out)
        }
        None => Ok(out),
    }
}

/// Whether the machine lacks the whole address family.
fn lacks_family(error: &ListenError) -> bool {
    match error {
        ListenError::NotAvailable { .. } => true,
        #[cfg(unix)]
        ListenError::Io { source, .. } => {
            source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        }
        _ => false,
    }
}

impl Listener {
    fn bind(addr: SocketAddr) -> Result<Listener, ListenError> {
        let bind = || -> io::Result<(Socket, SocketAddr)> {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            // A restart must not wait for old connections to fade. On Windows this option would let others steal the port.
            #[cfg(unix)]
            socket.set_reuse_address(true)?;
            if addr.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&addr.into())?;
            // Only once it is ours: dials may share it (BEP 55), other listeners may not. Without it they go from other ports.
            #[cfg(unix)]
            let _ = socket.set_reuse_port(true);
            socket.listen(BACKLOG)?;
            let local = socket.local_addr()?.as_socket().unwrap_or(addr);
            Ok((socket, local))
        };
        let (socket, local) = bind().map_err(|e| ListenError::new(addr, e))?;
        Ok(Listener { inner: mio::net::TcpListener::from_std(socket.into()), local })
    }

    /// Where it listens, with the port that the system gave.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// One connection that waits.
    ///
    /// # Errors
    /// `WouldBlock` where none waits. Others concern one connection or the lack of handles: the listener stays usable.
    pub fn accept(&self) -> io::Result<TcpStream> {
        let (stream, peer) = self.inner.accept()?;
        // Best effort: a peer that has closed already is found when it is read.
        let _ = stream.set_nodelay(true);
        Ok(TcpStream::new(stream, canonical(peer)))
    }

    /// Begins to report waiting connections under `token`.
    ///
    /// # Errors
    /// What the poller says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.inner, token, Interest::READABLE)
    }
}
