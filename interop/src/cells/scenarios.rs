//! What a matrix does not show: killed and resumed, IPv6, a selection, many leechers, a full disk, Ctrl-C.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Result;
use crate::cell::{Cell, Context, Need, job, local};
use crate::counterparts::libtorrent::Libtorrent;
use crate::counterparts::riverrun::{self, Riverrun};
use crate::counterparts::{Client, Counterpart, Job, wait_complete, wait_ready};
use crate::data::{self, compare, files_below};
use crate::ports;
use crate::process::{self, TICK, until};
use crate::trackers::Kind;

const MINUTE: Duration = Duration::from_secs(60);

/// The cells.
pub(crate) fn cells() -> Vec<Cell> {
    let libtorrent = Need::Client(&Libtorrent);
    let tracked = |kind| vec![libtorrent, Need::Tracker(kind)];
    vec![
        Cell::new(
            "scenario/killed",
            "1 GiB from libtorrent, `kill -9` three times on the way",
            [libtorrent],
            killed,
        )
        .alone(),
        Cell::new(
            "scenario/ipv6/from-libtorrent",
            "a download over the IPv6 loopback",
            [libtorrent],
            |context| ipv6(context, &Libtorrent, &Riverrun),
        ),
        Cell::new("scenario/ipv6/to-libtorrent", "seeding over the IPv6 loopback", [libtorrent], |context| {
            ipv6(context, &Riverrun, &Libtorrent)
        }),
        Cell::new(
            "scenario/select",
            "some of 300 files: theirs alone, edge pieces shared",
            [libtorrent],
            select,
        ),
        Cell::new(
            "scenario/five-leechers",
            "seeding to five libtorrents at once",
            [libtorrent],
            five_leechers,
        ),
        Cell::new(
            "scenario/disk-full",
            "a disk runs full: exit code 5 or a wait, and it goes on when there is room",
            [libtorrent, Need::Mounts],
            disk_full,
        ),
        Cell::new(
            "scenario/ctrl-c/riverrun",
            "Ctrl-C once: `stopped` reaches our tracker",
            tracked(Kind::Riverrun),
            |c| ctrl_c(c, Kind::Riverrun),
        ),
        Cell::new(
            "scenario/ctrl-c/opentracker",
            "Ctrl-C once: `stopped` reaches opentracker",
            tracked(Kind::Opentracker),
            |context| ctrl_c(context, Kind::Opentracker),
        ),
    ]
}

/// libtorrent as a seed that sends at most `rate` bytes a second.
fn slow_seed(
    context: &Context<'_>,
    torrent: &crate::cell::Torrent,
    at: SocketAddr,
    rate: u64,
) -> Result<Box<dyn Client>> {
    let scratch = context.sub("seed")?;
    let mut seed = Libtorrent.start(&Job {
        seed: true,
        up_rate: rate,
        ..job(torrent, &torrent.data.dir, at, &[], &scratch)
    })?;
    wait_ready(seed.as_mut())?;
    Ok(seed)
}

fn killed(context: &Context<'_>) -> Result<String> {
    const MB: u64 = 1_000_000;
    let torrent = context.torrent(data::named("one-gib")?, &[])?;
    let (seed_at, dir) = (local()?, context.sub("downloaded")?);
    let mut seed = slow_seed(context, &torrent, seed_at, 60 * MB)?;
    let mut sent = Vec::new();
    for goal in [200 * MB, 500 * MB, 800 * MB] {
        // The same scratch directory each time: what it remembers of the run before is there.
        let scratch = context.sub("leech")?;
        let mut leech = Riverrun.start(&job(&torrent, &dir, local()?, &[seed_at], &scratch))?;
        until(3 * MINUTE, "enough to be sent", || {
            if leech.state()?.complete {
                return Err("it was complete before it could be killed".into());
            }
            Ok(seed.state()?.up >= goal)
        })?;
        leech.process().signal(Signal::KILL)?;
        leech.process().wait(MINUTE)?;
        sent.push(seed.state()?.up / MB);
    }
    let scratch = context.sub("leech")?;
    let mut leech = Riverrun.start(&job(&torrent, &dir, local()?, &[seed_at], &scratch))?;
    wait_complete(leech.as_mut(), 5 * MINUTE)?;
    torrent.data.compare_exactly(&dir)?;
    std::thread::sleep(10 * TICK);
    let (up, len) = (seed.state()?.up, torrent.data.len());
    let twice = 100.0 * (up as f64 - len as f64) / len as f64;
    let note = format!("killed at {sent:?} MB; {twice:.2} % fetched twice");
    if twice >= 5.0 { Err(note.into()) } else { Ok(note) }
}

