//! `torrent metainfo fetch`: from a magnet link to a `.torrent`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::exit::Failure;
use crate::global::Global;
use crate::session::{self, ClientOptions};
use crate::source::{self, Source};
use crate::{output, units};

/// Fetch the .torrent of a magnet link or info hash from its swarm, and none of its data
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A magnet link or info hash; a .torrent file or its URL is copied
    source: String,
    /// Where to put it, `-` for stdout [default: INFOHASH.torrent]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Give up after this time (exit code 4)
    #[arg(long, value_name = "TIME", env = "RIVERRUN_TIMEOUT", value_parser = units::parse_time)]
    timeout: Option<Duration>,
    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    options.client.ready()?;
    let torrent = match source::open(&options.source)? {
        Source::Torrent(torrent) => *torrent,
        Source::Magnet(link) => {
            let mut fetched = None;
            session::run(async {
                fetched = Some(session::fetch(&options.client, &link, options.timeout, global.quiet).await?);
                Ok(())
            })?;
            fetched.ok_or_else(|| Failure::usage("nothing was fetched"))?
        }
    };
    let bytes = torrent.to_bytes();
    let path = match &options.output {
        Some(path) if path.as_os_str() == "-" => {
            let mut out = std::io::stdout().lock();
            return out
                .write_all(&bytes)
                .and_then(|()| out.flush())
                .map_err(|error| Failure::io("stdout", &error));
        }
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.torrent", torrent.info_hashes())),
    };
    std::fs::write(&path, bytes).map_err(|error| Failure::io(path.display(), &error))?;
    if global.quiet { Ok(()) } else { output::line(path.display().to_string()) }
}
