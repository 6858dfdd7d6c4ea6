//! One socket for each group, joined on each interface.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ::lsd::{Group, Network, PORT};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::{Interfaces, Options};
use crate::interfaces::{self, Interface};

/// What came in; `group` tells the buffer it is in.
pub(super) struct Read {
    pub(super) from: SocketAddr,
    pub(super) group: usize,
    pub(super) len: usize,
}

/// Where a group was joined: IPv4 names interfaces by address, IPv6 by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Link {
    V4(Ipv4Addr),
    V6(u32),
}

impl Link {
    fn of(interface: &Interface) -> Link {
        match interface.ip {
            IpAddr::V4(ip) => Link::V4(ip),
            IpAddr::V6(_) => Link::V6(interface.index),
        }
    }

    fn group(self) -> Group {
        match self {
            Link::V4(_) => Group::V4,
            Link::V6(_) => Group::V6,
        }
    }

    fn join(self, socket: &UdpSocket) -> io::Result<()> {
        let socket = SockRef::from(socket);
        match (self, Group::V4.ip(), Group::V6.ip()) {
            (Link::V4(ip), IpAddr::V4(group), _) => socket.join_multicast_v4(&group, &ip),
            (Link::V6(index), _, IpAddr::V6(group)) => socket.join_multicast_v6(&group, index),
            _ => Ok(()),
        }
    }

    /// Leaves the group. The system may have done so with the interface.
    fn leave(self, socket: &UdpSocket) {
        let socket = SockRef::from(socket);
        let _ = match (self, Group::V4.ip(), Group::V6.ip()) {
            (Link::V4(ip), IpAddr::V4(group), _) => socket.leave_multicast_v4(&group, &ip),
            (Link::V6(index), _, IpAddr::V6(group)) => socket.leave_multicast_v6(&group, index),
            _ => Ok(()),
        };
    }

    /// Makes the next datagrams leave here.
    fn choose(self, socket: &UdpSocket) -> io::Result<()> {
        let socket = SockRef::from(socket);
        match self {
            Link::V4(ip) => socket.set_multicast_if_v4(&ip),
            Link::V6(index) => socket.set_multicast_if_v6(index),
        }
    }
}

#[derive(Debug)]
pub(super) struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    interfaces: Interfaces,
    joined: BTreeSet<Link>,
}

impl Sockets {
    /// The sockets of the groups that are allowed; an error where none can be had.
    pub(super) fn open(options: &Options) -> io::Result<Sockets> {
        let mut failed = io::Error::new(io::ErrorKind::Unsupported, "both groups are switched off");
        let mut open = |group, wanted: bool| {
            let socket = wanted.then(|| open(group, options.ttl))?;
            socket.map_err(|error| failed = error).ok()
        };
        let (v4, v6) = (open(Group::V4, options.ipv4), open(Group::V6, options.ipv6));
        if v4.is_none() && v6.is_none() {
            return Err(failed);
        }
        Ok(Sockets { v4, v6, interfaces: options.interfaces.clone(), joined: BTreeSet::new() })
    }

    fn of(&self, group: Group) -> Option<&UdpSocket> {
        match group {
            Group::V4 => self.v4.as_ref(),
            Group::V6 => self.v6.as_ref(),
        }
    }

    /// Joins the groups on interfaces that came, leaves those that went; the networks of all that are there.
    pub(super) fn refresh(&mut self) -> io::Result<Vec<Network>> {
        let there: Vec<_> =
            interfaces::list()?.into_iter().filter(|interface| self.interfaces.allow(interface)).collect();
        let wanted: BTreeSet<_> = there.iter().map(Link::of).collect();
        for gone in self.joined.difference(&wanted) {
            if let Some(socket) = self.of(gone.group()) {
                gone.leave(socket);
            }
        }
        let mut joined: BTreeSet<_> = self.joined.intersection(&wanted).copied().collect();
        for link in wanted.difference(&self.joined) {
            let Some(socket) = self.of(link.group()) else { continue };
            match link.join(socket) {
                Ok(()) => _ = joined.insert(*link),
                Err(error) => tracing::debug!("local discovery cannot join at {link:?}: {error}"),
            }
        }
        self.joined = joined;
        let network =
            |interface: &Interface| Network { addr: interface.ip, prefix_len: interface.prefix_len };
        Ok(there.iter().map(network).collect())
    }

    /// Sends on each interface that has joined.
    pub(super) async fn send(&self, group: Group, datagram: &[u8]) {
        let Some(socket) = self.of(group) else { return };
        for link in self.joined.iter().filter(|link| link.group() == group) {
            let sent = match link.choose(socket) {
                Ok(()) => socket.send_to(datagram, group.addr()).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!("local discovery cannot send at {link:?}: {error}");
            }
        }
    }

    /// Waits for a datagram of either group. Cancel safe.
    pub(super) async fn read(&self, buffers: &mut [Vec<u8>; 2]) -> io::Result<Read> {
        let [v4, v6] = buffers;
        let ((len, from), group) = tokio::select! {
            read = receive(self.v4.as_ref(), v4) => (read?, 0),
            read = receive(self.v6.as_ref(), v6) => (read?, 1),
        };
        Ok(Read { from, group, len })
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

fn open(group: Group, ttl: u8) -> io::Result<UdpSocket> {
    let domain = if group == Group::V4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // All clients of a machine sit at the same port, and each gets its own copy of a datagram to a group.
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    match group {
        Group::V4 => {
            socket.set_multicast_ttl_v4(u32::from(ttl))?;
            socket.set_multicast_loop_v4(true)?;
        }
        Group::V6 => {
            socket.set_only_v6(true)?;
            socket.set_multicast_hops_v6(u32::from(ttl))?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    // What others on this machine have joined is not ours to hear.
    #[cfg(target_os = "linux")]
    match group {
        Group::V4 => socket.set_multicast_all_v4(false)?,
        Group::V6 => socket.set_multicast_all_v6(false)?,
    }
    // Bound to the group, a socket is deaf to all that was sent to this machine alone. Windows can't do that.
    let addr = match (cfg!(windows), group) {
        (false, group) => group.addr(),
        (true, Group::V4) => (Ipv4Addr::UNSPECIFIED, PORT).into(),
        (true, Group::V6) => (Ipv6Addr::UNSPECIFIED, PORT).into(),
    };
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}
