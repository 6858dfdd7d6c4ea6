//! `torrent seed`: serve data that is on the disk.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use riverrun::{AddTorrent, Existing, SeedGoal};

use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::session::{self, ClientOptions, Until, Watch};
use crate::{source, units};

/// Seed a torrent from data that is on the disk
///
/// The data is checked first and never changed. It ends with Ctrl-C, or when a goal is reached.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The torrent: a file, its http(s) URL, or `-` for stdin
    file: String,
    /// The directory that holds the torrent's file or directory
    #[arg(short, long, value_name = "DIR", env = "RIVERRUN_DATA", default_value = ".")]
    data: PathBuf,
    /// Seed what is there, even when something is missing
    #[arg(long)]
    partial: bool,
    /// Stop when so many bytes were sent for each byte of the torrent
    #[arg(long, value_name = "RATIO", env = "RIVERRUN_SEED_RATIO")]
    seed_ratio: Option<f64>,
    /// Stop after this time, such as 90m or 1d
    #[arg(long, value_name = "TIME", env = "RIVERRUN_SEED_TIME", value_parser = units::parse_time)]
    seed_time: Option<Duration>,
    /// Believe what an earlier run verified where the files did not change since
    #[arg(long)]
    no_verify: bool,
    /// Print events and progress as JSON, one object a line
    #[arg(long, env = "RIVERRUN_JSON")]
    json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let torrent = source::load(&options.file)?;
    if let Some(obstacle) = torrent.info().obstacle() {
        return Err(Failure::new(Code::BadTorrent, format!("{}: {obstacle}", options.file)));
    }
    session::run(async {
        let client = options.client.start()?;
        let events = client.events();
        let existing = if options.no_verify { Existing::Auto } else { Existing::Check };
        let mut add = options.client.dress(AddTorrent::metainfo(torrent))?;
        add = add.output(&options.data).existing(existing).read_only();
        let goal = options.seed_ratio.is_some() || options.seed_time.is_some();
        if goal {
            let mut wanted = SeedGoal::none();
            (wanted.ratio, wanted.time) = (options.seed_ratio, options.seed_time);
            add = add.seed_goal(wanted);
        }
        let torrent = client.add(add).await.map_err(|error| session::failure(&error))?;
        session::checked(&torrent, options.partial).await?;
        session::announce_start(&client, &torrent, global.quiet || options.json);
        let until = if goal { Until::Goal } else { Until::Interrupted };
        Watch::new(client, vec![torrent], until).json(options.json).quiet(global.quiet).run(events).await
    })
}
