//! Every law with one violation of it. `types` is broken where any crate would do: it builds in a moment.

use super::Check;
use super::copy::Edit;

/// A law, a way to break it, and who must refuse.
#[derive(Debug)]
pub(crate) struct Law {
    /// The law in a few words.
    pub(crate) says: &'static str,
    /// What breaks it.
    pub(crate) edits: Vec<Edit>,
    /// Who refuses.
    pub(crate) check: Check,
    /// What the refusal names.
    pub(crate) names: &'static [&'static str],
}

const TYPES: Check = Check::Clippy("riverrun-types");

/// All of them.
pub(crate) fn laws() -> Vec<Law> {
    [arrows(), purity(), unsafety(), language(), tidiness(), hygiene(), dependencies()]
        .into_iter()
        .flatten()
        .collect()
}

fn law(says: &'static str, check: Check, edits: Vec<Edit>, names: &'static [&'static str]) -> Law {
    Law { says, edits, check, names }
}

/// Adds a module to `types`.
fn in_types(code: &str) -> Vec<Edit> {
    let file = format!("//! A violation.\n\n{code}\n");
    vec![
        Edit::Append("crates/types/src/lib.rs", "\nmod law;\n".to_owned()),
        Edit::Write("crates/types/src/law.rs", file),
    ]
}

/// Adds a dependency to a crate.
fn depend(manifest: &'static str, table: &str, line: &str) -> Vec<Edit> {
    vec![Edit::Replace(manifest, "[lints]", format!("[{table}.{line}]\nworkspace = true\n\n[lints]"))]
}

/// Adds a crate to the workspace.
fn new_crate(name: &str, version: &str) -> Vec<Edit> {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nlicense = \"MIT\"\nedition = \"2024\"\n"
    );
    vec![
        Edit::Write("crates/cellar/Cargo.toml", manifest),
        Edit::Write("crates/cellar/src/lib.rs", "//! A violation.\n".to_owned()),
    ]
}

/// Makes a crate depend on the one that [`new_crate`] adds.
fn depend_on_new(manifest: &'static str, name: &str, version: &str) -> Vec<Edit> {
    let table = format!(
        "[dependencies.cellar]\npackage = \"{name}\"\nversion = \"{version}\"\npath = \"../cellar\"\n\n[lints]"
    );
    vec![Edit::Replace(manifest, "[lints]", table)]
}

fn arrows() -> Vec<Law> {
    use Check::Layers;
    vec![
        law(
            "a crate imports only what its room allows",
            Layers,
            depend("crates/iplist/Cargo.toml", "dependencies", "wire"),
            &["crate `iplist` may not import `wire` (normal dependency)"],
        ),
        law(
            "development dependencies obey the arrows",
            Layers,
            depend("crates/iplist/Cargo.toml", "dev-dependencies", "wire"),
            &["crate `iplist` may not import `wire` (dev dependency)"],
        ),
        law(
            "no dependency stands idle",
            Layers,
            depend("crates/engine/Cargo.toml", "dependencies", "thiserror"),
            &["crate `riverrun-engine` declares `thiserror` and never uses it"],
        ),
        law(
            "every crate has a room",
            Layers,
            new_crate("riverrun-cellar", "0.1.0"),
            &["crate `riverrun-cellar` has no room"],
        ),
        law(
            "no async runtime below a pure crate",
            Layers,
            depend("crates/types/Cargo.toml", "dependencies", "tokio"),
            &["pure crate `types` has `tokio` (async runtime) below it", "pure crate `engine` has `tokio`"],
        ),
        law(
            "no sockets below a pure crate",
            Layers,
            depend("crates/types/Cargo.toml", "dependencies", "socket2"),
            &["pure crate `types` has `socket2` (sockets) below it"],
        ),
        law(
            "no ambient randomness below a pure crate, not even to build it",
            Layers,
            depend("crates/types/Cargo.toml", "build-dependencies", "getrandom"),
            &["pure crate `types` has `getrandom` (ambient randomness) below it"],
        ),
        law(
            "a pure crate has its clippy.toml",
            Layers,
            vec![Edit::Remove("crates/types/clippy.toml")],
            &["pure crate `types` has no clippy.toml"],
        ),
        law(
            "a pure crate bans everything the house bans",
            Layers,
            vec![Edit::Replace(
                "crates/types/clippy.toml",
                "std::time::Instant::now",
                "std::time::Instant::then".into(),
            )],
            &["crates/types/clippy.toml: `disallowed-methods` must list `std::time::Instant::now`"],
        ),
        law(
            "every crate takes the workspace's lints",
            Layers,
            vec![Edit::Replace("crates/types/Cargo.toml", "[lints]\nworkspace = true", String::new())],
            &["crate `riverrun-types` does not take the workspace's lints"],
        ),
    ]
}

