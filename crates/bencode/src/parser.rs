//! The scanner: bytes to a flat table of tokens, resumable, with its own stack.

use crate::error::{Error, ErrorKind, WarningKind, Warnings};
use crate::options::{IntWidth, Mode, Options};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An integer.
    Int,
    /// A byte string.
    Bytes,
    /// A list.
    List,
    /// A dictionary.
    Dict,
}

/// Dictionaries with more entries than this are searched through an index.
const INDEX_ABOVE: u32 = 8;
/// No index: the keys are searched in a line.
pub(crate) const NO_INDEX: u32 = u32::MAX;
/// Digits of the length of a string: those of `u64::MAX`, and no real length needs as many.
const LENGTH_DIGITS: usize = 20;
/// Digits of an integer that must fit an `i64`: 19, with room for the leading zeros lenient mode accepts.
const INT_DIGITS: usize = 40;

/// One value or key. A container's descendants follow it in the table, up to `next`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Offset of the first byte.
    pub(crate) start: u32,
    /// Offset after the last byte.
    pub(crate) end: u32,
    /// Number of the first token that is not a descendant.
    pub(crate) next: u32,
    /// Bytes: offset of the contents. Dict: where its part of the index begins, or `NO_INDEX`.
    pub(crate) body: u32,
    /// Items of a list, entries of a dictionary.
    pub(crate) count: u32,
    pub(crate) kind: Kind,
}

/// A container that is still open.
#[derive(Debug)]
struct Frame {
    token: u32,
    count: u32,
    /// Token of the last key, or `NO_INDEX`.
    last_key: u32,
    /// A key was read and its value was not.
    pending: bool,
    sorted: bool,
}

/// How far a call of [`Parser::advance`] came.
pub(crate) enum Step {
    /// A whole value was read; it ends at `Parser::pos`.
    Done,
    /// The input ends first; the error to report if no more of it comes.
    NeedMore(Error),
}

/// One value being read. The input may grow between calls but must not change.
#[derive(Debug)]
pub(crate) struct Parser {
    options: Options,
    pub(crate) pos: usize,
    pub(crate) tokens: Vec<Token>,
    pub(crate) index: Vec<u32>,
    pub(crate) warnings: Warnings,
    stack: Vec<Frame>,
}

/// A number of the input, or the news that its end is not there yet.
enum Scan {
    At(usize),
    NeedMore,
}

