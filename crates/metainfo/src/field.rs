//! A bencoded value that knows the path of keys that leads to it, so that every complaint can name it.

use std::fmt::Write as _;

use bencode::Kind;

use crate::error::{Error, ErrorKind, Warning, WarningKind, Warnings};

/// One step of a path.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a [u8]),
    Index(usize),
}

/// A value and the way to it. The way is a chain of borrowed parents: text is made only for a complaint.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a, 'd, 'k> {
    node: bencode::Node<'a, 'd>,
    parent: Option<&'k Field<'a, 'd, 'k>>,
    step: Step<'a>,
}

impl<'a, 'd, 'k> Field<'a, 'd, 'k> {
    /// The value at the top.
    pub(crate) fn root(node: bencode::Node<'a, 'd>) -> Self {
        Field { node, parent: None, step: Step::Root }
    }

    /// A value at the top that is called `name`.
    pub(crate) fn named(node: bencode::Node<'a, 'd>, name: &'static str) -> Self {
        Field { node, parent: None, step: Step::Key(name.as_bytes()) }
    }

    pub(crate) fn node(&self) -> bencode::Node<'a, 'd> {
        self.node
    }

    /// The value of `key`, where this is a dictionary that has it.
    pub(crate) fn get<'s>(&'s self, key: &'static str) -> Option<Field<'a, 'd, 's>> {
        let node = self.node.get(key.as_bytes())?;
        Some(self.child(node, key.as_bytes()))
    }

    /// The value of `key`, or the complaint that it is missing.
    pub(crate) fn need<'s>(&'s self, key: &'static str) -> Result<Field<'a, 'd, 's>, Error> {
        self.get(key).ok_or_else(|| self.child(self.node, key.as_bytes()).error(ErrorKind::Missing))
    }

    /// A value under `key` of this dictionary.
    pub(crate) fn child<'s>(&'s self, node: bencode::Node<'a, 'd>, key: &'a [u8]) -> Field<'a, 'd, 's> {
        Field { node, parent: Some(self), step: Step::Key(key) }
    }

    /// The entries of this dictionary; nothing for other kinds.
    pub(crate) fn entries<'s>(&'s self) -> impl Iterator<Item = (&'a [u8], Field<'a, 'd, 's>)> + 's {
        self.node.as_dict().into_iter().flatten().map(|(key, node)| (key, self.child(node, key)))
    }

    /// The items of this list; nothing for other kinds.
    pub(crate) fn items<'s>(&'s self) -> impl Iterator<Item = Field<'a, 'd, 's>> + 's {
        let list = self.node.as_list().into_iter().flatten().enumerate();
        list.map(|(at, node)| Field { node, parent: Some(self), step: Step::Index(at) })
    }

    /// Complains unless this is a list.
    pub(crate) fn list(&self) -> Result<usize, Error> {
        self.node.as_list().map(|l| l.len()).ok_or_else(|| self.wrong("a list"))
    }

    /// Complains unless this is a dictionary.
    pub(crate) fn dict(&self) -> Result<usize, Error> {
        self.node.as_dict().map(|d| d.len()).ok_or_else(|| self.wrong("a dictionary"))
    }

    /// The bytes of a string.
    pub(crate) fn bytes(&self) -> Result<&'a [u8], Error> {
        self.node.as_bytes().ok_or_else(|| self.wrong("a string"))
    }

    /// A number in `min..=max`.
    pub(crate) fn number(&self, min: u64, max: u64) -> Result<u64, Error> {
        let text = self.node.int_text().ok_or_else(|| self.wrong("an integer"))?;
        self.node.as_u64().filter(|n| (min..=max).contains(n)).ok_or_else(|| {
            let value = String::from_utf8_lossy(text).into_owned();
            self.error(ErrorKind::OutOfRange { value, min, max })
        })
    }

    pub(crate) fn wrong(&self, expected: &'static str) -> Error {
        let found = match self.node.kind() {
            Kind::Int => "an integer",
            Kind::Bytes => "a string",
            Kind::List => "a list",
            Kind::Dict => "a dictionary",
        };
        self.error(ErrorKind::WrongType { expected, found })
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error { kind, key: self.key(), offset: self.node.offset() }
    }

    /// Notes something odd.
    pub(crate) fn warn(&self, warnings: &mut Warnings, kind: WarningKind) {
        warnings.push(|| Warning { kind, key: self.key(), offset: self.node.offset() });
    }

    /// The path as text: `info.files[3].path`. Keys that are not plain text are quoted, long ones cut.
    pub(crate) fn key(&self) -> String {
        let mut steps = vec![self.step];
        let mut at = self.parent;
        while let Some(field) = at {
            steps.push(field.step);
            at = field.parent;
        }
        let mut out = String::new();
        for step in steps.into_iter().rev() {
            // Writing to a String does not fail.
            let _ = match step {
                Step::Root => Ok(()),
                Step::Index(n) => write!(out, "[{n}]"),
                Step::Key(key) => {
                    let dot = if out.is_empty() { "" } else { "." };
                    write!(out, "{dot}{}", key_text(key))
                }
            };
        }
        if out.is_empty() { "torrent".into() } else { out }
    }
}

fn key_text(key: &[u8]) -> String {
    const SHOWN: usize = 64;
    let plain = !key.is_empty() && key.iter().all(|b| b.is_ascii_graphic() && *b != b'"' || *b == b' ');
    let hash =
        key.len() >= 20 && std::str::from_utf8(key).map_or(true, |text| text.contains(char::is_control));
    let cut = &key[..key.len().min(SHOWN)];
    let more = if key.len() > SHOWN { "..." } else { "" };
    match (plain, hash) {
        (true, _) => format!("{}{more}", cut.escape_ascii()),
        (_, true) => cut.iter().map(|b| format!("{b:02x}")).collect::<String>() + more,
        _ => format!("\"{}{more}\"", cut.escape_ascii()),
    }
}
