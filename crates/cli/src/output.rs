//! Data on stdout, words on stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::exit::{Code, Failure};

/// The number of the shape of every JSON object that this program prints. It grows when a field changes its meaning or
/// goes; new fields may come without it.
pub(crate) const SCHEMA: u32 = 1;

/// Whether the reader of stdout has gone.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Whether the reader of stdout has gone (`| head`). Nothing is written then; what still matters is how the work ends.
pub(crate) fn reader_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// An error where the reader of stdout has gone: for commands whose output is all they are for and that would go on.
pub(crate) fn heed_reader() -> Result<(), Failure> {
    let gone = || Failure::new(Code::OutputClosed, "nobody reads stdout any more");
    if reader_gone() { Err(gone()) } else { Ok(()) }
}

/// Writes one line to stdout, unless its reader has gone.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    bytes(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes bytes to stdout, unless its reader has gone.
pub(crate) fn bytes(data: &[u8]) -> Result<(), Failure> {
    if reader_gone() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(Failure::io("stdout", &error)),
    }
}

/// Writes one JSON object as one line, with the schema number first.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    line(json_text(value)?)
}

/// One JSON object as text, with the schema number first.
pub(crate) fn json_text<T: Serialize>(value: &T) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        schema: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    serde_json::to_string(&Tagged { schema: SCHEMA, value })
        .map_err(|error| Failure::new(Code::Other, format!("cannot print JSON: {error}")))
}

/// Writes bytes to a file, or to stdout for `-`. Bytes that are no text are not poured over a terminal.
pub(crate) fn to_file_or_stdout(path: &str, data: &[u8]) -> Result<(), Failure> {
    if path != "-" {
        return replace_file(path, data);
    }
    refuse_terminal()?;
    bytes(data)
}

/// Writes a file that must not be there yet, unless `force`; or to stdout for `-`.
pub(crate) fn new_file(path: &str, data: &[u8], force: bool) -> Result<(), Failure> {
    if path == "-" || force {
        return to_file_or_stdout(path, data);
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => Failure::io(path, &error),
        }
    })?;
    file.write_all(data).map_err(|error| {
        // Half a file helps nobody; the failure itself is told.
        let _ = std::fs::remove_file(path);
        Failure::io(path, &error)
    })
}

/// Replaces a file at once or not at all. Pipes and devices are written to.
pub(crate) fn replace_file(path: &str, data: &[u8]) -> Result<(), Failure> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    if target.metadata().is_ok_and(|meta| !meta.is_file()) {
        return std::fs::write(&target, data).map_err(|error| Failure::io(path, &error));
    }
    storage::replace_file(&target, data).map_err(|error| Failure::io(path, &error))
}

/// An error where stdout is a terminal.
pub(crate) fn refuse_terminal() -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage(
            "will not write binary data to a terminal; name a file or redirect stdout",
        ));
    }
    Ok(())
}

fn exists(path: &str) -> Failure {
    Failure::usage(format!("{path} exists; --force replaces it"))
}

/// An error where `path` exists and may not be replaced.
pub(crate) fn refuse_to_replace(path: &str, force: bool) -> Result<(), Failure> {
    if path != "-" && !force && std::path::Path::new(path).symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

/// An error where something on the way to the directory that `option` names is no directory: nothing could ever be written.
pub(crate) fn check_dir(option: &str, dir: &Path) -> Result<(), Failure> {
    let first_there = dir.ancestors().find_map(|path| Some((path, path.metadata().ok()?)));
    match first_there {
        Some((path, meta)) if !meta.is_dir() => Err(Failure::usage(format!(
            "{option} {}: {} is no directory; name the directory to write into",
            dir.display(),
            if path == dir { "this".to_owned() } else { path.display().to_string() }
        ))),
        _ => Ok(()),
    }
}

/// A stranger's words, fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// Whether `-q` was given.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are told.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Words for the person at the keyboard; none where they asked for quiet.
pub(crate) fn say(text: impl AsRef<str>) {
    if !QUIET.load(Ordering::Relaxed) {
        complain(text);
    }
}

/// Words about what went wrong, and those that were asked for with `--log`: they are always told.
pub(crate) fn complain(text: impl AsRef<str>) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}
