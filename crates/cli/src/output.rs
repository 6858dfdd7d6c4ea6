//! Data on stdout, words on stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::exit::{Code, Failure};

/// The number of the shape of every JSON object that this program prints. It grows when a field changes its meaning or
/// goes; new fields may come without it.
pub(crate) const SCHEMA: u32 = 1;

/// Writes one line to stdout. A reader that has gone (`| head`) ends the program quietly.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    bytes(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes bytes to stdout.
pub(crate) fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::io("stdout", &error)),
    }
}

/// Writes one JSON object as one line, with the schema number first.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        schema: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    let text = serde_json::to_string(&Tagged { schema: SCHEMA, value })
        .map_err(|error| Failure::new(Code::Other, format!("cannot print JSON: {error}")))?;
    line(text)
}

/// Writes bytes to a file, or to stdout for `-`. Bytes that are no text are not poured over a terminal.
pub(crate) fn to_file_or_stdout(path: &str, data: &[u8]) -> Result<(), Failure> {
    if path != "-" {
        return std::fs::write(path, data).map_err(|error| Failure::io(path, &error));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::usage("will not write a torrent to a terminal; name a file or redirect stdout"));
    }
    bytes(data)
}

/// An error where `path` exists and may not be replaced.
pub(crate) fn refuse_to_replace(path: &str, force: bool) -> Result<(), Failure> {
    if path != "-" && !force && std::path::Path::new(path).symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{path} exists; --force replaces it")));
    }
    Ok(())
}

/// A stranger's words, fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// Words for the person at the keyboard.
pub(crate) fn say(text: impl AsRef<str>) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}
