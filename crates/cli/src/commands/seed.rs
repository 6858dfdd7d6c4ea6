//! `torrent seed`: serve data that is on the disk.

use std::path::PathBuf;

use clap::Args;
use metainfo::Metainfo;
use riverrun::{AddTorrent, Existing, Torrent};

use crate::exit::{Code, Complaints, Failure};
use crate::global::Global;
use crate::session::{self, ClientOptions, GoalOptions, Ready, StatusOptions, Stop};
use crate::{data, source};

/// Seed torrents from data that is on the disk
///
/// The data is checked first and never changed. It ends with Ctrl-C, or when a goal is reached.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The torrents: files, their http(s) URLs, or `-` for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The directory that holds the torrents' files or directories, or that file or directory itself, under its own name
    #[arg(short, long, value_name = "DIR", env = "RIVERRUN_DATA", default_value = ".")]
    data: PathBuf,
    /// Seed what is there, even when something is missing
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    goal: GoalOptions,
    /// Believe what an earlier run verified where the files did not change since
    #[arg(long)]
    no_verify: bool,
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
    wrong.note(source::refuse_stdin_twice(&options.files));
    let data = options.data.metadata().map_err(|error| Failure::io(options.data.display(), &error));
    wrong.note(data.map_err(|failure| failure.of("--data")));
    let ready = wrong.end(ready)?;
    let mut torrents = Vec::new();
    for file in &options.files {
        let torrent = source::load(file)?;
        if let Some(obstacle) = torrent.info().obstacle() {
            return Err(Failure::new(Code::BadTorrent, format!("{file}: {obstacle}")));
        }
        let root = data::root(torrent.info(), &options.data)?;
        torrents.push((torrent, root));
    }
    session::run(|stop| seed(options, global, ready, torrents, stop))
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
    let existing = if options.no_verify { Existing::Auto } else { Existing::Check };
    let goal = options.goal.goal();
    let mut torrents: Vec<Torrent> = Vec::new();
    for (metainfo, root) in sources {
        let mut add = each.on(AddTorrent::metainfo(metainfo));
        add = add.output(root).existing(existing).read_only();
        if let Some(goal) = goal {
            add = add.seed_goal(goal);
        }
        let torrent = client.add(add).await.map_err(|error| session::failure(&error))?;
        // A torrent that is named twice is one torrent.
        if torrents.iter().all(|known| known.info_hashes() != torrent.info_hashes()) {
            torrents.push(torrent);
        }
    }
    for torrent in &torrents {
        session::checked(torrent, options.partial).await?;
        session::announce_start(&client, torrent, global.quiet || options.json);
    }
    let watch = session::watch_seeds(client, torrents, goal, stop);
    watch.json(options.json).quiet(global.quiet).run(events).await
}
