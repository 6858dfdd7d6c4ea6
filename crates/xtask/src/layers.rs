//! `cargo xtask layers`: the arrows between crates, and the purity of what stands below the pure ones.
//!
//! - Every workspace crate has a room, and imports only what its row in [`rooms`] allows. Development dependencies obey
//!   the arrows too: a test that needs the floor above belongs on the floor above.
//! - Every dependency is used, and every row of the table has its crate.
//! - Nothing in the normal or build dependencies of a pure crate, with all of its features and on all platforms, is an
//!   async runtime, a socket, a clock or a source of entropy. Development dependencies are exempt from this rule alone:
//!   a property-test library may read the clock.
//! - A pure crate carries the `clippy.toml` that bans what `std` itself offers of these.
//! - Every crate forbids unsafe code at its root, but the few that may hold it, and takes the workspace's lints.

use cargo_metadata::{DependencyKind, Metadata, Package, TargetKind};

use crate::repo::Repo;
use crate::rooms::{self, Imports, Room};
use crate::tree::Tree;
use crate::{Chore, Result, no_more_args};

/// The line in the table of chores.
pub(crate) const CHORE: Chore = Chore {
    name: "layers",
    args: "",
    about: "which crate may import which, and that the pure ones stay pure",
    run,
};

fn run(repo: &Repo, args: &[String]) -> Result {
    no_more_args(args)?;
    let broken = check(repo)?;
    for sentence in &broken {
        println!("{sentence}");
    }
    if broken.is_empty() {
        println!("layers: {} crates keep to their rooms", repo.metadata()?.workspace_members.len());
        return Ok(());
    }
    Err(format!("{} broken", broken.len()).into())
}

/// One sentence for each broken rule.
pub(crate) fn check(repo: &Repo) -> Result<Vec<String>> {
    let metadata = repo.metadata()?;
    let mut broken = arrows(&metadata);
    broken.extend(vacant(&metadata));
    for package in metadata.workspace_packages() {
        let Some(room) = rooms::room_of(&package.name) else { continue };
        broken.extend(manifest(package)?);
        broken.extend(unused(package)?);
        if !room.may_be_unsafe {
            broken.extend(forbids_unsafe(repo, package)?);
        }
        if room.pure {
            broken.extend(bans(room, package)?);
            broken.extend(impurities(
                room,
                &Tree::of(repo, &package.name, &["--target", "all", "--all-features"])?,
            ));
        }
    }
    Ok(broken)
}

/// The arrow rule, on declared dependencies of every kind.
fn arrows(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let mut broken = Vec::new();
    for package in &packages {
        let Some(room) = rooms::room_of(&package.name) else {
            broken.push(format!(
                "crate `{}` has no room: give it a row in crates/xtask/src/rooms.rs",
                package.name
            ));
            continue;
        };
        let Imports::Only(allowed) = room.imports else { continue };
        for dependency in &package.dependencies {
            let Some(target) = packages.iter().find(|other| *other.name == dependency.name) else { continue };
            let target = target.name.strip_prefix("riverrun-").unwrap_or(&target.name);
            if target != room.name && !allowed.contains(&target) {
                broken.push(format!(
                    "crate `{}` may not import `{target}` ({} dependency); its arrows: {}",
                    room.name,
                    dependency.kind,
                    if allowed.is_empty() { "none".to_owned() } else { allowed.join(" ") }
                ));
            }
        }
    }
    broken
}

/// Rows of the table without a crate.
fn vacant(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let lives = |room: &&Room| {
        packages.iter().any(|package| rooms::room_of(&package.name).is_some_and(|of| of.name == room.name))
    };
    let vacant = rooms::ROOMS.iter().filter(|room| !lives(room));
    vacant.map(|room| format!("room `{}` has no crate: take its row out of rooms.rs", room.name)).collect()
}

/// Normal dependencies that no source of the package names, so that the table of arrows says what is, not what may be.
fn unused(package: &Package) -> Result<Vec<String>> {
    let Some(sources) = package.manifest_path.parent().map(|dir| dir.join("src")) else {
        return Ok(Vec::new());
    };
    let text = source_text(sources.as_std_path())?;
    let declared = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    let names = declared.map(|dependency| dependency.rename.as_ref().unwrap_or(&dependency.name));
    let idle = names.filter(|name| !names_crate(&text, &name.replace('-', "_")));
    Ok(idle.map(|name| format!("crate `{}` declares `{name}` and never uses it", package.name)).collect())
}

