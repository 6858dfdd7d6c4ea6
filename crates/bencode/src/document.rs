//! A decoded value: a view over the input.

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, ErrorKind, WarningKind, Warnings};
use crate::options::Options;
use crate::parser::{self, Kind, NO_INDEX, Parser, Step, Token};

/// Decodes the value at the start of `input`, without copying any of it.
///
/// # Errors
/// [`Error`] with the offset, if the bytes are not bencode, exceed a limit of `options`, or (in strict mode) are not
/// canonical. Bytes after the value are an error in strict mode and a warning in lenient mode, unless
/// [`Options::trailing`] is set.
///
/// ```
/// use riverrun_bencode::{Options, parse};
/// let document = parse(b"d4:infod6:lengthi5eee", &Options::strict())?;
/// let info = document.root().get(b"info").unwrap();
/// assert_eq!(info.raw(), b"d6:lengthi5ee");
/// assert_eq!(info.get(b"length").unwrap().as_int(), Some(5));
/// # Ok::<(), riverrun_bencode::Error>(())
/// ```
pub fn parse<'a>(input: &'a [u8], options: &Options) -> Result<Document<'a>, Error> {
    let limit = options.len_limit();
    if input.len() > limit && !options.trailing {
        return Err(Error::new(ErrorKind::TooLong { limit }, limit));
    }
    let mut parser = Parser::new(options);
    match parser.advance(input)? {
        Step::Done => {}
        Step::NeedMore(error) => return Err(error),
    }
    if parser.pos < input.len() && !options.trailing {
        parser.deviation(WarningKind::TrailingData, parser.pos)?;
    }
    Ok(Document::new(input, parser))
}

/// A decoded value that borrows its input.
#[derive(Clone)]
pub struct Document<'a> {
    input: &'a [u8],
    tokens: Vec<Token>,
    index: Vec<u32>,
    warnings: Warnings,
    consumed: usize,
}

impl<'a> Document<'a> {
    /// `parser` has read a whole value from `input`.
    pub(crate) fn new(input: &'a [u8], parser: Parser) -> Self {
        let Parser { tokens, index, warnings, pos, .. } = parser;
        Self { input, tokens, index, warnings, consumed: pos }
    }

    /// The value.
    #[must_use]
    pub fn root(&self) -> Node<'a, '_> {
        // A document is only made of a complete value, so token 0 exists.
        Node { document: self, number: 0 }
    }

    /// The deviations that lenient mode accepted; empty after strict mode.
    #[must_use]
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Bytes of the input that the value takes. What follows is [`Document::rest`].
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// The input after the value.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.consumed..]
    }

    /// How many tokens the value has.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("root", &self.root())
            .field("tokens", &self.tokens.len())
            .field("consumed", &self.consumed)
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// One value inside a [`Document`]. `'a` is the input, `'d` the document.
#[derive(Clone, Copy)]
pub struct Node<'a, 'd> {
    document: &'d Document<'a>,
    number: u32,
}