fn ipv6(context: &Context<'_>, seeder: &dyn Counterpart, leecher: &dyn Counterpart) -> Result<String> {
    let torrent = context.torrent(data::named("piece-1m")?, &[])?;
    let at =
        || -> Result<SocketAddr> { Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), ports::free()?)) };
    let (seed_at, dir) = (at()?, context.sub("downloaded")?);
    let mut seed = context.seed(seeder, &torrent, seed_at, &[])?;
    wait_ready(seed.as_mut())?;
    let mut leech = context.leech(leecher, &torrent, &dir, at()?, &[seed_at])?;
    wait_complete(leech.as_mut(), MINUTE)?;
    torrent.data.compare(&dir, true)?;
    Ok(String::new())
}

fn select(context: &Context<'_>) -> Result<String> {
    let shape = data::named("many")?;
    let torrent = context.torrent(shape, &[])?;
    let (seed_at, dir) = (local()?, context.sub("downloaded")?);
    let mut seed = context.seed(&Libtorrent, &torrent, seed_at, &[])?;
    wait_ready(seed.as_mut())?;
    // By the ends of their paths, so that neighbours in a piece are not chosen with them.
    let chosen = ["*/03/**", "*é*/*.bin", "1?5*"];
    let listed = process::run(
        Command::new(riverrun::program()?)
            .arg("download")
            .arg(&torrent.path)
            .arg("--list")
            .args(selecting(&chosen)),
    )?;
    let scratch = context.sub("leech")?;
    let job = job(&torrent, &dir, local()?, std::slice::from_ref(&seed_at), &scratch);
    let mut leech = riverrun::start(&job, &selecting(&chosen))?;
    wait_complete(leech.as_mut(), MINUTE)?;
    let root = torrent.data.root.file_name().ok_or("no root")?;
    let there = files_below(&dir)?;
    let (mut whole, mut bytes) = (0, 0);
    for path in &there {
        if parts(path) {
            continue;
        }
        let expected = torrent.data.files.iter().find(|file| file.path == *path);
        let expected = expected.ok_or_else(|| format!("{} is no part of the torrent", path.display()))?;
        let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if !fits(&relative) {
            return Err(format!("{relative} was not chosen and is there").into());
        }
        compare(&dir.join(path), expected)?;
        whole += 1;
        bytes += expected.len;
    }
    let wanted = torrent.data.files.iter().filter_map(|file| file.path.strip_prefix(root).ok());
    let wanted = wanted.filter(|path| fits(&path.to_string_lossy())).count();
    if whole != wanted || wanted == 0 {
        return Err(format!("{whole} files are there, {wanted} were chosen\n{listed}").into());
    }
    Ok(format!("{whole} files, {bytes} bytes; {} bytes came", seed.state()?.up))
}

/// The one file that keeps the edge bytes of files that were not chosen.
fn parts(path: &std::path::Path) -> bool {
    let name = path.to_string_lossy();
    path.components().count() == 1 && name.starts_with('.') && name.ends_with(".parts")
}

fn selecting<'a>(chosen: &[&'a str]) -> Vec<&'a str> {
    chosen.iter().flat_map(|glob| ["--select", glob]).collect()
}

/// What the globs of the cell above choose, said in another way: one without a slash looks at the file's name.
fn fits(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
    let by_number = name.first() == Some(&b'1') && name.get(2) == Some(&b'5');
    path.contains("/03/") || (path.contains('é') && path.contains('/') && path.ends_with(".bin")) || by_number
}

