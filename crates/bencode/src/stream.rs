//! Consecutive values from a stream of bytes.

use std::io;

use crate::document::Document;
use crate::error::{Error, ErrorKind};
use crate::options::Options;
use crate::parser::{Parser, Step};

/// Decodes values that follow each other in a stream, fed in chunks of any size.
///
/// A value cut by the end of a chunk is not read twice: decoding goes on at the token where it stopped. The limits of
/// the [`Options`] hold for each value; at most `2 * max_len` bytes are buffered.
///
/// ```
/// use riverrun_bencode::{Options, Stream};
/// let mut stream = Stream::new(&Options::strict());
/// let mut seen = Vec::new();
/// for chunk in [&b"i1e3:a"[..], b"bcl", b"e"] {
///     let mut chunk = chunk;
///     while !chunk.is_empty() {
///         let taken = stream.feed(chunk);
///         chunk = &chunk[taken..];
///         while let Some(document) = stream.next_value()? {
///             seen.push(document.root().raw().to_vec());
///         }
///     }
/// }
/// stream.finish()?;
/// assert_eq!(seen, [&b"i1e"[..], b"3:abc", b"le"]);
/// # Ok::<(), riverrun_bencode::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    options: Options,
    /// `buffer[taken..]` was not given out yet; the value in work begins there.
    buffer: Vec<u8>,
    taken: usize,
    /// Bytes given out before `buffer[0]`.
    base: usize,
    parser: Parser,
    /// The value at `taken` is complete.
    ready: bool,
    failed: Option<Error>,
}

impl Stream {
    /// A stream with nothing read. [`Options::trailing`] has no meaning here.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let options = options.trailing(true);
        Self {
            options,
            buffer: Vec::new(),
            taken: 0,
            base: 0,
            parser: Parser::new(&options),
            ready: false,
            failed: None,
        }
    }

    /// Takes bytes from the front of `bytes` and returns how many: fewer than given if `max_len` bytes wait already,
    /// and after [`Stream::next_value`] has returned `None` always at least one.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let waiting = self.buffer.len() - self.taken;
        // Moved only when at least as much goes as stays, so that the cost stays linear.
        if self.taken >= waiting {
            self.buffer.drain(..self.taken);
            self.base += self.taken;
            self.taken = 0;
        }
        let room = self.options.len_limit().saturating_sub(waiting);
        let count = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..count]);
        count
    }

    /// The next value, or `None` if it has not arrived whole. Offsets within the document count from the value's
    /// first byte.
    ///
    /// # Errors
    /// [`Error`] with an offset counted from the start of the stream. The stream has lost its place then, and every
    /// later call returns the same error.
    pub fn next_value(&mut self) -> Result<Option<Document<'_>>, Error> {
        Ok(if self.read()? { Some(self.take()) } else { None })
    }

    /// Bytes of all values given out: where the next value begins in the stream.
    #[must_use]
    pub fn position(&self) -> usize {
        self.base + self.taken
    }

    /// Checks that the stream does not end inside a value. Call it when `next_value` has returned `None` and no more
    /// bytes come.
    ///
    /// # Errors
    /// The error of the unfinished value.
    pub fn finish(mut self) -> Result<(), Error> {
        self.check_end()
    }

    fn check_end(&mut self) -> Result<(), Error> {
        if self.taken == self.buffer.len() || self.read()? {
            return Ok(());
        }
        let position = self.position();
        match self.parser.advance(&self.buffer[self.taken..]) {
            Ok(Step::NeedMore(error)) | Err(error) => Err(Error::new(error.kind, position + error.offset)),
            Ok(Step::Done) => Ok(()),
        }
    }

    /// Reads on; true if a value is complete.
    fn read(&mut self) -> Result<bool, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.ready {
            return Ok(true);
        }
        let input = &self.buffer[self.taken..];
        let limit = self.options.len_limit();
        let result = match self.parser.advance(input) {
            Ok(Step::NeedMore(_)) if input.len() >= limit => {
                Err(Error::new(ErrorKind::TooLong { limit }, limit))
            }
            Ok(Step::NeedMore(_)) => Ok(false),
            Ok(Step::Done) => Ok(true),
            Err(error) => Err(error),
        };
        let position = self.position();
        let result = result.map_err(|error| Error::new(error.kind, position + error.offset));
        self.failed = result.err();
        self.ready = result == Ok(true);
        result
    }

    /// Gives out the complete value.
    fn take(&mut self) -> Document<'_> {
        let parser = std::mem::replace(&mut self.parser, Parser::new(&self.options));
        let begin = self.taken;
        self.taken += parser.pos;
        self.ready = false;
        Document::new(&self.buffer[begin..self.taken], parser)
    }
}

/// Why a [`Reader`] has no next value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader below failed.
    #[error("cannot read bencode: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not bencode, exceed a limit, or end inside a value.
    #[error(transparent)]
    Bencode(#[from] Error),
}

/// Decodes values that follow each other in an [`io::Read`]. It reads ahead by at most 8 KiB.
///
/// ```
/// use riverrun_bencode::{Options, Reader};
/// let mut reader = Reader::new(&b"i1e3:abc"[..], &Options::strict());
/// assert_eq!(reader.next_value()?.unwrap().root().as_int(), Some(1));
/// assert_eq!(reader.next_value()?.unwrap().root().as_str(), Some("abc"));
/// assert!(reader.next_value()?.is_none());
/// # Ok::<(), riverrun_bencode::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    stream: Stream,
    /// Bytes read from `inner` and not fed yet: `chunk[begin..end]`.
    chunk: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl<R: io::Read> Reader<R> {
    /// How much is read at once, in bytes.
    const CHUNK: usize = 8 << 10;

    /// Reads values from `inner`.
    #[must_use]
    pub fn new(inner: R, options: &Options) -> Self {
        let chunk = vec![0; Self::CHUNK].into_boxed_slice();
        Self { inner, stream: Stream::new(options), chunk, begin: 0, end: 0 }
    }

    /// The next value, or `None` at the end of the stream.
    ///
    /// # Errors
    /// [`ReadError`]. After an I/O error the call may be repeated.
    pub fn next_value(&mut self) -> Result<Option<Document<'_>>, ReadError> {
        while !self.stream.read()? {
            if self.begin == self.end {
                (self.begin, self.end) = (0, 0);
                self.end = match self.inner.read(&mut self.chunk) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error.into()),
                };
                if self.end == 0 {
                    self.stream.check_end()?;
                    return Ok(None);
                }
            }
            self.begin += self.stream.feed(&self.chunk[self.begin..self.end]);
        }
        Ok(Some(self.stream.take()))
    }
}
