//! One run: the payload, the peers, the rows, all in turns.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::home::Home;
use crate::journal::{Journal, Outcome};
use crate::payload::{PIECE, Payload};
use crate::peers::{self, Format, Job, Peer, Timed};
use crate::report::{Report, Series};
use crate::rows::{self, Row};
use crate::{Result, plot, proc, sandbox};

/// The smallest payload: as many pieces as the floor takes side by side.
const LEAST: usize = 16;
/// Who takes longer is asked once.
const VERY_SLOW: Duration = Duration::from_secs(30);

/// What all rows share.
pub(crate) struct Bench {
    home: Home,
    /// The directory that holds the payload.
    pub(crate) data: PathBuf,
    /// Its torrent, v1.
    pub(crate) torrent: PathBuf,
    /// And v2.
    torrent_v2: PathBuf,
    hash: String,
    /// Its length.
    pub(crate) pieces: usize,
    /// Its bytes.
    pub(crate) payload: Payload,
    places: AtomicUsize,
}

/// `bench run`.
pub(crate) fn run(args: &Args) -> Result {
    args.only(&["rounds", "size", "rows", "peers", "out", "note", "journal"])?;
    let (rounds, mib) = (args.find("rounds")?.unwrap_or(5), args.find("size")?.unwrap_or(2048));
    // The floor takes sixteen pieces of a MiB at a time, and leaves out what is no whole row of them.
    if rounds == 0 || mib < LEAST || !mib.is_multiple_of(16) {
        return Err(format!("--rounds is 1 or more, --size a multiple of 16 MiB, {LEAST} or more").into());
    }
    let rows = choose(rows::ALL, args.find("rows")?, |row| row.name())?;
    let peers = choose(peers::ALL, args.find("peers")?, |peer| peer.name())?;
    // Outside the walls, where what is missing can be fetched.
    let (peers, versions) = installed(peers)?;
    if !sandbox::inside() {
        sandbox::enter()?;
    }
    let out = args.find::<PathBuf>("out")?.unwrap_or_else(|| peers::here("RESULTS.md"));
    writable(&out)?;
    let versions: Vec<(&str, String)> = peers.iter().map(|peer| peer.name()).zip(versions).collect();
    // A program that was built anew is another one.
    let ours = std::fs::read(peers::riverrun::program()?)?;
    let built = u32::from_be_bytes(hash::sha1(&ours)[..4].try_into()?);
    let run = format!("{mib} MiB; {built:08x}; {versions:?}; {}", crate::report::machine().trim());
    let journal = args.find::<PathBuf>("journal")?;
    let mut journal = journal.map_or_else(|| Ok(Journal::default()), |path| Journal::open(&path, &run))?;
    let bench = Bench::new(mib)?;
    let mut report = Report::new(rounds, mib, versions);
    for row in rows {
        let series = measure(&bench, &mut journal, row, &peers, rounds)?;
        report.row(row, &series);
        if let Some(curve) = row.curve() {
            let picture = out.with_file_name(format!("plots/{}.svg", row.name()));
            // The table says the same.
            if let Err(error) = plot::draw(&picture, row, &curve, &series) {
                eprintln!("{}: {error}", picture.display());
            }
        }
    }
    if let Some(note) = args.find::<String>("note")? {
        report.note(&note);
    }
    let text = report.text().replace(&*bench.home.dir.to_string_lossy(), "DIR");
    print!("{text}");
    std::fs::write(&out, text).map_err(|error| format!("{}: {error}", out.display()).into())
}

/// The clients that are there, with their versions. One that can't be had is left out, with a word; ours must be there.
fn installed(peers: Vec<&'static dyn Peer>) -> Result<(Vec<&'static dyn Peer>, Vec<String>)> {
    let (mut there, mut versions) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer.install() {
            Ok(version) => {
                there.push(peer);
                versions.push(version);
            }
            Err(error) if peer.name() == "riverrun" => return Err(error),
            Err(error) => eprintln!("{} takes no part: {error}", peer.name()),
        }
    }
    Ok((there, versions))
}

