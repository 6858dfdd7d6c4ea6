//! Which client a peer id belongs to (BEP 20).

use types::PeerId;

/// Clients of the dashed style: `-`, two characters, four of version, `-`. The list of BEP 20, and those met since.
#[rustfmt::skip]
const DASHED: &[(&[u8; 2], &str)] = &[
    (b"7T", "aTorrent"), (b"AG", "Ares"), (b"AR", "Arctic"), (b"AT", "Artemis"), (b"AV", "Avicora"),
    (b"AX", "BitPump"), (b"AZ", "Vuze"), (b"A~", "Ares"), (b"BB", "BitBuddy"), (b"BC", "BitComet"),
    (b"BE", "baretorrent"), (b"BF", "Bitflu"), (b"BG", "BTG"), (b"BI", "BiglyBT"), (b"BL", "BitLord"),
    (b"BR", "BitRocket"), (b"BS", "BTSlave"), (b"BT", "BitTorrent"), (b"BW", "BitWombat"),
    (b"BX", "BittorrentX"), (b"CD", "Enhanced CTorrent"), (b"CT", "CTorrent"), (b"DE", "Deluge"),
    (b"DP", "Propagate Data Client"), (b"EB", "EBit"), (b"ES", "electric sheep"), (b"FC", "FileCroc"),
    (b"FD", "Free Download Manager"), (b"FG", "FlashGet"), (b"FL", "Folx"), (b"FT", "FoxTorrent"),
    (b"FW", "FrostWire"), (b"FX", "Freebox BitTorrent"), (b"GS", "GSTorrent"), (b"GT", "anacrolix/torrent"),
    (b"HL", "Halite"), (b"HN", "Hydranode"), (b"KG", "KGet"), (b"KT", "KTorrent"), (b"LC", "LeechCraft"),
    (b"LH", "LH-ABC"), (b"LP", "Lphant"), (b"LT", "libtorrent (Rasterbar)"), (b"LW", "LimeWire"),
    (b"MG", "MediaGet"), (b"MK", "Meerkat"), (b"MO", "MonoTorrent"), (b"MP", "MooPolice"), (b"MR", "Miro"),
    (b"MT", "MoonlightTorrent"), (b"NX", "Net Transport"), (b"OS", "OneSwarm"), (b"OT", "OmegaTorrent"),
    (b"PD", "Pando"), (b"PI", "PicoTorrent"), (b"QD", "QQDownload"), (b"QT", "Qt 4 Torrent example"),
    (b"RR", "riverrun"), (b"RT", "Retriever"), (b"SB", "Swiftbit"), (b"SD", "Thunder"), (b"SM", "SoMud"),
    (b"SS", "SwarmScope"), (b"ST", "SymTorrent"), (b"SZ", "Shareaza"), (b"S~", "Shareaza alpha/beta"),
    (b"TB", "Torch"), (b"TL", "Tribler"), (b"TN", "TorrentDotNET"), (b"TR", "Transmission"),
    (b"TS", "Torrentstorm"), (b"TT", "TuoTu"), (b"UL", "uLeecher!"), (b"UM", "µTorrent for Mac"),
    (b"UT", "µTorrent"), (b"UW", "µTorrent Web"), (b"VG", "Vagaa"), (b"WD", "WebTorrent Desktop"),
    (b"WT", "BitLet"), (b"WW", "WebTorrent"), (b"WY", "FireTorrent"), (b"XF", "Xfplay"), (b"XL", "Xunlei"),
    (b"XT", "XanTorrent"), (b"XX", "Xtorrent"), (b"ZT", "ZipTorrent"), (b"lt", "libTorrent (Rakshasa)"),
    (b"qB", "qBittorrent"), (b"rq", "rqbit"), (b"st", "sharktorrent"),
];

/// Clients of Shadow's style: one character, then up to five of version padded with dashes, then three dashes (BEP 20).
const SHADOW: &[(u8, &str)] = &[
    (b'A', "ABC"),
    (b'O', "Osprey Permaseed"),
    (b'Q', "BTQueue"),
    (b'R', "Tribler"),
    (b'S', "Shadow's client"),
    (b'T', "BitTornado"),
    (b'U', "UPnP NAT Bit Torrent"),
];

