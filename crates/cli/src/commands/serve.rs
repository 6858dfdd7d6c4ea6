//! `torrent serve`: make a torrent in memory and seed it.

use std::path::{Path, PathBuf};

use clap::Args;
use metainfo::Metainfo;
use metainfo::create::Builder;
use riverrun::AddTorrent;
use storage::{Effort, Progress, WalkOptions, make_torrent, walk};

use crate::exit::{Complaints, Failure};
use crate::global::Global;
use crate::session::{self, ClientOptions, GoalOptions, Ready, StatusOptions, Stop};
use crate::{describe, output, work};

/// Make a torrent of each path in memory, seed it, and print its magnet link
///
/// The data is never changed. Trackers given with --tracker go into the link. It ends with Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Files or directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the .torrent files into this directory too
    #[arg(long, value_name = "DIR", env = "RIVERRUN_SAVE_METAINFO")]
    save_metainfo: Option<PathBuf>,
    /// Forbid DHT and peer exchange
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    goal: GoalOptions,
    /// Print events and progress as JSON, one object a line
    #[arg(long, env = "RIVERRUN_JSON")]
    json: bool,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    status: StatusOptions,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let mut wrong = Complaints::default();
    let ready = wrong.note(options.client.ready());
    wrong.note(
        options.save_metainfo.as_deref().map_or(Ok(()), |dir| output::check_dir("--save-metainfo", dir)),
    );
    let ready = wrong.end(ready)?;
    let mut torrents = Vec::new();
    for path in &options.paths {
        torrents.push((make(path, options, global)?, parent(path)?));
    }
    if let Some(dir) = &options.save_metainfo {
        torrents.iter().try_for_each(|(torrent, _)| describe::save(torrent, dir))?;
    }
    session::run(|stop| seed(options, global, ready, torrents, stop))
}

/// The torrent of a path.
fn make(path: &Path, options: &Options, global: &Global) -> Result<Metainfo, Failure> {
    path.symlink_metadata().map_err(|error| Failure::io(path.display(), &error))?;
    let tree = walk(path, WalkOptions::default()).map_err(Failure::make)?;
    for skipped in &tree.skipped {
        output::say(format!("torrent: {}: left out", skipped.display()));
    }
    let builder =
        Builder::new(&tree.name).private(options.private).tiers(vec![options.client.tracker.clone()]);
    let progress = Progress::new();
    let making = || make_torrent(&tree, builder, Effort::default(), &progress);
    work::hashing(global.quiet || options.json, "hashing", &progress, making)?.map_err(Failure::make)
}

/// The directory in which a torrent of `path` finds its data.
fn parent(path: &Path) -> Result<PathBuf, Failure> {
    let full = std::fs::canonicalize(path).map_err(|error| Failure::io(path.display(), &error))?;
    full.parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| Failure::usage(format!("{}: has no directory around it", path.display())))
}

async fn seed(
    options: &Options,
    global: &Global,
    ready: Ready<'_>,
    sources: Vec<(Metainfo, PathBuf)>,
    stop: Stop,
) -> Result<(), Failure> {
    let (client, each, _status) = session::begin(ready, &options.status, options.json, global.quiet)?;
    let events = client.events();
    let goal = options.goal.goal();
    let mut torrents = Vec::new();
    for (metainfo, dir) in sources {
        let mut add = each.on(AddTorrent::metainfo(metainfo)).output(dir).read_only();
        if let Some(goal) = goal {
            add = add.seed_goal(goal);
        }
        let torrent = client.add(add).await.map_err(|error| session::failure(&error))?;
        session::checked(&torrent, false).await?;
        if !options.json {
            output::line(torrent.magnet().to_string())?;
        }
        session::announce_start(&client, &torrent, global.quiet || options.json);
        torrents.push(torrent);
    }
    let watch = session::watch_seeds(client, torrents, goal, stop);
    watch.json(options.json).quiet(global.quiet).run(events).await
}