/// Whether the results can be written, before hours are spent on them.
fn writable(out: &Path) -> Result {
    let there = out.exists();
    let file = std::fs::File::options().create(true).append(true).open(out);
    file.map_err(|error| format!("{}: {error}", out.display()))?;
    if !there {
        std::fs::remove_file(out)?;
    }
    Ok(())
}

/// How a command is shown: programs and directories of this machine have short names.
fn shown(bench: &Bench, command: &str) -> String {
    let cache = peers::cache().unwrap_or_default();
    let here = peers::here("");
    let short = [(&bench.home.dir, "DIR"), (&cache, "CACHE"), (&here, "bench/")];
    let short = short.into_iter().filter(|(path, _)| !path.as_os_str().is_empty());
    short.fold(command.to_owned(), |text, (path, name)| text.replace(&*path.to_string_lossy(), name))
}

/// Those of a comma-separated list, or all.
fn choose<T: Copy>(all: &[T], wanted: Option<String>, name: impl Fn(T) -> &'static str) -> Result<Vec<T>> {
    let Some(wanted) = wanted else { return Ok(all.to_vec()) };
    let find = |word: &str| {
        all.iter()
            .copied()
            .find(|item| name(*item) == word)
            .ok_or_else(|| format!("there is no `{word}`").into())
    };
    wanted.split(',').map(find).collect()
}

/// All peers in turns, after one round that does not count. Who fails is not asked again.
fn measure(
    bench: &Bench,
    journal: &mut Journal,
    row: &dyn Row,
    peers: &[&dyn Peer],
    rounds: usize,
) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = peers.iter().map(|peer| Series::new(peer.name())).collect();
    for round in 0..=rounds {
        for (peer, series) in peers.iter().zip(&mut series) {
            if series.over {
                continue;
            }
            let outcome = journal.outcome((row.name(), round, peer.name()), || {
                let start = Instant::now();
                proc::take_command();
                let result = row.measure(bench, *peer, round == 0).map_err(|error| error.to_string());
                let command = shown(bench, &proc::take_command());
                Outcome { seconds: start.elapsed().as_secs_f64(), result, command }
            })?;
            if series.command.is_empty() {
                series.command = outcome.command;
            }
            match outcome.result {
                Ok(Some(values)) => {
                    let (name, peer, took) = (row.name(), peer.name(), outcome.seconds);
                    eprintln!("{name} {round}/{rounds} {peer}: {values:.3?} ({took:.1} s)");
                    // The first round is one of getting warm, if it can be afforded.
                    let very_slow = took > VERY_SLOW.as_secs_f64();
                    if values.len() == row.columns().len() && (round > 0 || very_slow) {
                        series.rounds.push(values);
                    }
                    series.over = very_slow || round > 0 && took > row.patience().as_secs_f64();
                }
                Ok(None) => series.over = true,
                Err(error) => {
                    eprintln!("{} {round}/{rounds} {}: {error}", row.name(), peer.name());
                    (series.over, series.error) = (true, Some(error));
                }
            }
        }
    }
    Ok(series)
}

impl Bench {
    fn new(mib: usize) -> Result<Bench> {
        let home = Home::new(mib)?;
        let dir = &home.dir;
        let (data, torrent, payload) = (dir.join("data"), dir.join("payload.torrent"), Payload::new());
        std::fs::create_dir_all(&data)?;
        payload.write(&data.join("payload"), mib)?;
        let program = peers::ALL[0];
        let torrent_v2 = dir.join("payload-v2.torrent");
        for (format, torrent) in [(Format::V1, &torrent), (Format::V2, &torrent_v2)] {
            let timed = program.create(format, &data.join("payload"), torrent)?.ok_or("we make torrents")?;
            proc::output(&mut { timed.command })?;
        }
        let mut show =
            Command::new(std::env::var_os("RIVERRUN_TORRENT").ok_or("RIVERRUN_TORRENT names no program")?);
        let said = proc::output(show.arg("metainfo").arg(&torrent).arg("infohash"))?;
        let hash = said.split_whitespace().find(|word| word.len() == 40).ok_or("no info hash")?.to_owned();
        Ok(Bench {
            home,
            data,
            torrent,
            torrent_v2,
            hash,
            pieces: mib * (1 << 20) / PIECE,
            payload,
            places: AtomicUsize::new(0),
        })
    }

