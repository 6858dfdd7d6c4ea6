//! `torrent download`: the main job.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use metainfo::{Info, Metainfo};
use riverrun::{AddTorrent, Client, Existing, SeedGoal, Torrent};

use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::select::{self, Selection};
use crate::session::{self, ClientOptions, Until, Watch};
use crate::source::{self, Source};
use crate::{describe, output, units};

/// Download torrents
///
/// A SOURCE is a .torrent file, its http(s) URL, a magnet link, an info hash, or `-` for a .torrent on stdin. The program
/// ends when everything is here, unless it is told to seed. A second run goes on where the first one stopped.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to download
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    /// Where to put it
    #[arg(short, long, value_name = "DIR", env = "RIVERRUN_OUTPUT", default_value = ".")]
    output: PathBuf,
    /// Download only these files: numbers, ranges as 2-5, patterns as *.mkv; repeat, or separate by commas
    #[arg(short, long, value_name = "FILES", env = "RIVERRUN_SELECT")]
    select: Vec<String>,
    /// List the files with their numbers, and end
    #[arg(short, long)]
    list: bool,
    /// Go on seeding when everything is here
    #[arg(long, env = "RIVERRUN_SEED")]
    seed: bool,
    /// Seed until so many bytes were sent for each byte of the torrent
    #[arg(long, value_name = "RATIO", env = "RIVERRUN_SEED_RATIO", value_parser = ratio)]
    seed_ratio: Option<f64>,
    /// Seed for this time, such as 90m or 1d
    #[arg(long, value_name = "TIME", env = "RIVERRUN_SEED_TIME", value_parser = units::parse_time)]
    seed_time: Option<Duration>,
    /// Give up when nothing came for this time (exit code 4, or 5 and 6 when the disk is to blame)
    #[arg(long, value_name = "TIME", env = "RIVERRUN_TIMEOUT", value_parser = units::parse_time)]
    timeout: Option<Duration>,
    /// Check what is on the disk before anything else, whatever an earlier run left
    #[arg(long, env = "RIVERRUN_VERIFY")]
    verify: bool,
    /// Write the .torrent of each source into this directory, as INFOHASH.torrent
    #[arg(long, value_name = "DIR", env = "RIVERRUN_SAVE_METAINFO", num_args = 0..=1, default_missing_value = ".")]
    save_metainfo: Option<PathBuf>,
    /// Print events and progress as JSON, one object a line
    #[arg(long, env = "RIVERRUN_JSON")]
    json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio.is_finite() && ratio >= 0.0 => Ok(ratio),
        _ => Err(format!("`{text}` is no ratio; write a number such as 1.5")),
    }
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let mut torrents = Vec::new();
    for text in &options.sources {
        torrents.push(open(text)?);
    }
    if options.list {
        return torrents.iter().try_for_each(|torrent| output::line(select::listing(torrent.info())));
    }
    let selection = Selection::new(&options.select);
    let chosen = torrents.iter().map(|torrent| choose(&selection, torrent.info()));
    let chosen: Vec<Option<Vec<u32>>> = chosen.collect::<Result<_, _>>()?;
    if let Some(dir) = &options.save_metainfo {
        torrents.iter().try_for_each(|torrent| describe::save(torrent, dir))?;
    }
    session::run(download(options, global, torrents, chosen))
}

/// The torrent of a source.
fn open(text: &str) -> Result<Metainfo, Failure> {
    let torrent = match source::open(text)? {
        Source::Torrent(torrent) => *torrent,
        Source::Magnet(magnet) => source::of_magnet(&magnet)?,
    };
    if let Some(obstacle) = torrent.info().obstacle() {
        return Err(Failure::new(Code::BadTorrent, format!("{text}: {obstacle}")));
    }
    describe::warn(&torrent);
    Ok(torrent)
}

/// The numbers of the chosen files; None for all.
fn choose(selection: &Selection, info: &Info) -> Result<Option<Vec<u32>>, Failure> {
    if selection.is_empty() {
        return Ok(None);
    }
    let flags = selection.of(info).map_err(|error| Failure::usage(format!("--select: {error}")))?;
    Ok(Some(flags.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(i, _)| i as u32).collect()))
}

async fn download(
    options: &Options,
    global: &Global,
    sources: Vec<Metainfo>,
    chosen: Vec<Option<Vec<u32>>>,
) -> Result<(), Failure> {
    let client = options.client.start()?;
    let events = client.events();
    let mut torrents = Vec::new();
    for (metainfo, chosen) in sources.into_iter().zip(chosen) {
        torrents.push(add(options, &client, metainfo, chosen).await?);
    }
    let until = match (options.seed, options.seed_ratio.is_some() || options.seed_time.is_some()) {
        (_, true) => Until::Goal,
        (true, false) => Until::Interrupted,
        (false, false) => Until::Complete,
    };
    let watch = Watch::new(client, torrents, until);
    watch.timeout(options.timeout).json(options.json).quiet(global.quiet).run(events).await
}

async fn add(
    options: &Options,
    client: &Client,
    metainfo: Metainfo,
    chosen: Option<Vec<u32>>,
) -> Result<Torrent, Failure> {
    let mut add = options.client.dress(AddTorrent::metainfo(metainfo))?.output(&options.output);
    if let Some(files) = chosen {
        add = add.wanted(files);
    }
    if options.verify {
        add = add.existing(Existing::Check);
    }
    if options.seed_ratio.is_some() || options.seed_time.is_some() {
        let mut goal = SeedGoal::none();
        (goal.ratio, goal.time) = (options.seed_ratio, options.seed_time);
        add = add.seed_goal(goal);
    }
    client.add(add).await.map_err(|error| session::failure(&error))
}