impl Parser {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            options: *options,
            pos: 0,
            tokens: Vec::new(),
            index: Vec::new(),
            warnings: Warnings::default(),
            stack: Vec::new(),
        }
    }

    /// Reads on from `pos` until the value is complete or the input ends.
    pub(crate) fn advance(&mut self, input: &[u8]) -> Result<Step, Error> {
        let limit = self.options.len_limit();
        let visible = &input[..input.len().min(limit)];
        loop {
            if let Some(error) = self.step(visible)? {
                return if input.len() > limit {
                    Err(Error::new(ErrorKind::TooLong { limit }, limit))
                } else {
                    Ok(Step::NeedMore(error))
                };
            }
            if self.stack.is_empty() {
                return Ok(Step::Done);
            }
        }
    }

    /// Reads one token. `Some` is the error to report if the input does not go on.
    fn step(&mut self, input: &[u8]) -> Result<Option<Error>, Error> {
        let at = self.pos;
        let Some(&byte) = input.get(at) else {
            return Ok(Some(Error::new(ErrorKind::UnexpectedEnd, at)));
        };
        if self.stack.last().is_some_and(|f| self.wants_key(f)) && !matches!(byte, b'0'..=b'9' | b'e') {
            return Err(Error::new(ErrorKind::KeyNotString, at));
        }
        match byte {
            b'0'..=b'9' => self.string(input),
            b'i' => self.integer(input),
            b'l' => self.open(Kind::List).map(|()| None),
            b'd' => self.open(Kind::Dict).map(|()| None),
            b'e' => self.close(input).map(|()| None),
            other => Err(Error::new(ErrorKind::UnexpectedByte(other), at)),
        }
    }

    fn wants_key(&self, frame: &Frame) -> bool {
        self.tokens[frame.token as usize].kind == Kind::Dict && !frame.pending
    }

    fn open(&mut self, kind: Kind) -> Result<(), Error> {
        let limit = self.options.max_depth;
        if self.stack.len() >= limit {
            return Err(Error::new(ErrorKind::TooDeep { limit }, self.pos));
        }
        let token = self.push(kind, self.pos, self.pos + 1)?;
        self.stack.push(Frame { token, count: 0, last_key: NO_INDEX, pending: false, sorted: true });
        self.pos += 1;
        Ok(())
    }

    fn close(&mut self, input: &[u8]) -> Result<(), Error> {
        let Some(frame) = self.stack.pop() else {
            return Err(Error::new(ErrorKind::UnexpectedByte(b'e'), self.pos));
        };
        if frame.pending {
            return Err(Error::new(ErrorKind::MissingValue, self.pos));
        }
        self.pos += 1;
        let next = self.tokens.len() as u32;
        let token = &mut self.tokens[frame.token as usize];
        token.end = self.pos as u32;
        token.next = next;
        token.count = frame.count;
        if token.kind == Kind::Dict && (frame.count > INDEX_ABOVE || !frame.sorted) {
            self.build_index(input, &frame);
        }
        self.value_done();
        Ok(())
    }

    /// Lists the keys of a closed dictionary in ascending order, the first of equal ones first.
    fn build_index(&mut self, input: &[u8], frame: &Frame) {
        let begin = self.index.len();
        let mut at = frame.token + 1;
        for _ in 0..frame.count {
            self.index.push(at);
            at = self.tokens[at as usize + 1].next;
        }
        let (tokens, keys) = (&self.tokens, &mut self.index[begin..]);
        if !frame.sorted {
            keys.sort_unstable_by_key(|&key| (contents(input, &tokens[key as usize]), key));
            for pair in keys.windows(2) {
                let later = &tokens[pair[1] as usize];
                if contents(input, &tokens[pair[0] as usize]) == contents(input, later) {
                    self.warnings.push(WarningKind::DuplicateKey, later.start as usize);
                }
            }
        }
        self.tokens[frame.token as usize].body = begin as u32;
    }

    fn string(&mut self, input: &[u8]) -> Result<Option<Error>, Error> {
        let at = self.pos;
        let colon = match digits_end(input, at, LENGTH_DIGITS) {
            None => return Err(Error::new(ErrorKind::LengthOverflow, at)),
            Some(Scan::NeedMore) => return Ok(Some(Error::new(ErrorKind::UnexpectedEnd, at))),
            Some(Scan::At(end)) if input[end] == b':' => end,
            Some(Scan::At(_)) => return Err(Error::new(ErrorKind::InvalidLength, at)),
        };
        let length = input[at..colon]
            .iter()
            .try_fold(0_usize, |n, &d| n.checked_mul(10)?.checked_add(usize::from(d - b'0')))
            .ok_or(Error::new(ErrorKind::LengthOverflow, at))?;
        let begin = colon + 1;
        let limit = self.options.len_limit();
        if length > limit - begin {
            // Refused before anybody waits for, or buffers, what cannot be accepted.
            let kind = if self.options.trailing {
                ErrorKind::TooLong { limit }
            } else {
                // The input is no longer than the limit.
                ErrorKind::StringPastEnd { length }
            };
            return Err(Error::new(kind, at));
        }
        let end = begin + length;
        if end > input.len() {
            return Ok(Some(Error::new(ErrorKind::StringPastEnd { length }, at)));
        }
        if input[at] == b'0' && colon - at > 1 {
            self.deviation(WarningKind::LeadingZero, at)?;
        }
        let token = self.push(Kind::Bytes, at, end)?;
        self.tokens[token as usize].body = begin as u32;
        self.pos = end;
        match self.stack.last() {
            Some(frame) if self.wants_key(frame) => self.key(input, token)?,
            _ => self.value_done(),
        }
        Ok(None)
    }

    /// Checks a key that was just read against the one before it.
    fn key(&mut self, input: &[u8], token: u32) -> Result<(), Error> {
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        let last = std::mem::replace(&mut frame.last_key, token);
        frame.pending = true;
        if last == NO_INDEX {
            return Ok(());
        }
        let key = &self.tokens[token as usize];
        let order = contents(input, &self.tokens[last as usize]).cmp(contents(input, key));
        let offset = key.start as usize;
        match order {
            std::cmp::Ordering::Less => Ok(()),
            // Counted when the dictionary closes, with those that are not neighbours.
            std::cmp::Ordering::Equal if self.options.mode == Mode::Lenient => {
                frame.sorted = false;
                Ok(())
            }
            std::cmp::Ordering::Equal => self.deviation(WarningKind::DuplicateKey, offset),
            std::cmp::Ordering::Greater => {
                frame.sorted = false;
                self.deviation(WarningKind::UnsortedKeys, offset)
            }
        }
    }

    fn integer(&mut self, input: &[u8]) -> Result<Option<Error>, Error> {
        let at = self.pos;
        let negative = input.get(at + 1) == Some(&b'-');
        let first = at + 1 + usize::from(negative);
        let max_digits = match self.options.int_width {
            IntWidth::I64 => INT_DIGITS,
            IntWidth::Digits(digits) => digits,
        };
        let end = match digits_end(input, first, max_digits) {
            None => return Err(Error::new(ErrorKind::IntegerTooWide, at)),
            Some(Scan::NeedMore) => return Ok(Some(Error::new(ErrorKind::UnexpectedEnd, at))),
            Some(Scan::At(end)) if input[end] == b'e' && end > first => end,
            Some(Scan::At(_)) => return Err(Error::new(ErrorKind::InvalidInteger, at)),
        };
        let digits = &input[first..end];
        if self.options.int_width == IntWidth::I64 && int_value::<i64>(&input[at + 1..end]).is_none() {
            return Err(Error::new(ErrorKind::IntegerTooWide, at));
        }
        if digits.len() > 1 && digits[0] == b'0' {
            self.deviation(WarningKind::LeadingZero, at)?;
        }
        if negative && digits.iter().all(|&d| d == b'0') {
            self.deviation(WarningKind::MinusZero, at)?;
        }
        self.push(Kind::Int, at, end + 1)?;
        self.pos = end + 1;
        self.value_done();
        Ok(None)
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) -> Result<u32, Error> {
        let limit = self.options.token_limit();
        if self.tokens.len() >= limit {
            return Err(Error::new(ErrorKind::TooManyTokens { limit }, start));
        }
        // The limits keep offsets and token numbers within u32.
        let number = self.tokens.len() as u32;
        let (start, end) = (start as u32, end as u32);
        self.tokens.push(Token { start, end, next: number + 1, body: NO_INDEX, count: 0, kind });
        Ok(number)
    }

    fn value_done(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.count += 1;
            frame.pending = false;
        }
    }

    pub(crate) fn deviation(&mut self, kind: WarningKind, offset: usize) -> Result<(), Error> {
        match self.options.mode {
            Mode::Strict => Err(Error::new(ErrorKind::NotCanonical(kind), offset)),
            Mode::Lenient => {
                self.warnings.push(kind, offset);
                Ok(())
            }
        }
    }
}

/// Where the run of digits at `from` ends; `None` if it is longer than `max`.
fn digits_end(input: &[u8], from: usize, max: usize) -> Option<Scan> {
    let rest = input.get(from..).unwrap_or_default();
    match rest.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(length) if length > max => None,
        Some(length) => Some(Scan::At(from + length)),
        None if rest.len() > max => None,
        None => Some(Scan::NeedMore),
    }
}

/// The value of an optional `-` and digits, if it fits.
pub(crate) fn int_value<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The contents of a string token.
pub(crate) fn contents<'a>(input: &'a [u8], token: &Token) -> &'a [u8] {
    &input[token.body as usize..token.end as usize]
}