    /// The payload's torrent.
    pub(crate) fn torrent(&self, format: Format) -> &Path {
        if format == Format::V1 { &self.torrent } else { &self.torrent_v2 }
    }

    /// A directory with the payload on a disk, of which nothing is in memory.
    pub(crate) fn cold(&self) -> Result<&Path> {
        let dir = self.home.disk()?;
        if !dir.join("payload").exists() {
            std::fs::copy(self.data.join("payload"), dir.join("payload"))?;
        }
        let file = std::fs::File::open(dir.join("payload"))?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(dir)
    }

    /// The length of the payload.
    pub(crate) fn gib(&self) -> f64 {
        (self.pieces * PIECE) as f64 / f64::from(1 << 30)
    }

    /// A directory for one measurement.
    pub(crate) fn place(&self) -> Result<Place> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let dir = self.home.dir.join(format!("place-{number}"));
        std::fs::create_dir_all(&dir)?;
        Ok(Place { dir, stays: false })
    }

    /// A directory on a disk. It stays until the run ends: after ten thousand files were removed ext4 looks for other inodes
    /// for a minute, which would be held against who makes files next.
    pub(crate) fn place_on_disk(&self) -> Result<Place> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let dir = self.home.disk()?.join(format!("place-{number}"));
        std::fs::create_dir_all(&dir)?;
        Ok(Place { dir, stays: true })
    }

    /// What a client is told; each time with another port, so that nothing lingers from before.
    pub(crate) fn job<'a>(&'a self, dir: &'a Path, scratch: &'a Path) -> Result<Job<'a>> {
        let port = 20_000 + u16::try_from(self.places.load(Ordering::Relaxed) % 10_000)?;
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Job { torrent: &self.torrent, hash: &self.hash, pieces: self.pieces, dir, listen, scratch })
    }

    /// The load generator's command.
    pub(crate) fn load(
        &self,
        verb: &str,
        job: &Job<'_>,
        connections: usize,
        liars: usize,
    ) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", verb, "--to", &job.listen.to_string(), "--hash", &self.hash]);
        command.args(["--pieces", &self.pieces.to_string(), "--connections", &connections.to_string()]);
        command.args(["--liars", &liars.to_string()]);
        Ok(command)
    }

    /// CPU-seconds for each GiB, seconds and GB/s of one piece of work.
    pub(crate) fn timed(&self, timed: Timed) -> Result<Vec<f64>> {
        let (wall, cpu);
        if timed.tells {
            let said = proc::output(&mut { timed.command })?;
            let mut numbers = said.split_whitespace().map(str::parse::<f64>);
            let (Some(Ok(w)), Some(Ok(c))) = (numbers.next(), numbers.next()) else {
                return Err(said.into());
            };
            (wall, cpu) = (w, c);
        } else {
            let place = self.place()?;
            let start = Instant::now();
            let mut program = proc::Program::start(timed.command, &place.path("log"))?;
            while !program.ended()? {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            (wall, cpu) = (start.elapsed().as_secs_f64(), program.cpu()?);
            if !program.success()? {
                return Err(std::fs::read_to_string(place.path("log"))?.into());
            }
        }
        Ok(vec![cpu / self.gib(), wall, self.gib() * 1.073_741_824 / wall])
    }
}

/// A directory that goes with the value, or with the run.
pub(crate) struct Place {
    dir: PathBuf,
    stays: bool,
}

impl Place {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn sub(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.stays {
            // The directory above goes with the run.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
