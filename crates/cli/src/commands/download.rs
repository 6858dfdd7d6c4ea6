//! `torrent download`: the main job.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use metainfo::{Info, Magnet, Metainfo};
use riverrun::{AddTorrent, Client, Existing, Torrent, UploadMode};
use serde::Serialize;

use crate::exit::{Code, Complaints, Failure};
use crate::global::Global;
use crate::select::Selection;
use crate::session::{
    self, ClientOptions, GoalOptions, PerTorrent, Ready, StatusOptions, Stop, Until, Watch,
};
use crate::source::{self, Source};
use crate::{describe, output, units};

/// Download torrents
///
/// A SOURCE is a .torrent file, its http(s) URL, a magnet link, an info hash, or `-` for a .torrent on stdin. The program
/// ends when everything is here, unless it is told to seed or to share. A second run goes on where the first one stopped.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to download
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    /// Where to put it
    #[arg(short, long, value_name = "DIR", env = "RIVERRUN_OUTPUT", default_value = ".")]
    output: PathBuf,
    /// Download only these files: numbers and ranges as 1,2-5, or one pattern as *.mkv; may be repeated
    #[arg(short, long, value_name = "FILES", env = "RIVERRUN_SELECT")]
    select: Vec<String>,
    /// List the files with their numbers, and end
    #[arg(short, long)]
    list: bool,
    /// Go on seeding when everything is here
    #[arg(long, env = "RIVERRUN_SEED")]
    seed: bool,
    /// Fetch only what pays back in uploads: rare pieces that others lack. Ends by --seed-ratio, --seed-time, --seed-idle or a signal
    #[arg(long, env = "RIVERRUN_SHARE_MODE", conflicts_with = "timeout")]
    share_mode: bool,
    #[command(flatten)]
    goal: GoalOptions,
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
    #[command(flatten)]
    status: StatusOptions,
}

/// A source that was read.
enum Found {
    /// A torrent, and the numbers of its chosen files; None for all.
    Torrent(Box<Metainfo>, Option<Vec<u32>>),
    /// A link whose metainfo comes from its swarm.
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
        found.push(open(text, &selection, options.list)?);
    }
    for torrent in found.iter().filter_map(Found::torrent) {
        if let Some(dir) = &options.save_metainfo {
            describe::save(torrent, dir)?;
        }
    }
    // Links need a client even where only their files are to be listed.
    if options.list && found.iter().all(|found| found.torrent().is_some()) {
        let listed = found.iter().filter_map(Listed::of).collect::<Vec<_>>();
        return list(&listed, options.json);
    }
    session::run(|stop| work(Job { options, global, selection, stop }, ready, found))
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
    wrong.note(share(options));
    let ready = wrong.note(options.client.ready());
    wrong.note(source::refuse_stdin_twice(&options.sources));
    wrong.end(selection.zip(ready))
}

/// Share mode fetches nothing but to upload it. Not left to the parser, which knows no conflict with one value of an option.
fn share(options: &Options) -> Result<(), Failure> {
    if options.share_mode && matches!(options.client.upload_mode(), UploadMode::Never) {
        let problem =
            "the argument '--share-mode' cannot be used with '--no-upload' or '--upload-mode never'";
        return Err(Failure::usage(problem));
    }
    Ok(())
}

impl Found {
    fn torrent(&self) -> Option<&Metainfo> {
        match self {
            Found::Torrent(torrent, _) => Some(torrent),
            Found::Link(_) => None,
        }
    }
}

/// Reads a source as far as that needs no swarm.
fn open(text: &str, selection: &Selection, list: bool) -> Result<Found, Failure> {
    let torrent = match source::open(text)? {
        Source::Torrent(torrent) => torrent,
        Source::Magnet(link) => return Ok(Found::Link(link)),
    };
    if let Some(obstacle) = torrent.info().obstacle().filter(|_| !list) {
        return Err(Failure::new(Code::BadTorrent, format!("{text}: {obstacle}")));
    }
    describe::warn(&torrent);
    let chosen = choose(selection, torrent.info())?;
    Ok(Found::Torrent(torrent, chosen))
}