/// The name of the client that made this id, with its version where the id tells it. A guess: the id is the peer's own
/// word, and the name in the extended handshake is the better one. The text is printable whatever the id.
///
/// ```
/// use types::PeerId;
/// assert_eq!(riverrun_wire::client_name(&PeerId(*b"-qB4650-abcdefghijkl")), "qBittorrent 4.6.5");
/// ```
pub fn client_name(id: &PeerId) -> String {
    let id = id.as_bytes();
    special(id)
        .or_else(|| dashed(id))
        .or_else(|| shadow(id))
        .or_else(|| mainline(id))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The dashed style. A code that is in no list is shown as it is.
fn dashed(id: &[u8; 20]) -> Option<String> {
    let &[b'-', a, b, v1, v2, v3, v4, end, ..] = id else { return None };
    let version = [v1, v2, v3, v4];
    // FlashGet leaves out the second dash.
    if (end != b'-' && [a, b] != *b"FG") || !version.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let version = dotted(&version);
    match DASHED.iter().find(|(code, _)| **code == [a, b]) {
        Some((_, name)) => Some(format!("{name} {version}")),
        None if a.is_ascii_graphic() && b.is_ascii_graphic() => {
            Some(format!("unknown {}{} {version}", char::from(a), char::from(b)))
        }
        None => None,
    }
}

/// Version characters as numbers: digits, then `A` for 10 and so on, then `a` for 36. The fourth is left out when 0.
fn dotted(version: &[u8]) -> String {
    let shown = if version.len() == 4 && version[3] == b'0' { &version[..3] } else { version };
    let numbers = shown.iter().map(|&c| match c {
        b'0'..=b'9' => c - b'0',
        b'A'..=b'Z' => c - b'A' + 10,
        b'a'..=b'z' => c - b'a' + 36,
        _ => 0,
    });
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(".")
}

/// Shadow's style, as in `S58B-----`.
fn shadow(id: &[u8; 20]) -> Option<String> {
    let (_, name) = SHADOW.iter().find(|(code, _)| *code == id[0])?;
    let end = id[1..6].iter().position(|&c| c == b'-').unwrap_or(5);
    let (version, padding) = id[1..9].split_at(end);
    let good = |c: &u8| c.is_ascii_alphanumeric() || *c == b'.';
    let fits = end > 0 && version.iter().all(good) && padding.iter().all(|&c| c == b'-');
    fits.then(|| format!("{name} {}", dotted(version)))
}

/// The style of the first client, as in `M7-10-2--`; Queen Bee uses it too.
fn mainline(id: &[u8; 20]) -> Option<String> {
    let name = match id[0] {
        b'M' => "Mainline",
        b'Q' => "Queen Bee",
        _ => return None,
    };
    let text = std::str::from_utf8(&id[1..8]).ok()?;
    let text = text.split("--").next()?.trim_end_matches('-');
    let numbers: Vec<&str> = text.split('-').collect();
    let number = |n: &&str| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit());
    (numbers.len() == 3 && numbers.iter().all(number)).then(|| format!("{name} {}", numbers.join(".")))
}

