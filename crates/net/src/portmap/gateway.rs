//! Which gateway to ask, and which address of ours it sees.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crab_nat::GATEWAY_PORT;

/// The gateway of the default route with the lowest metric, where the system says which that is.
pub(super) fn default_gateway() -> Option<Ipv4Addr> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        parse_routes(&std::fs::read_to_string("/proc/net/route").ok()?)
    } else {
        None
    }
}

/// Reads Linux's table: one route a line, addresses as the hexadecimal digits of the number in memory.
fn parse_routes(table: &str) -> Option<Ipv4Addr> {
    const UP_AND_GATEWAY: u32 = 3;
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, to, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
        let hex = |text| u32::from_str_radix(text, 16).ok();
        let is_default = hex(to)? == 0 && hex(mask)? == 0 && hex(flags)? & UP_AND_GATEWAY == UP_AND_GATEWAY;
        let gateway = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
        is_default.then_some((metric.parse::<u32>().ok()?, gateway))
    };
    table.lines().skip(1).filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

/// The address that our datagrams to the gateway leave from. Nothing is sent to learn it.
pub(super) fn local_towards(gateway: Ipv4Addr) -> std::io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((gateway, GATEWAY_PORT))?;
    match socket.local_addr()? {
        SocketAddr::V4(addr) => Ok(*addr.ip()),
        // A socket of one family has no address of the other.
        SocketAddr::V6(_) => Err(std::io::ErrorKind::AddrNotAvailable.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    fn line(to: u32, gateway: [u8; 4], flags: u32, metric: u32, mask: u32) -> String {
        let gateway = u32::from_ne_bytes(gateway);
        format!("eth0\t{to:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n")
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_names_the_gateway() {
        let table = [
            HEAD.to_owned(),
            line(1, [10, 0, 0, 1], 3, 0, 0xffff),
            line(0, [192, 168, 1, 1], 3, 600, 0),
            line(0, [192, 168, 2, 1], 3, 100, 0),
            line(0, [192, 168, 3, 1], 1, 0, 0),
        ]
        .concat();
        assert_eq!(parse_routes(&table), Some(Ipv4Addr::new(192, 168, 2, 1)));
    }

    #[test]
    fn a_table_without_a_default_route_names_nobody() {
        for table in ["", HEAD, "nonsense\nnonsense here\n", &format!("{HEAD}{}", line(1, [1; 4], 3, 0, 1))] {
            assert_eq!(parse_routes(table), None, "{table}");
        }
    }

    #[test]
    fn the_way_to_loopback_leaves_from_loopback() {
        assert_eq!(local_towards(Ipv4Addr::LOCALHOST).ok(), Some(Ipv4Addr::LOCALHOST));
    }
}
