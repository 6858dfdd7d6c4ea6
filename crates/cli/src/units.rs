//! Sizes, rates, times and places as people write and read them.

use std::time::Duration;

use metainfo::Node;

const SUFFIXES: [(&str, u64); 12] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
];

/// Reads a size in bytes: `4096`, `16k`, `1.5MiB`, `10MB`. `k`, `M`, `G`, `T` and `KiB`... are powers of 1024, `kB`... of
/// 1000.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = SUFFIXES
        .iter()
        .find_map(|(suffix, unit)| lower.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or_else(|| (lower.strip_suffix('b').unwrap_or(&lower), 1));
    let number = number.trim();
    let wrong =
        || format!("`{text}` is no size; write bytes with an optional suffix, such as 500k, 1.5MiB or 10MB");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(wrong);
    }
    match number.parse::<f64>() {
        Ok(n) if n.is_finite() && n >= 0.0 && n * unit as f64 <= (1u64 << 53) as f64 => {
            Ok((n * unit as f64) as u64)
        }
        _ => Err(wrong()),
    }
}

/// Reads a rate in bytes a second; as [`parse_size`], with an optional `/s`. 0 is no limit.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    parse_size(lower.strip_suffix("/s").unwrap_or(&lower))
}

/// Reads a time: seconds, or a number with `s`, `m`, `h`, `d`, or several of them as in `1h30m`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write seconds, or 90s, 15m, 2h, 1d, 1h30m");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut total, mut number) = (0u64, String::new());
    for c in text.trim().chars() {
        let unit = match c.to_ascii_lowercase() {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        number.clear();
    }
    if number.is_empty() && total > 0 { Ok(Duration::from_secs(total)) } else { Err(wrong()) }
}

/// Reads a seed ratio.
pub(crate) fn parse_ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio.is_finite() && ratio >= 0.0 => Ok(ratio),
        _ => Err(format!("`{text}` is no ratio; write a number such as 1.5")),
    }
}

/// Reads a host, by name or address, and a port: `peer.example:6881`, `192.0.2.1:6881`, `[2001:db8::1]:6881`.
pub(crate) fn parse_host_port(text: &str) -> Result<Node, String> {
    let wrong = || {
        format!(
            "`{text}` is no host and port; write HOST:PORT, such as peer.example:6881 or [2001:db8::1]:6881"
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_v6 = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = |host: &str| !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']);
    if !bare.map_or_else(|| is_name(host), is_v6) {
        return Err(wrong());
    }
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    Ok(Node { host: bare.unwrap_or(host).to_owned(), port })
}

/// A size for people, in powers of 1024: `1.50 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.2} {}", UNITS[unit]) }
}

/// A time for people: `42s`, `3m07s`, `2h05m`, `3d04h`.
pub(crate) fn time(span: Duration) -> String {
    const LONG: u64 = 10 * 365 * 86_400;
    let s = span.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        86_400..LONG => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
        // Nobody waits for it, and a number with more digits says no more.
        _ => format!("over {} years", LONG / (365 * 86_400)),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn count(n: impl Into<u64>, what: &str) -> String {
    match n.into() {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("16k", 16_384),
            ("16K", 16_384),
            ("1.5MiB", 3 << 19),
            ("10MB", 10_000_000),
            ("2 GiB", 2 << 30),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_rate("500kB/s"), Ok(500_000));
        for wrong in ["", "k", "-1", "1x", "nan", "1e400", "99999999999999999999", "18446744073709551615T"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_add_up() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5_400), ("1d", 86_400)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "m", "1h30", "1w", "99999999999999999999s"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_have_ports() {
        let read = |text| parse_host_port(text).map(|node| (node.host, node.port));
        assert_eq!(read("[2001:db8::1]:6881"), Ok(("2001:db8::1".to_owned(), 6881)));
        assert_eq!(read("peer.example:1"), Ok(("peer.example".to_owned(), 1)));
        for wrong in [
            "",
            "host",
            "host:",
            "host:x",
            "host:70000",
            "host:0",
            ":1",
            "2001:db8::1:6881",
            "[x]:1",
            "[::1:1",
            "http://a:1",
            "a b:1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_read_three_digits() {
        assert_eq!((size(1023).as_str(), size(3 << 29).as_str()), ("1023 B", "1.50 GiB"));
        assert_eq!(time(Duration::from_secs(187)), "3m07s");
        assert_eq!(time(Duration::from_secs(u64::MAX)), "over 10 years");
    }
}