/// Those that follow no style (BEP 20).
fn special(id: &[u8; 20]) -> Option<String> {
    let text = |range: std::ops::Range<usize>| {
        let bytes = id.get(range).filter(|b| b.iter().all(u8::is_ascii_alphanumeric));
        bytes.and_then(|b| std::str::from_utf8(b).ok())
    };
    match id {
        [b'e', b'x', b'b', b'c', x, y, ..] | [b'F', b'U', b'T', b'B', x, y, ..] => {
            let name = if &id[6..10] == b"LORD" { "BitLord" } else { "BitComet" };
            Some(format!("{name} {x}.{y:02}"))
        }
        [b'X', b'B', b'T', a, b, c, d @ (b'd' | b'-'), b'-', ..] if text(3..6).is_some() => {
            let debug = if *d == b'd' { " (debug)" } else { "" };
            Some(format!("XBT Client {}{debug}", dotted(&[*a, *b, *c])))
        }
        [b'-', b'B', b'O', b'W', ..] => Some("Bits on Wheels".to_owned()),
        [b'-', b'G', b'3', ..] => Some("G3 Torrent".to_owned()),
        [b'-', b'M', b'L', ..] => {
            let version = id[3..].split(|&c| c == b'-').next().unwrap_or_default();
            let good = version.iter().all(|c| c.is_ascii_digit() || *c == b'.');
            let version = std::str::from_utf8(version).ok().filter(|_| good && version.len() < 10);
            version.map(|version| format!("MLdonkey {version}"))
        }
        [b'A', b'Z', b'2', b'5', b'0', b'0', b'B', b'T', ..] => Some("BitTyrant".to_owned()),
        [b'3', b'4', b'6', b'-', b'-', b'-', ..] => Some("TorrenTopia 1.90".to_owned()),
        [0, version @ (2 | 3), b'B', b'S', ..] => Some(format!("BitSpirit {version}")),
        [a @ 0..=9, b @ 0..=99, b'R', b'S', ..] => Some(format!("Rufus {a}.{b}")),
        [b'O', b'P', ..] if id[2..6].iter().all(u8::is_ascii_digit) => {
            text(2..6).map(|build| format!("Opera build {build}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(prefix: &[u8]) -> String {
        let mut id = *b"....................";
        id[..prefix.len()].copy_from_slice(prefix);
        client_name(&PeerId(id))
    }

    #[test]
    fn clients_are_known_by_their_styles() {
        for (prefix, expected) in [
            (&b"-TR4060-"[..], "Transmission 4.0.6"),
            (b"-LT20C0-", "libtorrent (Rasterbar) 2.0.12"),
            (b"-lt0D80-", "libTorrent (Rakshasa) 0.13.8"),
            (b"-UT3551-", "µTorrent 3.5.5.1"),
            (b"-FG0180x", "FlashGet 0.1.8"),
            (b"-RR0100-", "riverrun 0.1.0"),
            (b"-z?1234-", "unknown z? 1.2.3.4"),
            (b"S58B-----", "Shadow's client 5.8.11"),
            (b"T03I-----", "BitTornado 0.3.18"),
            (b"M7-10-2--", "Mainline 7.10.2"),
            (b"M7-2-0--x", "Mainline 7.2.0"),
            (b"Q1-10-0-", "Queen Bee 1.10.0"),
            (b"exbc\x00\x38", "BitComet 0.56"),
            (b"exbc\x01\x01LORD", "BitLord 1.01"),
            (b"XBT054d-", "XBT Client 0.5.4 (debug)"),
            (b"-ML2.7.2-kgj", "MLdonkey 2.7.2"),
            (b"-BOWA0C-", "Bits on Wheels"),
            (b"-G3nick", "G3 Torrent"),
            (b"AZ2500BT", "BitTyrant"),
            (b"346------", "TorrenTopia 1.90"),
            (b"\x00\x03BS", "BitSpirit 3"),
            (b"\x00\x07RS", "Rufus 0.7"),
            (b"OP7685ab", "Opera build 7685"),
        ] {
            assert_eq!(name(prefix), expected, "{}", prefix.escape_ascii());
        }
    }

    #[test]
    fn others_are_unknown() {
        for prefix in [
            &b""[..],
            b"-TR4060",
            b"-\x1b[1234-",
            b"-TR40.0-",
            b"S-------",
            b"S58B--x--",
            b"M7-x-2--",
            b"-ML\x1b[-",
        ] {
            assert_eq!(name(prefix), "unknown", "{}", prefix.escape_ascii());
        }
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(DASHED.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    proptest! {
        #[test]
        fn names_are_printable(id: [u8; 20], start in 0usize..8) {
            let mut styled = id;
            let starts: [&[u8]; 8] = [b"", b"-", b"S", b"M7-", b"exbc", b"XBT", b"-ML", b"OP"];
            styled[..starts[start].len()].copy_from_slice(starts[start]);
            prop_assert!(!client_name(&PeerId(styled)).chars().any(char::is_control));
        }
    }
}
