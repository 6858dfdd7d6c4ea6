//! Who makes a torrent does not matter: the same files and options give the same info hash.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::cell::{Cell, Context, Need};
use crate::counterparts::libtorrent::{self, Hashes, Libtorrent};
use crate::counterparts::riverrun;
use crate::counterparts::transmission::Transmission;
use crate::data::{self, Shape};
use crate::trackers::{announced_hash, hex};
use crate::{metainfo, process};

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for shape in data::SHAPES {
        let about = format!("torrent create and libtorrent agree, and load each other's: {}", shape.about);
        let needs = [Need::Client(&Libtorrent)];
        let run = move |context: &Context<'_>| with_libtorrent(context, shape);
        cells.push(Cell::new(format!("agree/libtorrent/{}", shape.name), about, needs, run));
    }
    for name in ["plain", "piece-1m", "tail-of-1"] {
        let Ok(shape) = data::named(name) else { continue };
        let about = format!("torrent create, transmission-create and mktorrent agree: {}", shape.about);
        let needs = [Need::Client(&Transmission), Need::Program("mktorrent", "mktorrent")];
        let run = move |context: &Context<'_>| with_makers(context, shape);
        cells.push(Cell::new(format!("agree/v1-makers/{name}"), about, needs, run));
    }
    cells
}

fn with_libtorrent(context: &Context<'_>, shape: &Shape) -> Result<String> {
    let ours = context.torrent(shape, &[])?;
    let theirs = context.dir.join("libtorrent.torrent");
    let made = libtorrent::create(&ours.data.root, &theirs, shape.piece_len, shape.version, false)?;
    let wanted = match shape.version {
        "v1" => (true, false),
        "v2" => (false, true),
        _ => (true, true),
    };
    if (made.v1.is_some(), made.v2.is_some()) != wanted {
        return Err(format!("libtorrent made no {}: {made:?}", shape.version).into());
    }
    for (who, loaded) in [
        ("ours in libtorrent", libtorrent::hashes(&ours.path)?),
        ("ours in ours", shown(&ours.path)?),
        ("libtorrent's in ours", shown(&theirs)?),
    ] {
        if loaded != made {
            return Err(format!("libtorrent made {made:?}, but {who} is {loaded:?}").into());
        }
    }
    Ok(made.v1.or(made.v2).unwrap_or_default())
}

/// The info hashes that `torrent metainfo` prints.
fn shown(torrent: &Path) -> Result<Hashes> {
    let mut command = Command::new(riverrun::program()?);
    let said = process::run(command.arg("metainfo").arg(torrent).arg("infohash"))?;
    let of_len = |len: usize| said.split_whitespace().find(|word| word.len() == len).map(str::to_owned);
    // A v2 hash is printed as a multihash where both stand side by side: SHA-256 is `12`, its length `20`.
    let v2 = of_len(64).or_else(|| of_len(68).map(|multihash| multihash[4..].to_owned()));
    Ok(Hashes { v1: of_len(40), v2 })
}

fn with_makers(context: &Context<'_>, shape: &Shape) -> Result<String> {
    let root = &context.store.data(shape)?.root;
    let out = |name: &str| context.dir.join(name);
    // transmission-create always writes the private key, so all are private, and then it wants a tracker.
    let mut ours = Command::new(riverrun::program()?);
    ours.arg("create").arg(root).arg("--output").arg(out("ours")).arg("--private");
    ours.args(["--piece-length", &shape.piece_len.to_string()]);
    let mut transmission = Command::new("transmission-create");
    transmission
        .args(["-p", "-t", "http://127.0.0.1/announce"])
        .args(["-s", &(shape.piece_len / 1024).to_string()]);
    transmission.arg("-o").arg(out("transmission")).arg(root);
    let mut mktorrent = Command::new("mktorrent");
    mktorrent.arg("-p").args(["-l", &shape.piece_len.ilog2().to_string()]);
    mktorrent.arg("-o").arg(out("mktorrent")).arg(root);
    for command in [&mut ours, &mut transmission, &mut mktorrent] {
        process::run(command)?;
    }
    let mut hashes = Vec::new();
    for name in ["ours", "transmission", "mktorrent"] {
        let torrent = std::fs::read(out(name))?;
        let info = metainfo::value(&torrent, "info").ok_or("no info")?;
        hashes.push((name, hex(&announced_hash(&torrent)?), String::from_utf8_lossy(info).into_owned()));
    }
    let same = hashes.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if same {
        return Ok(hashes.swap_remove(0).1);
    }
    let lines = hashes
        .iter()
        .map(|(name, hash, info)| format!("{name} {hash} {}", info.chars().take(200).collect::<String>()));
    Err(lines.collect::<Vec<_>>().join("\n").into())
}