impl<'a, 'd> Node<'a, 'd> {
    fn token(&self) -> &'d Token {
        &self.document.tokens[self.number as usize]
    }

    pub(crate) fn document(&self) -> &'d Document<'a> {
        self.document
    }

    fn at(&self, number: u32) -> Self {
        Self { document: self.document, number }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.token().kind
    }

    /// The contents of a string; `None` for other kinds.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        (self.kind() == Kind::Bytes).then(|| parser::contents(self.document.input, self.token()))
    }

    /// The contents of a string that is valid UTF-8; `None` otherwise.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The contents of a string, with each invalid UTF-8 sequence replaced by U+FFFD.
    #[must_use]
    pub fn as_str_lossy(&self) -> Option<Cow<'a, str>> {
        self.as_bytes().map(String::from_utf8_lossy)
    }

    /// The value of an integer that fits an `i64`; `None` otherwise.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        parser::int_value(self.int_text()?)
    }

    /// The value of an integer that fits a `u64`; `None` otherwise. Values above `i64::MAX` are only met with
    /// [`IntWidth::Digits`](crate::IntWidth::Digits).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        // "-0" is zero here as it is for `as_int`.
        parser::int_value(self.int_text()?).or_else(|| u64::try_from(self.as_int()?).ok())
    }

    /// The text of an integer of any width, as read: an optional `-` and digits. `None` for other kinds.
    #[must_use]
    pub fn int_text(&self) -> Option<&'a [u8]> {
        let raw = self.raw();
        (self.kind() == Kind::Int).then(|| &raw[1..raw.len() - 1])
    }

    /// The items of a list; `None` for other kinds.
    #[must_use]
    pub fn as_list(&self) -> Option<List<'a, 'd>> {
        (self.kind() == Kind::List).then(|| List { next: self.at(self.number + 1), left: self.token().count })
    }

    /// The entries of a dictionary in the order of the input (duplicates included); `None` for other kinds.
    #[must_use]
    pub fn as_dict(&self) -> Option<Dict<'a, 'd>> {
        (self.kind() == Kind::Dict).then(|| Dict { next: self.at(self.number + 1), left: self.token().count })
    }

    /// Items of a list or entries of a dictionary; bytes of a string; `None` for an integer.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "not every node has a length")]
    pub fn len(&self) -> Option<usize> {
        match self.kind() {
            Kind::Int => None,
            Kind::Bytes => self.as_bytes().map(<[u8]>::len),
            Kind::List | Kind::Dict => Some(self.token().count as usize),
        }
    }

    /// The value of a key of a dictionary: of the first, if the key is there twice. `None` if it is missing or this
    /// is no dictionary. Takes time logarithmic in the number of keys.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Node<'a, 'd>> {
        let token = self.token();
        let mut entries = self.as_dict()?;
        if token.body == NO_INDEX {
            return entries.find(|(k, _)| *k == key).map(|(_, value)| value);
        }
        let begin = token.body as usize;
        let keys = &self.document.index[begin..begin + token.count as usize];
        let name =
            |number: u32| parser::contents(self.document.input, &self.document.tokens[number as usize]);
        let at = keys.partition_point(|&number| name(number) < key);
        let found = *keys.get(at)?;
        (name(found) == key).then(|| self.at(found + 1))
    }

    /// Follows keys through nested dictionaries.
    #[must_use]
    pub fn path<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Option<Node<'a, 'd>> {
        keys.into_iter().try_fold(*self, |node, key| node.get(key.as_ref()))
    }

    /// The bytes of this value exactly as read: what an info hash is made of.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        let token = self.token();
        &self.document.input[token.start as usize..token.end as usize]
    }

    /// Where [`Node::raw`] begins in the input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.token().start as usize
    }
}

impl fmt::Debug for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let raw = self.raw();
        let more = if raw.len() > SHOWN { "..." } else { "" };
        write!(f, "{:?}({}{more})", self.kind(), raw[..raw.len().min(SHOWN)].escape_ascii())
    }
}

/// The items of a list.
#[derive(Clone, Debug)]
pub struct List<'a, 'd> {
    /// The next item, if any is left.
    next: Node<'a, 'd>,
    left: u32,
}

impl<'a, 'd> Iterator for List<'a, 'd> {
    type Item = Node<'a, 'd>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = self.next;
        self.next = item.at(item.token().next);
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for List<'_, '_> {}

/// The entries of a dictionary, in the order of the input.
#[derive(Clone, Debug)]
pub struct Dict<'a, 'd> {
    /// The next key, if any is left.
    next: Node<'a, 'd>,
    left: u32,
}

impl<'a, 'd> Iterator for Dict<'a, 'd> {
    type Item = (&'a [u8], Node<'a, 'd>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = self.next;
        let value = key.at(key.number + 1);
        self.next = key.at(value.token().next);
        Some((parser::contents(key.document.input, key.token()), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Dict<'_, '_> {}
