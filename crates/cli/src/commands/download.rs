//! `torrent download`: the main job.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use metainfo::{Info, Magnet, Metainfo, Node};
use riverrun::{AddTorrent, Client, Existing, Torrent};
use serde::Serialize;

use crate::exit::{Code, Complaints, Failure};
use crate::global::Global;
use crate::select::Selection;
use crate::session::{self, ClientOptions, Dress, Ready, Until, Watch};
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
    #[arg(long, value_name = "RATIO", env = "RIVERRUN_SEED_RATIO", value_parser = units::parse_ratio)]
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

/// A source that was read, and what came with it.
struct Found {
    origin: Origin,
    /// Trackers and peers that a link names.
    trackers: Vec<String>,
    peers: Vec<Node>,
    /// The numbers of the chosen files; None for all.
    chosen: Option<Vec<u32>>,
}

/// What a torrent is added from.
enum Origin {
    Torrent(Box<Metainfo>),
    /// A link whose metainfo comes from its swarm, while the download is being watched.
    Link(Box<Magnet>),
}

#[derive(Serialize)]
struct Listed {
    name: String,
    infohash_v1: Option<String>,
    infohash_v2: Option<String>,
    total_length: u64,
    files: Vec<ListedFile>,
}

#[derive(Serialize)]
struct ListedFile {
    index: usize,
    path: String,
    length: u64,
    selected: bool,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let (selection, ready) = check(options)?;
    let mut found = Vec::new();
    for text in &options.sources {
        found.push(open(text, &selection, options, global)?);
    }
    if options.list {
        return list(&found, options.json);
    }
    if let Some(dir) = &options.save_metainfo {
        found.iter().filter_map(Found::torrent).try_for_each(|torrent| describe::save(torrent, dir))?;
    }
    session::run(download(options, global, ready, found))
}

/// Every option that can be wrong, before the first source is opened.
fn check(options: &Options) -> Result<(Selection, Ready<'_>), Failure> {
    let mut wrong = Complaints::default();
    let selection = wrong.note(Selection::new(&options.select).map_err(select_failure));
    let output = (!options.list).then_some(("--output", options.output.as_path()));
    let save = options.save_metainfo.as_deref().map(|dir| ("--save-metainfo", dir));
    for (option, dir) in output.into_iter().chain(save) {
        wrong.note(output::check_dir(option, dir));
    }
    let ready = wrong.note(options.client.ready());
    wrong.note(source::refuse_stdin_twice(&options.sources));
    wrong.end(selection.zip(ready))
}

impl Found {
    fn torrent(&self) -> Option<&Metainfo> {
        match &self.origin {
            Origin::Torrent(torrent) => Some(torrent),
            Origin::Link(_) => None,
        }
    }
}

/// The torrent of a source. That of a link is fetched first only where something must be known before the download.
fn open(text: &str, selection: &Selection, options: &Options, global: &Global) -> Result<Found, Failure> {
    let link = match source::open(text)? {
        Source::Torrent(torrent) => return of_torrent(text, *torrent, selection),
        Source::Magnet(link) => link,
    };
    let now = options.list || options.save_metainfo.is_some() || !selection.is_empty();
    let mut found = if now {
        let torrent = fetch(options, global, &link)?;
        if options.list { listed(torrent, selection)? } else { of_torrent(text, torrent, selection)? }
    } else {
        Found { origin: Origin::Link(link.clone()), trackers: vec![], peers: vec![], chosen: None }
    };
    if let (None, Some(torrent), false) = (&found.chosen, found.torrent(), link.select.is_empty()) {
        let files = torrent.info().files().len() as u32;
        found.chosen = Some((0..files).filter(|file| link.selects(*file)).collect());
    }
    if now {
        (found.trackers, found.peers) = (link.trackers, link.peers);
    }
    Ok(found)
}

fn of_torrent(text: &str, torrent: Metainfo, selection: &Selection) -> Result<Found, Failure> {
    if let Some(obstacle) = torrent.info().obstacle() {
        return Err(Failure::new(Code::BadTorrent, format!("{text}: {obstacle}")));
    }
    listed(torrent, selection)
}

fn listed(torrent: Metainfo, selection: &Selection) -> Result<Found, Failure> {
    describe::warn(&torrent);
    let chosen = choose(selection, torrent.info())?;
    Ok(Found { origin: Origin::Torrent(Box::new(torrent)), trackers: vec![], peers: vec![], chosen })
}