fn purity() -> Vec<Law> {
    let banned = [
        (
            "no clock: Instant::now",
            "fn f() -> std::time::Instant { std::time::Instant::now() }",
            "`std::time::Instant::now`",
        ),
        (
            "no clock: SystemTime::now",
            "fn f() { _ = std::time::SystemTime::now(); }",
            "`std::time::SystemTime::now`",
        ),
        ("no threads: thread::spawn", "fn f() { _ = std::thread::spawn(|| ()); }", "`std::thread::spawn`"),
        (
            "no waiting: thread::sleep",
            "fn f() { std::thread::sleep(core::time::Duration::ZERO); }",
            "`std::thread::sleep`",
        ),
        ("no threads: thread::scope", "fn f() { std::thread::scope(|_| ()); }", "`std::thread::scope`"),
        ("no threads: thread::Builder", "fn f(_: std::thread::Builder) {}", "`std::thread::Builder`"),
        ("no files: fs::File", "fn f(_: std::fs::File) {}", "`std::fs::File`"),
        ("no files: fs::read", "fn f() { _ = std::fs::read(\"x\"); }", "`std::fs::read`"),
        ("no files: fs::OpenOptions", "fn f(_: std::fs::OpenOptions) {}", "`std::fs::OpenOptions`"),
        (
            "no files: fs::remove_file",
            "fn f() { _ = std::fs::remove_file(\"x\"); }",
            "`std::fs::remove_file`",
        ),
        ("no files: fs::read_dir", "fn f() { _ = std::fs::read_dir(\"x\"); }", "`std::fs::read_dir`"),
        (
            "no files: fs::create_dir_all",
            "fn f() { _ = std::fs::create_dir_all(\"x\"); }",
            "`std::fs::create_dir_all`",
        ),
        ("no files: fs::rename", "fn f() { _ = std::fs::rename(\"x\", \"y\"); }", "`std::fs::rename`"),
        ("no programs: process::Command", "fn f(_: std::process::Command) {}", "`std::process::Command`"),
        ("no environment: env::var", "fn f() { _ = std::env::var(\"x\"); }", "`std::env::var`"),
        ("no sockets: TcpStream", "fn f(_: std::net::TcpStream) {}", "`std::net::TcpStream`"),
        ("no sockets: TcpListener", "fn f(_: std::net::TcpListener) {}", "`std::net::TcpListener`"),
        ("no sockets: UdpSocket", "fn f(_: std::net::UdpSocket) {}", "`std::net::UdpSocket`"),
        (
            "no unkeyed maps: HashMap",
            "fn f(_: std::collections::HashMap<u8, u8>) {}",
            "`std::collections::HashMap`",
        ),
        (
            "no unkeyed sets: HashSet",
            "fn f(_: std::collections::HashSet<u8>) {}",
            "`std::collections::HashSet`",
        ),
    ];
    let law = |(says, code, path): (&'static str, &str, &'static str)| Law {
        says,
        edits: in_types(code),
        check: TYPES,
        names: Vec::leak(vec!["use of a disallowed", path]),
    };
    banned.into_iter().map(law).collect()
}

fn unsafety() -> Vec<Law> {
    let block = "fn f(byte: *const u8) -> u8 {\n    unsafe { *byte }\n}";
    vec![
        law("no unsafe where it is forbidden", TYPES, in_types(block), &["usage of an `unsafe` block"]),
        law(
            "a crate root forbids unsafe code",
            Check::Layers,
            vec![Edit::Replace("crates/types/src/lib.rs", "#![forbid(unsafe_code)]", String::new())],
            &["crate `riverrun-types` must open with #![forbid(unsafe_code)]"],
        ),
        law(
            "each unsafe carries its argument",
            Check::Clippy("riverrun-hash"),
            vec![Edit::Append("crates/hash/src/lib.rs", format!("\npub(crate) {block}\n"))],
            &["unsafe block missing a safety comment"],
        ),
    ]
}