/// Every Rust source below a directory, without its comments.
fn source_text(dir: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            text += &source_text(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in std::fs::read_to_string(&path)?.lines().filter(|l| !l.trim_start().starts_with("//"))
            {
                text += line;
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// Whether `name` stands in `text` as the start of a path (`name::`, `use name as`, `use name;`).
fn names_crate(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + name.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        starts && (after.starts_with("::") || after.starts_with(" as ") || after.starts_with(';'))
    })
}

/// The tree rule; each sentence shows the way down to the intruder.
fn impurities(room: &Room, tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    tree.each(|way| {
        let name = way.last().copied().unwrap_or_default();
        if let Some(why) = rooms::not_pure(name) {
            broken.push(format!(
                "pure crate `{}` has `{name}` ({why}) below it: {}",
                room.name,
                way.join(" > ")
            ));
        }
    });
    broken.sort();
    broken.dedup();
    broken
}

/// Every ban of the house must stand in the crate's own `clippy.toml`, with its reason.
fn bans(room: &Room, package: &Package) -> Result<Vec<String>> {
    let path = package.manifest_path.with_file_name("clippy.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(vec![format!("pure crate `{}` has no clippy.toml beside its manifest", room.name)]);
    };
    let config: toml::Table = text.parse().map_err(|error| format!("{path}: {error}"))?;
    let wanted = [("disallowed-methods", rooms::BANNED_METHODS), ("disallowed-types", rooms::BANNED_TYPES)];
    let mut broken = Vec::new();
    for (key, paths) in wanted {
        let listed = config.get(key).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for banned in paths {
            let listed = listed.iter().any(|entry| {
                let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                text("path") == *banned && !text("reason").is_empty()
            });
            if !listed {
                broken.push(format!(
                    "crates/{}/clippy.toml: `{key}` must list `{banned}` with a reason",
                    room.name
                ));
            }
        }
    }
    Ok(broken)
}

/// The workspace's lints hold only for a crate that takes them.
fn manifest(package: &Package) -> Result<Vec<String>> {
    let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path)?.parse()?;
    let takes = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if takes == Some(true) {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "crate `{}` does not take the workspace's lints: add `[lints] workspace = true`",
        package.name
    )])
}

/// `#![forbid(unsafe_code)]` at the root of the library and of every program of a package.
///
/// A root that holds nothing but its front page has nothing to forbid yet.
fn forbids_unsafe(repo: &Repo, package: &Package) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for target in &package.targets {
        let is_root =
            |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::ProcMacro | TargetKind::Bin);
        if !target.kind.iter().any(is_root) {
            continue;
        }
        let source = std::fs::read_to_string(&target.src_path)?;
        let file = syn::parse_file(&source).map_err(|error| format!("{}: {error}", target.src_path))?;
        if !file.items.is_empty() && !file.attrs.iter().any(is_forbid_unsafe) {
            let root = target.src_path.strip_prefix(repo.root()).unwrap_or(&target.src_path);
            broken.push(format!("crate `{}` must open with #![forbid(unsafe_code)]: {root}", package.name));
        }
    }
    Ok(broken)
}