fn five_leechers(context: &Context<'_>) -> Result<String> {
    let torrent = context.torrent(data::named("piece-16m")?, &[])?;
    let seed_at = local()?;
    let mut seed = context.seed(&Riverrun, &torrent, seed_at, &[])?;
    wait_ready(seed.as_mut())?;
    let start = Instant::now();
    let mut leechers = Vec::new();
    for n in 0..5 {
        let dir = context.sub(&format!("downloaded-{n}"))?;
        leechers.push((context.leech(&Libtorrent, &torrent, &dir, local()?, &[seed_at])?, dir));
    }
    for (leech, dir) in &mut leechers {
        wait_complete(leech.as_mut(), 2 * MINUTE)?;
        torrent.data.compare(dir, true)?;
    }
    Ok(format!(
        "5 x {:.0} MiB in {:.1} s",
        torrent.data.len() as f64 / 1_048_576.0,
        start.elapsed().as_secs_f64()
    ))
}

fn disk_full(context: &Context<'_>) -> Result<String> {
    let torrent = context.torrent(data::named("piece-1m")?, &[])?;
    let (seed_at, dir) = (local()?, context.sub("small")?);
    let mut seed = context.seed(&Libtorrent, &torrent, seed_at, &[])?;
    wait_ready(seed.as_mut())?;
    let mount = |options: &str| {
        process::run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "riverrun-interop"]).arg(&dir))
    };
    mount("size=10m")?;
    let unmount = Unmount(&dir);
    let scratch = context.sub("leech")?;
    let leech = || Riverrun.start(&job(&torrent, &dir, local()?, &[seed_at], &scratch));
    let mut first = leech()?;
    let (mut code, start) = (None, Instant::now());
    // It either ends, or waits; a wait is seen by its sentence.
    until(MINUTE, "the full disk to be noticed", || {
        code = first.process().exited()?.map(|status| status.code());
        let said = first.process().said()?.to_lowercase();
        Ok(code.is_some()
            || (said.contains("space") || said.contains("full")) && start.elapsed().as_secs() > 5)
    })?;
    mount("remount,size=100m")?;
    let how = match code {
        Some(Some(5)) => {
            let mut second = leech()?;
            wait_complete(second.as_mut(), MINUTE)?;
            "exit code 5, then resumed"
        }
        Some(other) => return Err(format!("exit code {other:?} on a full disk, not 5").into()),
        None => {
            wait_complete(first.as_mut(), 2 * MINUTE)?;
            "waited for room and went on"
        }
    };
    torrent.data.compare_exactly(&dir)?;
    let up = seed.state()?.up;
    drop((first, unmount));
    Ok(format!("{how}; {up} of {} bytes sent", torrent.data.len()))
}

/// Unmounts a directory when it goes.
struct Unmount<'a>(&'a std::path::Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

fn ctrl_c(context: &Context<'_>, kind: Kind) -> Result<String> {
    let shape = data::named("piece-1m")?;
    let tracker = kind.start(&context.store.torrent(shape)?, &context.dir)?;
    // The seed's torrent has no tracker: what the tracker knows is ours.
    let seed_at = local()?;
    let mut seed = slow_seed(context, &context.torrent(shape, &[])?, seed_at, 200_000)?;
    let torrent = context.torrent(shape, &[tracker.http()])?;
    let (dir, scratch) = (context.sub("downloaded")?, context.sub("leech")?);
    let mut leech = Riverrun.start(&job(&torrent, &dir, local()?, &[seed_at], &scratch))?;
    tracker.wait_for(false)?;
    until(MINUTE, "the first bytes", || Ok(seed.state()?.up > 100_000))?;
    leech.process().signal(Signal::INT)?;
    let start = Instant::now();
    let status = leech.process().wait(MINUTE)?;
    let took = start.elapsed();
    if status.code() != Some(130) {
        return Err(format!("Ctrl-C ended it with {status}, not exit code 130").into());
    }
    let (seeds, leechers) = tracker.peers()?;
    if (seeds, leechers) != (0, 0) {
        return Err(format!("the tracker still has {seeds} seeds and {leechers} leechers").into());
    }
    Ok(format!("ended after {:.1} s", took.as_secs_f64()))
}
