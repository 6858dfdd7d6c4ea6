//! `torrent demo`: the main job in one minute, without the internet.

use std::io::Write;
use std::path::Path;

use clap::Args;
use metainfo::Metainfo;
use metainfo::create::Builder;
use net::tracker_server::TrackerServer;
use riverrun::{AddTorrent, Client, ClientBuilder, Existing};
use storage::{Effort, Progress, WalkOptions, make_torrent, walk};
use types::Rng;

use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::session::{self, Stop, Until, Watch};
use crate::{output, units};

/// Show a download on this machine alone: a tracker, a seeder and a downloader on loopback
///
/// Random data is made, seeded, found through the tracker, downloaded with a progress bar, and compared. Nothing leaves
/// this machine, and everything is removed afterwards.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How much data
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = units::parse_size)]
    size: u64,
    /// Most bytes received in a second; 0 is no limit
    #[arg(long, value_name = "RATE", default_value = "100MB", value_parser = units::parse_rate)]
    rate: u64,
    /// Keep the files in this directory, which must be empty or new
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    let dir = match &options.keep {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("riverrun-demo-{}", std::process::id())),
    };
    let occupied = std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Failure::usage(format!("{}: there is something here already", dir.display())));
    }
    let outcome = session::run(|stop| show(options, global, &dir, stop));
    if options.keep.is_none() {
        std::fs::remove_dir_all(&dir).map_err(|error| Failure::io(dir.display(), &error))?;
    }
    outcome
}

async fn show(options: &Options, global: &Global, dir: &Path, stop: Stop) -> Result<(), Failure> {
    let say = |text: String| {
        if !global.quiet {
            output::say(text)
        }
    };
    let (seeds, downloads) = (dir.join("seeder"), dir.join("downloader"));
    say(format!("making {} of random data", units::size(options.size)));
    let payload = seeds.join("demo.bin");
    make(&payload, options.size).map_err(|error| Failure::io(payload.display(), &error))?;

    let local = ([127, 0, 0, 1], 0).into();
    let tracker = TrackerServer::bind(Some(local), None, Default::default())
        .await
        .map_err(|error| Failure::new(Code::Network, error))?;
    let url = tracker.http_addr().map(|addr| format!("http://{addr}/announce")).unwrap_or_default();
    let torrent = describe(&payload, &url)?;
    say(format!("tracker on {url}"));

    let seeder = client().build().map_err(|error| session::failure(&error))?;
    let add = AddTorrent::metainfo(torrent.clone()).output(&seeds).existing(Existing::Check).read_only();
    let seeded = seeder.add(add).await.map_err(|error| session::failure(&error))?;
    session::checked(&seeded, false).await?;
    session::announce_start(&seeder, &seeded, global.quiet);

    let rate = (options.rate > 0).then_some(options.rate);
    let leecher = client().download_rate(rate).build().map_err(|error| session::failure(&error))?;
    let events = leecher.events();
    let add = AddTorrent::metainfo(torrent).output(&downloads);
    let download = leecher.add(add).await.map_err(|error| session::failure(&error))?;
    Watch::new(leecher, vec![download], Until::Complete, stop).quiet(global.quiet).run(events).await?;
    seeder.close().await;
    drop(tracker);
    compare(&payload, &downloads.join("demo.bin"))?;
    say(format!("downloaded and verified: both files are the same {} bytes", options.size));
    Ok(())
}

/// A client on loopback alone.
fn client() -> ClientBuilder {
    Client::builder().listen([([127, 0, 0, 1], 0).into()]).ipv4_only()
}

/// Writes random bytes that repeat from run to run.
fn make(path: &Path, size: u64) -> std::io::Result<()> {
    const CHUNK: usize = 64 << 10;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::File::create(path)?;
    let mut rng = Rng::from_number(size);
    let mut left = size;
    while left > 0 {
        let chunk = rng.bytes::<CHUNK>();
        let n = left.min(CHUNK as u64) as usize;
        file.write_all(&chunk[..n])?;
        left -= n as u64;
    }
    Ok(())
}

/// The torrent of one file.
fn describe(path: &Path, tracker: &str) -> Result<Metainfo, Failure> {
    let tree = walk(path, WalkOptions::default()).map_err(Failure::make)?;
    let builder = Builder::new(&tree.name).tiers(vec![vec![tracker.to_owned()]]);
    make_torrent(&tree, builder, Effort::default(), &Progress::new()).map_err(Failure::make)
}

fn compare(a: &Path, b: &Path) -> Result<(), Failure> {
    if digest(a)? == digest(b)? {
        return Ok(());
    }
    Err(Failure::new(Code::HashMismatch, format!("{} and {} differ", a.display(), b.display())))
}

fn digest(path: &Path) -> Result<[u8; 32], Failure> {
    let fail = |error: std::io::Error| Failure::io(path.display(), &error);
    let mut file = std::fs::File::open(path).map_err(fail)?;
    let (mut hash, mut chunk) = (hash::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match std::io::Read::read(&mut file, &mut chunk).map_err(fail)? {
            0 => return Ok(hash.finalize()),
            n => hash.update(&chunk[..n]),
        }
    }
}
