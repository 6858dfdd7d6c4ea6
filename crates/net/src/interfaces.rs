//! The interfaces of this machine.

use std::io;
use std::net::IpAddr;

/// An address of an interface that is up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Interface {
    pub(crate) ip: IpAddr,
    /// Bits that the addresses of its network have in common.
    #[cfg_attr(not(feature = "lsd"), allow(dead_code, reason = "only discovery asks who is near"))]
    pub(crate) prefix_len: u8,
    /// The number of the interface; 0 where the system gives none.
    #[cfg_attr(not(feature = "lsd"), allow(dead_code, reason = "only discovery joins groups"))]
    pub(crate) index: u32,
    /// A link to one other machine: a tunnel, as a rule.
    pub(crate) point_to_point: bool,
}

/// The addresses of all interfaces that are up, each once.
pub(crate) fn list() -> io::Result<Vec<Interface>> {
    use if_addrs::{IfAddr, IfOperStatus};
    let mut out: Vec<Interface> = if_addrs::get_if_addrs()?
        .into_iter()
        // Loopback and virtual interfaces do not know whether they are up.
        .filter(|interface| matches!(interface.oper_status, IfOperStatus::Up | IfOperStatus::Unknown))
        .map(|interface| Interface {
            ip: interface.ip(),
            prefix_len: match &interface.addr {
                IfAddr::V4(addr) => addr.prefixlen,
                IfAddr::V6(addr) => addr.prefixlen,
            },
            index: interface.index.unwrap_or(0),
            point_to_point: interface.is_p2p(),
        })
        .collect();
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback() {
        let all = list().expect("a list");
        assert!(all.iter().any(|interface| interface.ip.is_loopback()), "{all:?}");
    }
}
