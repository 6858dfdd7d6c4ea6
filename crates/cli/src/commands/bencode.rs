//! `torrent bencode`: what is inside bencoded data.

use std::fmt::Write;

use bencode::{Kind, Node, Options};
use clap::Subcommand;
use serde_json::{Map, Value};

use crate::describe::hex;
use crate::exit::{Code, Failure};
use crate::{output, source};

/// Show bencoded data as JSON or as an indented text
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// One JSON value for each bencoded value; bytes that are no text become {"hex": ...}
    Json {
        /// A file, or `-` for stdin
        #[arg(default_value = "-")]
        file: String,
    },
    /// An indented text with offsets
    Pretty {
        /// A file, or `-` for stdin
        #[arg(default_value = "-")]
        file: String,
    },
}

/// JSON text nests by recursion, so that depth is bounded for it.
const DEPTH: usize = 100;

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let (Command::Json { file } | Command::Pretty { file }) = command;
    let bytes = source::read(file)?;
    let options = Options::lenient().max_depth(DEPTH).max_len(types::limits::METAINFO_LEN).trailing(true);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        // Files often end with a line feed.
        if rest.iter().all(u8::is_ascii_whitespace) {
            break;
        }
        let document = bencode::parse(rest, &options).map_err(|error| {
            Failure::new(Code::BadTorrent, format!("{file}: value at byte {at}: {error}"))
        })?;
        match command {
            Command::Json { .. } => output::line(json(document.root()).to_string())?,
            Command::Pretty { .. } => {
                let mut text = String::new();
                pretty(document.root(), at, 0, &mut text);
                output::line(text)?;
            }
        }
        at += document.consumed();
    }
    Ok(())
}

/// The JSON form of a value. Byte strings that are no UTF-8 keep every byte as hexadecimal digits.
pub(crate) fn json(node: Node<'_, '_>) -> Value {
    if let Some(list) = node.as_list() {
        return Value::Array(list.map(json).collect());
    }
    if let Some(dict) = node.as_dict() {
        return Value::Object(dict.map(|(key, value)| (key_text(key), json(value))).collect());
    }
    if let Some(number) = node.as_int() {
        return Value::from(number);
    }
    match (node.as_bytes(), node.int_text()) {
        (Some(bytes), _) => bytes_json(bytes),
        (None, digits) => Value::String(String::from_utf8_lossy(digits.unwrap_or_default()).into_owned()),
    }
}

fn bytes_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::Object(Map::from_iter([("hex".to_owned(), Value::String(hex(bytes)))])),
    }
}

fn key_text(key: &[u8]) -> String {
    std::str::from_utf8(key).map_or_else(|_| format!("hex:{}", hex(key)), str::to_owned)
}

fn pretty(node: Node<'_, '_>, base: usize, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth + 1);
    let end = "  ".repeat(depth);
    let _ = match node.kind() {
        Kind::List => {
            let _ = writeln!(out, "[  # at {}", base + node.offset());
            for item in node.as_list().into_iter().flatten() {
                out.push_str(&pad);
                pretty(item, base, depth + 1, out);
                out.push('\n');
            }
            write!(out, "{end}]")
        }
        Kind::Dict => {
            let _ = writeln!(out, "{{  # at {}", base + node.offset());
            for (key, value) in node.as_dict().into_iter().flatten() {
                let _ = write!(out, "{pad}{:?}: ", key_text(key));
                pretty(value, base, depth + 1, out);
                out.push('\n');
            }
            write!(out, "{end}}}")
        }
        _ => match node.as_bytes() {
            Some(bytes) => write_bytes(bytes, out),
            None => out.write_str(&String::from_utf8_lossy(node.int_text().unwrap_or_default())),
        },
    };
}

fn write_bytes(bytes: &[u8], out: &mut String) -> std::fmt::Result {
    const SHOWN: usize = 40;
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= 2_000 => write!(out, "{text:?}"),
        _ => {
            let dots = if bytes.len() > SHOWN { "..." } else { "" };
            write!(out, "<{} bytes: {}{dots}>", bytes.len(), hex(&bytes[..bytes.len().min(SHOWN)]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_every_byte() {
        let document = bencode::parse(b"d1:ai-1e1:bl2:\xff\x002:oke1:\xfei0ee", &Options::strict()).unwrap();
        let text = json(document.root()).to_string();
        assert_eq!(text, r#"{"a":-1,"b":[{"hex":"ff00"},"ok"],"hex:fe":0}"#);
    }
}