fn language() -> Vec<Law> {
    vec![
        law(
            "nothing newer than the rust-version",
            TYPES,
            // Stable since 1.91.
            in_types("fn f() -> core::time::Duration { core::time::Duration::from_mins(1) }"),
            &["current MSRV (Minimum Supported Rust Version) is"],
        ),
        law(
            "what can be reached is documented, says rustc",
            TYPES,
            vec![Edit::Append("crates/types/src/lib.rs", "\npub fn undocumented() {}\n".to_owned())],
            &["missing documentation for a function"],
        ),
        law(
            "unfinished code does not pass clippy",
            TYPES,
            in_types(concat!("fn f() { to", "do!() }")),
            &[concat!("`to", "do` should not be present")],
        ),
        law("the sources are formatted", Check::Fmt, in_types("fn  f( ) { }"), &["Diff in", "law.rs"]),
        law(
            "links in the documentation lead somewhere",
            Check::Doc("riverrun-types"),
            vec![Edit::Append(
                "crates/types/src/lib.rs",
                "\n/// See [`Nowhere`].\npub fn f() {}\n".to_owned(),
            )],
            &["unresolved link to `Nowhere`"],
        ),
    ]
}

fn tidiness() -> Vec<Law> {
    use Check::Tidy;
    let function = format!("fn f() {{\n{}}}", "    g();\n".repeat(69));
    vec![
        law(
            "no file over 600 lines",
            Tidy,
            in_types(&"// A line.\n".repeat(598)),
            &["law.rs:1: 601 lines without its tests, over 600"],
        ),
        law(
            "no function over 70 lines",
            Tidy,
            in_types(&function),
            &["law.rs:3: fn f has 71 lines, over 70"],
        ),
        law(
            "every pub is documented",
            Tidy,
            in_types("pub struct A;"),
            &["law.rs:3: struct `A` is pub and undocumented"],
        ),
        law(
            "every pub field is documented",
            Tidy,
            in_types("/// A.\npub struct A {\n    pub b: u8,\n}"),
            &["law.rs:5: field `b` is pub and undocumented"],
        ),
        law(
            "an unwrap has its proof",
            Tidy,
            in_types("fn f() {\n    g().unwrap();\n}"),
            &["law.rs:4: `unwrap` without a proof"],
        ),
        law(
            "an expect has its proof",
            Tidy,
            in_types("fn f() {\n    g().expect(\"g\");\n}"),
            &["law.rs:4: `expect` without a proof"],
        ),
    ]
}

fn hygiene() -> Vec<Law> {
    use Check::Tidy;
    vec![
        law(
            "nothing unfinished, tests included",
            Tidy,
            in_types(concat!("#[test]\nfn f() {\n    unimple", "mented!();\n}")),
            &[concat!("law.rs:5: `unimple", "mented!` has no place")],
        ),
        law(
            "no notes of unfinished work",
            Tidy,
            in_types(concat!("// FIX", "ME: later")),
            &[concat!("law.rs:3: `FIX", "ME`: finish it")],
        ),
        law(
            "a lint that is law is not switched off",
            Tidy,
            in_types("#[allow(clippy::disallowed_methods)]\nfn f() {}"),
            &["law.rs:3: `disallowed_methods` is law here"],
        ),
        law("no tabs", Tidy, in_types("\tfn f() {}"), &["law.rs:3: a tab"]),
        law(
            "no spaces at line ends",
            Tidy,
            in_types("fn f() {} "),
            &["law.rs:3: spaces at the end of the line"],
        ),
        law(
            "no machine paths",
            Tidy,
            in_types(concat!("// in /ho", "me/ann/a")),
            &[concat!("law.rs:3: `/ho", "me/...` is a path of one machine")],
        ),
    ]
}

fn dependencies() -> Vec<Law> {
    vec![
        law(
            "no licence outside the list",
            Check::Deny("licenses"),
            vec![Edit::Replace(
                "crates/types/Cargo.toml",
                "license.workspace = true",
                "license = \"GPL-3.0-only\"".into(),
            )],
            &["GPL-3.0-only", "license is not explicitly allowed"],
        ),
        law(
            "no package in two versions without a reason",
            Check::Deny("bans"),
            [new_crate("thiserror", "1.0.0"), depend_on_new("crates/types/Cargo.toml", "thiserror", "1.0.0")]
                .concat(),
            &["duplicate entries for crate 'thiserror'"],
        ),
        law(
            "no banned package",
            Check::Deny("bans"),
            new_crate("openssl-sys", "0.9.0"),
            &["'openssl-sys = 0.9.0' is explicitly banned"],
        ),
        law(
            "no wildcard versions",
            Check::Deny("bans"),
            vec![Edit::Replace("Cargo.toml", "thiserror = \"2\"", "thiserror = \"*\"".into())],
            &["wildcard dependenc"],
        ),
    ]
}
