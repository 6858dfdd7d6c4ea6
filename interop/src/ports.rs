//! Ports for peers, trackers and control interfaces.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Result;

/// Below the range the system gives to outgoing connections.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on, for TCP and UDP, on either family; never the same twice in a run.
pub(crate) fn free() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    // Runs side by side on one machine start at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + u16::try_from((u32::from(start) + u32::from(n)) % u32::from(COUNT))?;
        let unused = TcpListener::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if unused {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}