/// Prints the files.
fn list(all: &[Listed], json: bool) -> Result<(), Failure> {
    for listed in all {
        if json {
            output::json(listed)?;
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
    /// None of a link, whose files are not known.
    fn of(found: &Found) -> Option<Listed> {
        match found {
            Found::Torrent(torrent, chosen) => Some(Listed::new(torrent, chosen.as_deref())),
            Found::Link(_) => None,
        }
    }

    fn new(torrent: &Metainfo, chosen: Option<&[u32]>) -> Listed {
        let (info, hashes) = (torrent.info(), torrent.info_hashes());
        let selected = |index: usize| chosen.is_none_or(|chosen| chosen.contains(&(index as u32)));
        let files = info.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
        let file = |(index, file): (usize, &metainfo::File)| ListedFile {
            index,
            path: file.path().to_owned(),
            length: file.len(),
            selected: selected(index),
        };
        Listed {
            name: info.name().to_owned(),
            infohash_v1: hashes.get_v1().map(|hash| hash.to_string()),
            infohash_v2: hashes.get_v2().map(|hash| hash.to_string()),
            total_length: info.content_len(),
            files: files.map(file).collect(),
        }
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

/// What holds for every source of one call.
struct Job<'a> {
    options: &'a Options,
    global: &'a Global,
    selection: Selection,
    stop: Stop,
}

/// Lists or downloads, with one client for all of it.
async fn work(job: Job<'_>, ready: Ready<'_>, found: Vec<Found>) -> Result<(), Failure> {
    let (client, each, _status) =
        session::begin(ready, &job.options.status, job.options.json, job.global.quiet)?;
    let events = client.events();
    let begun = if job.options.list {
        job.list(&client, &each, found).await.map(|()| Vec::new())
    } else {
        job.begin(&client, &each, found).await
    };
    match begun {
        Ok(torrents) if !torrents.is_empty() => job.watch(client, torrents).run(events).await,
        done => {
            client.close().await;
            done.map(drop)
        }
    }
}

impl Job<'_> {
    fn watch(self, client: Client, torrents: Vec<Torrent>) -> Watch {
        let options = self.options;
        let until = match (options.seed || options.share_mode, options.goal.goal().is_some()) {
            (_, true) => Until::Goal,
            (true, false) => Until::Interrupted,
            (false, false) => Until::Complete,
        };
        let watch = Watch::new(client, torrents, until, self.stop);
        let repair =
            "put the file back, or stop and run the same command again: what is gone is fetched anew";
        watch.repair(repair).timeout(options.timeout).json(options.json).quiet(self.global.quiet)
    }

    /// Adds every source. The metainfo of a link is waited for where it decides what is downloaded.
    async fn begin(
        &self,
        client: &Client,
        each: &PerTorrent,
        found: Vec<Found>,
    ) -> Result<Vec<Torrent>, Failure> {
        let mut torrents: Vec<Torrent> = Vec::new();
        for found in found {
            let torrent = self.add(client, each, found).await?;
            // A torrent that is named twice is one torrent.
            if torrents.iter().all(|known| known.info_hashes() != torrent.info_hashes()) {
                torrents.push(torrent);
            }
        }
        Ok(torrents)
    }

    async fn add(&self, client: &Client, each: &PerTorrent, found: Found) -> Result<Torrent, Failure> {
        let fail = |error| session::failure(&error);
        let link = match found {
            Found::Link(link) => link,
            Found::Torrent(torrent, chosen) => {
                let add = self.describe(each.on(AddTorrent::metainfo(*torrent)));
                let add = chosen.into_iter().fold(add, AddTorrent::wanted);
                return client.add(add).await.map_err(fail);
            }
        };
        let add = self.describe(each.on(AddTorrent::new(riverrun::Source::Magnet(link))));
        if self.options.save_metainfo.is_none() && self.selection.is_empty() {
            return client.add(add).await.map_err(fail);
        }
        let torrent = client.add(add.metadata_only()).await.map_err(fail)?;
        let metainfo = self.metadata(&torrent).await?;
        if let Some(dir) = &self.options.save_metainfo {
            describe::save(&metainfo, dir)?;
        }
        let chosen = choose(&self.selection, metainfo.info())?;
        torrent.download(chosen).await.map_err(fail)?;
        Ok(torrent)
    }

    fn describe(&self, add: AddTorrent) -> AddTorrent {
        // Without `--select` everything is meant, whatever an earlier run selected.
        let mut add = add.output(&self.options.output).all_files().share_mode(self.options.share_mode);
        if self.options.verify {
            add = add.existing(Existing::Check);
        }
        match self.options.goal.goal() {
            Some(goal) => add.seed_goal(goal),
            None => add,
        }
    }

    /// Prints the files of every source.
    async fn list(&self, client: &Client, each: &PerTorrent, found: Vec<Found>) -> Result<(), Failure> {
        let mut all = Vec::new();
        for found in found {
            let link = match found {
                Found::Link(link) => link,
                found => {
                    all.extend(Listed::of(&found));
                    continue;
                }
            };
            let add = AddTorrent::new(riverrun::Source::Magnet(link.clone())).metadata_only();
            let torrent = client.add(each.on(add)).await.map_err(|error| session::failure(&error))?;
            let metainfo = self.metadata(&torrent).await?;
            if let Some(dir) = &self.options.save_metainfo {
                describe::save(&metainfo, dir)?;
            }
            let files = metainfo.info().files().len() as u32;
            let of_link =
                (!link.select.is_empty()).then(|| (0..files).filter(|n| link.selects(*n)).collect());
            let chosen = choose(&self.selection, metainfo.info())?.or(of_link);
            all.push(Listed::new(&metainfo, chosen.as_deref()));
        }
        list(&all, self.options.json)
    }

    async fn metadata(&self, torrent: &Torrent) -> Result<Metainfo, Failure> {
        let quiet = self.global.quiet || self.options.json;
        session::metadata(torrent, self.options.timeout, quiet, &self.stop).await
    }
}
