//! `torrent metainfo fetch`: from a magnet link to a `.torrent`.

use std::time::Duration;

use clap::Args;
use metainfo::{Magnet, Metainfo};
use riverrun::AddTorrent;

use crate::exit::Failure;
use crate::global::Global;
use crate::session::{self, ClientOptions, Ready, Stop};
use crate::source::{self, Source};
use crate::{output, units};

/// Fetch the .torrent of a magnet link or info hash from its swarm, and none of its data
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A magnet link or info hash; a .torrent file or its URL is copied
    source: String,
    /// Where to put it, `-` for stdout [default: INFOHASH.torrent]
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Replace an existing file
    #[arg(short, long)]
    force: bool,
    /// Give up after this time (exit code 4)
    #[arg(long, value_name = "TIME", env = "RIVERRUN_TIMEOUT", value_parser = units::parse_time)]
    timeout: Option<Duration>,
    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let ready = options.client.ready()?;
    let source = source::open(&options.source)?;
    // Said before the swarm is asked, where the name is known.
    if let Some(path) = &options.output {
        output::refuse_to_replace(path, options.force)?;
    }
    let torrent = match source {
        Source::Torrent(torrent) => *torrent,
        Source::Magnet(link) => session::run(|stop| fetch(options, global, ready, link, stop))?,
    };
    let path = match &options.output {
        Some(path) => path.clone(),
        None => format!("{}.torrent", torrent.info_hashes()),
    };
    output::new_file(&path, &torrent.to_bytes(), options.force)?;
    if global.quiet || path == "-" { Ok(()) } else { output::line(path) }
}

async fn fetch(
    options: &Options,
    global: &Global,
    ready: Ready<'_>,
    link: Box<Magnet>,
    stop: Stop,
) -> Result<Metainfo, Failure> {
    let (client, dress) = ready.start()?;
    let add = dress.on(AddTorrent::new(riverrun::Source::Magnet(link)).metadata_only());
    let fetched = match client.add(add).await {
        Ok(torrent) => session::metadata(&torrent, options.timeout, global.quiet, &stop).await,
        Err(error) => Err(session::failure(&error)),
    };
    client.close().await;
    fetched
}