fn is_forbid_unsafe(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("forbid") {
        // A list this does not understand forbids nothing, which is the safe reading.
        let _ = attribute.parse_nested_meta(|lint| {
            found |= lint.path.is_ident("unsafe_code");
            Ok(())
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata of a workspace whose members are given with their dependencies, each `name` or `name:kind`.
    fn workspace(members: &[(&str, &[&str])]) -> Metadata {
        let packages: Vec<serde_json::Value> = members
            .iter()
            .map(|(name, dependencies)| {
                let dependencies: Vec<_> = dependencies.iter().map(|text| dependency(text)).collect();
                serde_json::json!({
                    "name": name, "version": "0.1.0", "id": format!("path+file:///w/{name}#0.1.0"),
                    "dependencies": dependencies, "targets": [], "features": {},
                    "manifest_path": format!("/w/{name}/Cargo.toml"),
                })
            })
            .collect();
        let ids: Vec<_> = packages.iter().map(|package| package["id"].clone()).collect();
        let metadata = serde_json::json!({
            "packages": packages, "workspace_members": ids, "workspace_default_members": ids, "resolve": null,
            "workspace_root": "/w", "target_directory": "/w/target", "version": 1,
        });
        serde_json::from_value(metadata).unwrap()
    }

    fn dependency(text: &str) -> serde_json::Value {
        let (name, kind) = text.split_once(':').unwrap_or((text, "normal"));
        let kind = if kind == "normal" { serde_json::Value::Null } else { kind.into() };
        serde_json::json!({
            "name": name, "source": null, "req": "*", "kind": kind, "rename": null, "optional": false,
            "uses_default_features": true, "features": [], "target": null, "registry": null,
        })
    }

    #[test]
    fn allowed_arrows_pass() {
        let metadata = workspace(&[
            ("riverrun-types", &["rand_core"]),
            ("riverrun-bencode", &[]),
            ("riverrun-wire", &["riverrun-types", "riverrun-bencode", "proptest:dev"]),
            ("riverrun-cli", &["riverrun-wire"]),
        ]);
        assert_eq!(arrows(&metadata), Vec::<String>::new());
    }

    #[test]
    fn an_upward_arrow_is_named() {
        let metadata = workspace(&[("riverrun-bencode", &["riverrun-wire"]), ("riverrun-wire", &[])]);
        let broken = arrows(&metadata);
        assert_eq!(broken.len(), 1);
        assert!(
            broken[0].contains("crate `bencode` may not import `wire` (normal dependency)"),
            "{}",
            broken[0]
        );
    }

    #[test]
    fn development_dependencies_obey_the_arrows() {
        let metadata = workspace(&[("riverrun-engine", &["riverrun-sim:dev"]), ("riverrun-sim", &[])]);
        assert!(arrows(&metadata)[0].contains("may not import `sim` (dev dependency)"));
    }

    #[test]
    fn a_crate_needs_a_room() {
        let broken = arrows(&workspace(&[("riverrun-cellar", &[])]));
        assert!(broken[0].contains("`riverrun-cellar` has no room"));
    }

    #[test]
    fn a_room_needs_a_crate() {
        let vacant = vacant(&workspace(&[("riverrun-types", &[])]));
        assert!(vacant.contains(&"room `wire` has no crate: take its row out of rooms.rs".to_owned()));
        assert!(!vacant.iter().any(|line| line.contains("`types`")));
    }

    #[test]
    fn a_crate_is_named_by_the_start_of_a_path() {
        assert!(names_crate("fn f() { serde_json::to_string() }", "serde_json"));
        assert!(names_crate("use hash as digest;", "hash"));
        assert!(!names_crate("let info_hash = 1; // hash", "hash"));
        assert!(!names_crate("info_hash::get()", "hash"));
    }

    #[test]
    fn an_intruder_is_shown_with_the_way_to_it() {
        let room = rooms::room_of("riverrun-engine").unwrap();
        let tree = "0 riverrun-engine v0.1.0 (/w/engine)\n1 riverrun-types v0.1.0 (/w/types)\n2 rand v0.9.0\n\
                    3 getrandom v0.4.1\n1 thiserror v2.0.0\n2 mio v1.0.0\n3 tokio v1.0.0 (*)\n";
        let broken = impurities(room, &Tree::read(tree));
        assert_eq!(broken.len(), 3, "{broken:?}");
        assert!(
            broken[0].contains(
                "`getrandom` (ambient randomness) below it: riverrun-engine > riverrun-types > rand"
            )
        );
        assert!(broken[1].contains("riverrun-engine > thiserror > mio"));
    }

    #[test]
    fn a_clean_tree_passes() {
        let room = rooms::room_of("riverrun-types").unwrap();
        assert!(
            impurities(room, &Tree::read("0 riverrun-types v0.1.0 (/w)\n1 rand_core v0.10.0\n")).is_empty()
        );
    }

    #[test]
    fn forbid_is_read_from_the_attribute() {
        let forbids = |text: &str| syn::parse_file(text).unwrap().attrs.iter().any(is_forbid_unsafe);
        assert!(forbids("#![forbid(unsafe_code)]"));
        assert!(forbids("#![forbid(missing_docs, unsafe_code)]"));
        assert!(!forbids("#![deny(unsafe_code)]"));
        assert!(!forbids("//! #![forbid(unsafe_code)]"));
    }
}
