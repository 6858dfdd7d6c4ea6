//! How far an address reaches, and who may speak of it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// From where an address can be reached, the nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// From the same machine.
    Machine,
    /// From the same network: it is never routed on the Internet.
    Network,
    /// From everywhere.
    World,
}

impl Scope {
    /// How far an address reaches; none where nobody can have it.
    pub fn of(ip: IpAddr) -> Option<Scope> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [first, second, ..] = ip.octets();
                let carrier = first == 100 && (64..128).contains(&second);
                match first {
                    0 | 224.. => None,
                    _ if ip.is_loopback() => Some(Scope::Machine),
                    _ if ip.is_private() || ip.is_link_local() || carrier => Some(Scope::Network),
                    _ => Some(Scope::World),
                }
            }
            IpAddr::V6(ip) if ip.is_unspecified() || ip.is_multicast() || is_nowhere(ip) => None,
            IpAddr::V6(ip) if ip.is_loopback() => Some(Scope::Machine),
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Some(Scope::Network),
            IpAddr::V6(_) => Some(Scope::World),
        }
    }
}

/// Whether it makes sense that a peer at `speaker` tells, or is told, of `addr`: nobody far away knows what
/// is near us, nor has any use for it. A stranger who names addresses of our own network wants us to knock
/// there.
pub fn may_speak_of(speaker: IpAddr, addr: SocketAddr) -> bool {
    addr.port() != 0
        && matches!((Scope::of(speaker), Scope::of(addr.ip())), (Some(near), Some(far)) if far >= near)
}

/// Whether it is in the network that leads nowhere (RFC 6666): what peers are called that have no address.
pub fn is_nowhere(ip: Ipv6Addr) -> bool {
    ip.segments()[..4] == [0x100, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_peers_know_nothing_of_what_is_near() {
        let speaks = |who: &str, of: &str| may_speak_of(who.parse().unwrap(), of.parse().unwrap());
        let near =
            ["10.1.2.3:1", "192.168.0.1:1", "169.254.1.1:1", "100.64.0.1:1", "[fe80::1]:1", "[fd00::1]:1"];
        for near in near {
            assert!(!speaks("8.8.8.8", near) && !speaks("2001:db8::1", near), "{near}");
            assert!(speaks("192.168.7.7", near) && speaks("127.0.0.1", near), "{near}");
        }
        for here in ["127.0.0.1:1", "127.9.9.9:80", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(!speaks("8.8.8.8", here) && !speaks("10.0.0.1", here) && speaks("::1", here), "{here}");
        }
        assert!(
            speaks("8.8.8.8", "9.9.9.9:1")
                && speaks("10.0.0.1", "9.9.9.9:1")
                && speaks("8.8.8.8", "[2001:db8::1]:9")
        );
    }

    #[test]
    fn addresses_that_nobody_has_are_never_spoken_of() {
        for bad in [
            "0.0.0.0:1",
            "0.1.2.3:1",
            "224.0.0.1:1",
            "240.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
            "[100::1]:1",
            "9.9.9.9:0",
        ] {
            for who in ["127.0.0.1", "10.0.0.1", "8.8.8.8"] {
                assert!(!may_speak_of(who.parse().unwrap(), bad.parse().unwrap()), "{bad}");
            }
        }
    }
}