/// The metainfo of a link, from its swarm.
fn fetch(options: &Options, global: &Global, link: &Magnet) -> Result<Metainfo, Failure> {
    let mut fetched = None;
    let quiet = global.quiet || options.json;
    session::run(async {
        fetched = Some(session::fetch(&options.client, link, options.timeout, quiet).await?);
        Ok(())
    })?;
    fetched.ok_or_else(|| Failure::usage("nothing was fetched"))
}

/// Prints the files.
fn list(all: &[Found], json: bool) -> Result<(), Failure> {
    for found in all {
        let Some(listed) = Listed::new(found) else { continue };
        if json {
            output::json(&listed)?;
            continue;
        }
        if all.len() > 1 {
            output::line(output::printable(&listed.name))?;
        }
        for file in &listed.files {
            let note = if file.selected { "" } else { "  (not selected)" };
            let (size, path) = (units::size(file.length), output::printable(&file.path));
            output::line(format!("{:>6}  {size:>11}  {path}{note}", file.index))?;
        }
    }
    Ok(())
}

impl Listed {
    /// None of a link whose files are not known.
    fn new(found: &Found) -> Option<Listed> {
        let torrent = found.torrent()?;
        let (info, hashes) = (torrent.info(), torrent.info_hashes());
        let selected =
            |index: usize| found.chosen.as_ref().is_none_or(|chosen| chosen.contains(&(index as u32)));
        let files = info.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
        let file = |(index, file): (usize, &metainfo::File)| ListedFile {
            index,
            path: file.path().to_owned(),
            length: file.len(),
            selected: selected(index),
        };
        Some(Listed {
            name: info.name().to_owned(),
            infohash_v1: hashes.get_v1().map(|hash| hash.to_string()),
            infohash_v2: hashes.get_v2().map(|hash| hash.to_string()),
            total_length: info.content_len(),
            files: files.map(file).collect(),
        })
    }
}

fn select_failure(problem: String) -> Failure {
    Failure::usage(format!("--select: {problem}"))
}

/// The numbers of the chosen files; None for all.
fn choose(selection: &Selection, info: &Info) -> Result<Option<Vec<u32>>, Failure> {
    if selection.is_empty() {
        return Ok(None);
    }
    let flags = selection.of(info).map_err(select_failure)?;
    Ok(Some(flags.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(i, _)| i as u32).collect()))
}

async fn download(
    options: &Options,
    global: &Global,
    ready: Ready<'_>,
    sources: Vec<Found>,
) -> Result<(), Failure> {
    let (client, dress) = ready.start()?;
    let events = client.events();
    let mut torrents: Vec<Torrent> = Vec::new();
    for found in sources {
        let torrent = add(options, &client, &dress, found).await?;
        // A torrent that is named twice is one torrent.
        if torrents.iter().all(|known| known.info_hashes() != torrent.info_hashes()) {
            torrents.push(torrent);
        }
    }
    let until = match (options.seed, options.seed_ratio.is_some() || options.seed_time.is_some()) {
        (_, true) => Until::Goal,
        (true, false) => Until::Interrupted,
        (false, false) => Until::Complete,
    };
    let watch = Watch::new(client, torrents, until);
    watch.timeout(options.timeout).json(options.json).quiet(global.quiet).run(events).await
}

async fn add(options: &Options, client: &Client, dress: &Dress, found: Found) -> Result<Torrent, Failure> {
    let add = match found.origin {
        Origin::Torrent(torrent) => AddTorrent::metainfo(*torrent),
        Origin::Link(link) => AddTorrent::new(riverrun::Source::Magnet(link)),
    };
    let add = add.trackers(&found.trackers).named_peers(found.peers);
    let mut add = dress.on(add).output(&options.output);
    if let Some(files) = found.chosen {
        add = add.wanted(files);
    } else {
        // Without `--select` everything is meant, whatever an earlier run selected.
        add = add.all_files();
    }
    if options.verify {
        add = add.existing(Existing::Check);
    }
    if let Some(goal) = session::goal(options.seed_ratio, options.seed_time) {
        add = add.seed_goal(goal);
    }
    client.add(add).await.map_err(|error| session::failure(&error))
}
