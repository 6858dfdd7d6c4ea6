//! `torrent magnet`: the link of a torrent, or what is inside a link.

use std::ops::RangeInclusive;

use clap::Args;
use serde::Serialize;

use metainfo::Magnet;

use crate::describe::host_port;
use crate::exit::Failure;
use crate::output;
use crate::source::{self, Source};

/// Print the magnet link of a torrent, or show what a link says
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A magnet link or an info hash to be shown; or a .torrent file, its URL, or `-`, whose link to print
    source: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    infohash_v1: Option<String>,
    infohash_v2: Option<String>,
    name: Option<String>,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
    exact_sources: Vec<String>,
    acceptable_sources: Vec<String>,
    peers: Vec<String>,
    /// As BEP 53 writes it: numbers and ranges.
    selected_files: Option<String>,
    link: String,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    match source::open(&options.source)? {
        Source::Torrent(torrent) if !options.json => output::line(torrent.magnet().to_string()),
        Source::Torrent(torrent) => output::json(&shown(&torrent.magnet())),
        Source::Magnet(magnet) if options.json => output::json(&shown(&magnet)),
        Source::Magnet(magnet) => print(&shown(&magnet)),
    }
}

fn shown(magnet: &Magnet) -> Shown {
    Shown {
        infohash_v1: magnet.hashes.get_v1().map(|hash| hash.to_string()),
        infohash_v2: magnet.hashes.get_v2().map(|hash| hash.to_string()),
        name: magnet.name.clone(),
        trackers: magnet.trackers.clone(),
        web_seeds: magnet.web_seeds.clone(),
        exact_sources: magnet.exact_sources.clone(),
        acceptable_sources: magnet.acceptable_sources.clone(),
        peers: magnet.peers.iter().map(host_port).collect(),
        selected_files: selected(magnet),
        link: magnet.to_string(),
    }
}

/// The files that the link selects; None for all.
fn selected(magnet: &Magnet) -> Option<String> {
    let range = |range: &RangeInclusive<u32>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let ranges: Vec<String> = magnet.select.iter().map(range).collect();
    (!ranges.is_empty()).then(|| ranges.join(","))
}

fn print(shown: &Shown) -> Result<(), Failure> {
    let one = |key: &str, value: &Option<String>| match value {
        Some(value) => output::line(format!("{key:<18} {}", output::printable(value))),
        None => Ok(()),
    };
    one("info hash v1", &shown.infohash_v1)?;
    one("info hash v2", &shown.infohash_v2)?;
    one("name", &shown.name)?;
    for (key, values) in [
        ("tracker", &shown.trackers),
        ("web seed", &shown.web_seeds),
        ("exact source", &shown.exact_sources),
        ("acceptable source", &shown.acceptable_sources),
        ("peer", &shown.peers),
    ] {
        values
            .iter()
            .try_for_each(|value| output::line(format!("{key:<18} {}", output::printable(value))))?;
    }
    one("selected files", &shown.selected_files)
}
