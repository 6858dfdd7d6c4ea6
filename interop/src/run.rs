//! One run: what to install, where to work, which cells, and how they ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cell::{Cell, Context};
use crate::counterparts::riverrun;
use crate::data::Store;
use crate::report::{self, Outcome, Row};
use crate::{Args, Result, cells, sandbox};

/// How often a cell is tried before it counts as failed.
const TRIES: usize = 3;
/// A cell that has taken so long with its tries is not tried again.
const ENOUGH: Duration = Duration::from_secs(130);
/// Longer than any cell takes, however slow the machine; what hangs past it ends the run.
const HANG: Duration = Duration::from_secs(600);

/// Runs what was asked for; whether it all passed.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = choose(args)?;
    if args.list {
        for cell in &cells {
            println!("{:<52} {}", cell.name, cell.about);
        }
        return Ok(true);
    }
    let missing = missing(&cells)?;
    if !sandbox::inside() {
        sandbox::enter(&missing)?;
    }
    let dir = workplace()?;
    let store = Store::new(dir.clone(), riverrun::program()?);
    let work =
        Work { cells: &cells, missing, store: &store, dir: &dir, keep: args.keep, rows: Mutex::default() };
    watch(&work, args.jobs.max(1))?;
    let rows = work.rows.into_inner().map_err(|_| "a cell panicked")?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    if args.keep {
        println!("kept: {}", dir.display());
    } else {
        std::fs::remove_dir_all(&dir)?;
    }
    if args.table {
        report::write_table(&rows)?;
    }
    Ok(report::close(&rows, args.all))
}

fn choose(args: &Args) -> Result<Vec<Cell>> {
    let named = |cell: &Cell, patterns: &[String]| patterns.iter().any(|pattern| cell.name.contains(pattern));
    let wanted = |cell: &Cell| (args.only.is_empty() || named(cell, &args.only)) && !named(cell, &args.skip);
    let mut cells = cells::all();
    if !args.only.is_empty() {
        cells.extend(cells::drivers());
    }
    cells.retain(wanted);
    if cells.is_empty() {
        return Err("no cell has such a name; see --list".into());
    }
    // Those that want the machine to themselves come first.
    cells.sort_by_key(|cell| !cell.alone);
    Ok(cells)
}

/// Installs what the cells need; what cannot be had, with the reason. What could not be had outside is not tried again.
fn missing(cells: &[Cell]) -> Result<HashMap<String, String>> {
    let outside = sandbox::missing_outside()?;
    let mut answers: HashMap<&'static str, Option<String>> = HashMap::new();
    for need in cells.iter().flat_map(|cell| &cell.needs) {
        let install = || need.install().err().map(|error| error.to_string());
        let answer = || outside.get(need.name()).cloned().or_else(install);
        answers.entry(need.name()).or_insert_with(answer);
    }
    Ok(answers.into_iter().filter_map(|(name, answer)| Some((name.to_owned(), answer?))).collect())
}

/// A new directory, in memory where there is enough of it.
fn workplace() -> Result<PathBuf> {
    let name =
        format!("riverrun-interop-{}-{}", std::process::id(), std::time::UNIX_EPOCH.elapsed()?.as_millis());
    let parent = [PathBuf::from("/dev/shm"), std::env::temp_dir()]
        .into_iter()
        .find(|dir| free_bytes(dir).is_some_and(|free| free > 6 << 30))
        .ok_or("neither /dev/shm nor the temporary directory has 6 GiB free")?;
    let dir = parent.join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

struct Work<'a> {
    cells: &'a [Cell],
    missing: HashMap<String, String>,
    store: &'a Store,
    dir: &'a Path,
    keep: bool,
    /// By place in `cells`.
    rows: Mutex<Vec<Option<Row>>>,
}

/// Runs the cells on `jobs` threads, and ends everything if one of them hangs.
fn watch(work: &Work<'_>, jobs: usize) -> Result {
    work.rows.lock().map_err(|_| "poisoned")?.resize_with(work.cells.len(), || None);
    let alone = work.cells.iter().take_while(|cell| cell.alone).count();
    let started: Vec<Mutex<Option<Instant>>> = work.cells.iter().map(|_| Mutex::new(None)).collect();
    let worker = |next: &AtomicUsize, end: usize| {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= end {
                return;
            }
            if let Ok(mut at) = started[n].lock() {
                *at = Some(Instant::now());
            }
            work.one(n);
            if let Ok(mut at) = started[n].lock() {
                *at = None;
            }
        }
    };
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let first = AtomicUsize::new(0);
        let rest = AtomicUsize::new(alone);
        let (worker, done) = (&worker, &done);
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(200));
                for (cell, at) in work.cells.iter().zip(&started) {
                    let hangs = at.lock().is_ok_and(|at| at.is_some_and(|at| at.elapsed() > HANG));
                    if hangs {
                        println!("{} hangs: the run ends here\n0 passed, 1 failed", cell.name);
                        std::process::exit(1);
                    }
                }
            }
        });
        worker(&first, alone);
        std::thread::scope(|inner| {
            for _ in 0..jobs {
                inner.spawn(|| worker(&rest, work.cells.len()));
            }
        });
        done.store(1, Ordering::Relaxed);
    });
    Ok(())
}

impl Work<'_> {
    /// Runs a cell, and again where it failed: a counterpart may stumble over a busy machine, a defect of ours stays. Each
    /// failed try is shown.
    fn persistently(&self, cell: &Cell, dir: &Path) -> Outcome {
        let start = Instant::now();
        for attempt in 1..TRIES {
            match self.within(cell, dir) {
                Outcome::Failed(reason) if start.elapsed() < ENOUGH => {
                    println!("try {attempt} of {}: {reason}", cell.name)
                }
                outcome => return outcome,
            }
            let _ = std::fs::remove_dir_all(dir);
        }
        self.within(cell, dir)
    }

    fn one(&self, n: usize) {
        let cell = &self.cells[n];
        let dir = self.dir.join("cells").join(cell.name.replace('/', "_"));
        let start = Instant::now();
        let absent = cell.needs.iter().find_map(|need| self.missing.get(need.name()));
        let outcome = match absent {
            Some(reason) => Outcome::NotRun(reason.clone()),
            None => self.persistently(cell, &dir),
        };
        let row = Row { name: cell.name.clone(), about: cell.about.clone(), took: start.elapsed(), outcome };
        report::line(&row);
        if matches!(row.outcome, Outcome::Failed(_)) {
            report::logs(&dir);
        }
        if !self.keep {
            // What a cell leaves behind takes room from the later ones.
            let _ = std::fs::remove_dir_all(&dir);
        }
        if let Ok(mut rows) = self.rows.lock() {
            rows[n] = Some(row);
        }
    }

    fn within(&self, cell: &Cell, dir: &Path) -> Outcome {
        let context = Context { store: self.store, dir: dir.to_owned() };
        let ran = std::fs::create_dir_all(dir).map_err(Into::into).and_then(|()| (cell.run)(&context));
        match ran {
            Ok(note) => Outcome::Passed(note),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
