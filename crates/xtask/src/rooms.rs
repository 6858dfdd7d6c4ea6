//! The rooms of the house: which workspace crates each crate may import. This table is the law, and lives only here.

/// A crate of the workspace, by its directory below `crates/`.
#[derive(Debug)]
pub(crate) struct Room {
    /// The name code uses (`bencode::`), and the directory's.
    pub(crate) name: &'static str,
    /// Whether it must stay free of clock, socket, thread, async and entropy.
    pub(crate) pure: bool,
    /// Whether it may hold `unsafe`, each use with its argument.
    pub(crate) may_be_unsafe: bool,
    /// The workspace crates it may import.
    pub(crate) imports: Imports,
}

/// The arrows out of a room.
#[derive(Debug)]
pub(crate) enum Imports {
    /// Only these.
    Only(&'static [&'static str]),
    /// Whatever it likes.
    Any,
}

const fn pure(name: &'static str, imports: &'static [&'static str]) -> Room {
    Room { name, pure: true, may_be_unsafe: false, imports: Imports::Only(imports) }
}

const fn outer(name: &'static str, imports: &'static [&'static str]) -> Room {
    Room { name, pure: false, may_be_unsafe: false, imports: Imports::Only(imports) }
}

const fn with_unsafe(room: Room) -> Room {
    Room { may_be_unsafe: true, ..room }
}

/// Every room, from the ground up.
pub(crate) const ROOMS: &[Room] = &[
    // L0: plain values.
    pure("types", &[]),
    pure("bencode", &[]),
    with_unsafe(pure("hash", &[])),
    // L1: formats and protocols.
    pure("metainfo", &["types", "bencode", "hash"]),
    pure("wire", &["types", "bencode"]),
    pure("tracker", &["types", "bencode"]),
    pure("iplist", &["types"]),
    pure("lsd", &["types"]),
    pure("dht", &["types", "bencode"]),
    // L2: the brain and the data path.
    pure("engine", &["types", "hash", "metainfo", "wire"]),
    pure("shard", &["types", "hash", "metainfo", "wire", "engine"]),
    // L3: the outside world, and the library.
    with_unsafe(outer("storage", &["types", "bencode", "hash", "metainfo"])),
    outer("net", &["types", "tracker", "lsd", "dht"]),
    outer(
        "riverrun",
        &["types", "hash", "metainfo", "tracker", "lsd", "dht", "engine", "shard", "storage", "net"],
    ),
    // L4: programs.
    Room { name: "cli", pure: false, may_be_unsafe: false, imports: Imports::Any },
    // Beside the floors.
    pure("sim", &["types", "bencode", "hash", "metainfo", "wire", "engine", "shard"]),
    outer("xtask", &[]),
];

/// Packages that no pure crate may have in its normal or build dependencies, at any depth, and why. A name that ends in
/// `*` stands for every name that starts so.
pub(crate) const NOT_PURE: &[(&str, &str)] = &[
    ("tokio", "async runtime"),
    ("tokio-*", "async runtime"),
    ("async-std", "async runtime"),
    ("smol", "async runtime"),
    ("async-io", "async runtime"),
    ("async-executor", "async runtime"),
    ("async-global-executor", "async runtime"),
    ("futures-executor", "async runtime"),
    ("glommio", "async runtime"),
    ("monoio", "async runtime"),
    ("compio*", "async runtime"),
    ("mio", "sockets"),
    ("polling", "sockets"),
    ("socket2", "sockets"),
    ("quinn-udp", "sockets"),
    // `rand`, `ahash` and their like reach the system's entropy only through this one.
    ("getrandom", "ambient randomness"),
    ("chrono", "a clock"),
    ("quanta", "a clock"),
    ("coarsetime", "a clock"),
    ("instant", "a clock"),
    ("web-time", "a clock"),
];

/// Methods that the `clippy.toml` of every pure crate bans.
pub(crate) const BANNED_METHODS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::thread::scope",
    "std::env::var",
    "std::env::var_os",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::fs::remove_file",
    "std::fs::read_dir",
    "std::fs::create_dir_all",
    "std::fs::rename",
];

/// Types that the `clippy.toml` of every pure crate bans.
pub(crate) const BANNED_TYPES: &[&str] = &[
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::process::Command",
    "std::thread::Builder",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

/// The room of a package: `riverrun-wire` lives in `wire`.
pub(crate) fn room_of(package: &str) -> Option<&'static Room> {
    let name = package.strip_prefix("riverrun-").unwrap_or(package);
    ROOMS.iter().find(|room| room.name == name)
}

/// Why a package may not stand below a pure crate, if it may not.
pub(crate) fn not_pure(package: &str) -> Option<&'static str> {
    let matches = |name: &str| match name.strip_suffix('*') {
        Some(start) => package.starts_with(start),
        None => package == name,
    };
    NOT_PURE.iter().find(|(name, _)| matches(name)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down() {
        for (level, room) in ROOMS.iter().enumerate() {
            let Imports::Only(imports) = room.imports else { continue };
            for import in imports {
                let below = ROOMS.iter().position(|other| other.name == *import);
                assert!(below.is_some_and(|below| below < level), "{} -> {import}", room.name);
            }
        }
    }

    #[test]
    fn a_pure_room_imports_pure_rooms_only() {
        for room in ROOMS.iter().filter(|room| room.pure && room.name != "sim") {
            let Imports::Only(imports) = room.imports else { panic!("{} may import anything", room.name) };
            assert!(
                imports.iter().all(|import| room_of(import).is_some_and(|below| below.pure)),
                "{}",
                room.name
            );
        }
    }

    #[test]
    fn packages_find_their_rooms() {
        assert_eq!(room_of("riverrun-wire").map(|room| room.name), Some("wire"));
        assert_eq!(room_of("riverrun").map(|room| room.name), Some("riverrun"));
        assert!(room_of("riverrun-cellar").is_none());
    }

    #[test]
    fn impure_packages_are_known_by_name_and_by_start() {
        assert_eq!(not_pure("tokio-rustls"), Some("async runtime"));
        assert_eq!(not_pure("getrandom"), Some("ambient randomness"));
        assert_eq!(not_pure("tokioid"), None);
    }
}
