//! Opening connections.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::TcpStream;

/// How to dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DialOptions {
    /// The local IPv4 address to dial IPv4 from; the system chooses where there is none.
    pub bind_v4: Option<IpAddr>,
    /// The local IPv6 address to dial IPv6 from; the system chooses where there is none.
    pub bind_v6: Option<IpAddr>,
    /// The local port to dial from, though it is listened on: where two ends dial each other so at once, what each sends
    /// opens its NAT for the other (BEP 55). Where the port can't be had the system chooses one.
    pub from_port: Option<u16>,
    /// Never dial IPv6.
    pub ipv4_only: bool,
    /// Never dial IPv4.
    pub ipv6_only: bool,
}

impl DialOptions {
    /// Whether these options allow to dial `addr` at all.
    pub fn allow(&self, addr: SocketAddr) -> bool {
        if super::canonical(addr).is_ipv4() { !self.ipv6_only } else { !self.ipv4_only }
    }
}

/// Begins a TCP connection to `addr` and returns at once. The stream becomes writable when the connection is open or has
/// failed; [`Stream::is_connected`](super::Stream::is_connected) tells which.
///
/// `TCP_NODELAY` is on (requests are small and waited for), keep-alive is off (BEP 3 has its own), buffer sizes are left
/// to the system, which adapts them to the path.
///
/// # Errors
/// The family is not allowed ([`io::ErrorKind::Unsupported`]), the local address can't be had, or the system refuses at
/// once.
pub fn dial(addr: SocketAddr, options: &DialOptions) -> io::Result<TcpStream> {
    let addr = super::canonical(addr);
    if !options.allow(addr) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this address family is switched off"));
    }
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let bind = if addr.is_ipv4() { options.bind_v4 } else { options.bind_v6 };
    let shared = options.from_port.is_some_and(|port| share_port(&socket, addr, bind, port).is_ok());
    if let Some(ip) = bind.filter(|_| !shared) {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    match socket.connect(&addr.into()) {
        Ok(()) => {}
        Err(e) if is_in_progress(&e) => {}
        Err(e) => return Err(e),
    }
    Ok(TcpStream::new(mio::net::TcpStream::from_std(socket.into()), addr))
}

/// Whether a socket could not be had or used for want of something of ours, handles or memory: it says nothing of the
/// other end.
pub fn is_our_lack(error: &io::Error) -> bool {
    if error.kind() == io::ErrorKind::OutOfMemory {
        return true;
    }
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        error.raw_os_error().is_some_and(|code| ours.iter().any(|errno| errno.raw_os_error() == code))
    }
    #[cfg(not(unix))]
    {
        // WSAEMFILE and WSAENOBUFS.
        matches!(error.raw_os_error(), Some(10_024 | 10_055))
    }
}

/// Binds to a port that a listener of ours has.
fn share_port(socket: &Socket, to: SocketAddr, bind: Option<IpAddr>, port: u16) -> io::Result<()> {
    let any = if to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::new(bind.unwrap_or(any), port).into())
}

/// Whether this "error" of a non-blocking connect only says that it takes a while.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let in_progress = error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error());
    #[cfg(not(unix))]
    let in_progress = false;
    in_progress || error.kind() == io::ErrorKind::WouldBlock
}
