//! Non-blocking TCP for a poll loop: listening on both address families, dialing, and the seam behind which other
//! transports stand.
//!
//! [`Stream`] is what a shard moves bytes through. Plain TCP is [`TcpStream`], sockets of other families are
//! `UnixStream`; encryption and uTP are to stand behind the same trait. [`listen()`] opens the listeners of a client,
//! [`dial()`] begins a connection.
//!
//! Everything works edge-triggered: register once, and after an event read or write until `WouldBlock`.
//!
//! ```
//! use riverrun_net::tcp::{self, DialOptions};
//!
//! let listening = tcp::listen(&["127.0.0.1:0".parse()?])?;
//! let stream = tcp::dial(listening.listeners[0].local_addr(), &DialOptions::default())?;
//! # drop(stream);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dial;
mod listen;
#[cfg(target_os = "linux")]
mod sendfile;
mod stream;
#[cfg(unix)]
mod unix;

use std::net::{IpAddr, SocketAddr};

pub use dial::{DialOptions, dial, is_our_lack};
pub use listen::{ListenError, Listener, Listening, listen};
pub use stream::{Run, Stream, TcpStream};
#[cfg(unix)]
pub use unix::UnixStream;

/// The form of an address that everything behind the socket compares: an IPv4-mapped IPv6 address becomes IPv4, and the
/// flow label, which is no part of an address, is dropped. The scope of a link-local address stays.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => {
                let mut v6 = v6;
                v6.set_flowinfo(0);
                SocketAddr::V6(v6)
            }
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
