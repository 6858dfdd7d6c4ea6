//! Reading a file while it is being fetched.

mod readahead;
mod source;

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use crate::Error;
use crate::entry::{Entry, Taken};
use crate::inner::Inner;
pub use readahead::{ReadPosition, Readahead};
use source::Source;

type Fetch = Pin<Box<dyn Future<Output = Result<(Vec<u8>, Option<Taken>), Error>> + Send>>;

/// Reads the bytes of a file, or of a whole torrent, as if they were here: a read waits for the pieces it
/// needs, which are fetched before all others, whether the file is wanted or not.
///
/// Only verified bytes are read, unless [`Reader::set_responsive`] says otherwise. What is fetched is what reads ask for and the [`Readahead`] beyond, piece by
/// piece; nothing before the first read. Any number of readers may read the same torrent; dropping one, or
/// [`release`](Reader::release), takes back what it asked for. A paused torrent keeps its readers waiting.
///
/// A reader needs no runtime of its own: the disk is read on the client's disk threads. A read that waits
/// ends with an error when the torrent fails or is removed, or the client closes: an [`io::Error`] whose
/// [`get_ref`](io::Error::get_ref) is an [`Error`].
///
/// Cancel safe: a read that is dropped has read nothing, and the next one goes on at the same place.
///
/// ```no_run
/// # async fn f(torrent: riverrun::Torrent) -> Result<(), Box<dyn std::error::Error>> {
/// use tokio::io::{AsyncReadExt, AsyncSeekExt};
/// let mut reader = torrent.file(0).ok_or("no such file")?.reader();
/// reader.seek(std::io::SeekFrom::Start(1 << 20)).await?;
/// let mut head = [0; 16];
/// reader.read_exact(&mut head).await?;
/// # Ok(()) }
/// ```
pub struct Reader {
    source: Source,
    readahead: Readahead,
    position: u64,
    contiguous: u64,
    /// What was read of the disk and not given out.
    buffer: Vec<u8>,
    taken: usize,
    fetch: Option<Fetch>,
    responsive: bool,
    /// What was given out before it was verified.
    early: Vec<Taken>,
    /// What was demanded last.
    told: Range<u64>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Reader { source, readahead, position, .. } = self;
        let mut out = f.debug_struct("Reader");
        out.field("source", source).field("readahead", readahead).field("position", position).finish()
    }
}

impl Reader {
    pub(crate) fn new(inner: Arc<Inner>, entry: Arc<Entry>, range: Range<u64>) -> Reader {
        Reader {
            source: Source::new(inner, entry, range),
            readahead: Readahead::default(),
            position: 0,
            contiguous: 0,
            buffer: Vec::new(),
            taken: 0,
            fetch: None,
            responsive: false,
            early: Vec::new(),
            told: 0..0,
        }
    }

    /// Changes how far ahead the swarm is asked, from the next read on.
    #[must_use]
    pub fn with_readahead(mut self, readahead: Readahead) -> Reader {
        self.readahead = readahead;
        self
    }

    /// Changes how far ahead the swarm is asked, from the next read on.
    pub fn set_readahead(&mut self, readahead: Readahead) {
        self.readahead = readahead;
    }

    /// As [`Reader::set_responsive`].
    #[must_use]
    pub fn with_responsive(mut self, on: bool) -> Reader {
        self.set_responsive(on);
        self
    }

    /// Whether reads give out what has come of a piece before all of it is here and verified: a player begins sooner
    /// where pieces are large. **What is read so may be anything that a peer cares to send**, so only for readers that
    /// survive any bytes, as players do. Peers never get such bytes.
    ///
    /// When a piece fails its hash of which something was given out, the next read ends with [`Error::Retracted`], once
    /// for each such piece, which names the bytes; the piece is fetched again, and reads go on at the same position.
    /// Whoever has read to the end asks [`Reader::confirm`]. [`Reader::read_at`] always waits for verified bytes.
    ///
    /// Holds from the next byte on: what was read ahead of the position under the other rule is forgotten.
    pub fn set_responsive(&mut self, on: bool) {
        if std::mem::replace(&mut self.responsive, on) != on {
            self.turn();
        }
        // While something is not confirmed, it is to be heard of.
        self.source.set_watching(on || !self.early.is_empty());
    }

    /// Waits until everything that was read is verified. At once but for a responsive reader.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`Error::Retracted`], once for each piece of which something was read that is wrong: ask again until it is Ok. The
    /// torrent failed or was removed, or the client is closed.
    pub async fn confirm(&mut self) -> Result<(), Error> {
        let result = self.source.confirm(&self.early).await;
        match &result {
            Ok(()) => self.early.clear(),
            // What is told is what is forgotten, though more may have failed in between.
            Err(Error::Retracted { .. }) => {
                if let Some(error) = self.retracted() {
                    return Err(error);
                }
            }
            Err(_) => {}
        }
        result
    }

    /// Whether bytes that were given out turned out wrong: those of one piece, which is not told again. What was read ahead is forgotten then.
    fn retracted(&mut self) -> Option<Error> {
        if self.early.is_empty() {
            return None;
        }
        let error = self.source.retracted(&mut self.early);
        if error.is_some() {
            self.turn();
        }
        error
    }

    /// Notes what was read before it was verified.
    fn note(&mut self, taken: Taken) {
        match self.early.last_mut() {
            Some(last) if last.continues(&taken) => last.bytes.end = taken.bytes.end,
            _ => self.early.push(taken),
        }
    }

    /// Length of what is read, in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a reader is no collection")]
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// The next byte that is read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes back what it asked for, as if it were dropped; the next read asks anew.
    pub fn release(&mut self) {
        self.turn();
        self.source.release();
    }

    /// Reads from byte `offset` on, whatever the position: at least one byte, or 0 at the end. Asks for the
    /// bytes of this read and no more. Calls may run side by side.
    ///
    /// Cancel safe: what was asked for is taken back.
    ///
    /// # Errors
    /// The torrent failed or was removed, the client is closed, or the disk can't be read.
    pub async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        let source = self.source.twin();
        source.demand(offset..offset.saturating_add(buf.len() as u64));
        let bytes = source.read(offset, buf.len()).await?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// The same for threads: [`io::Read`] and [`io::Seek`] that block.
    pub fn blocking(self) -> BlockingReader {
        BlockingReader { reader: self }
    }

    fn fetch(&self, most: usize) -> Fetch {
        if self.responsive {
            return Box::pin(self.source.read_early(self.position, most, self.early.clone()));
        }
        let read = self.source.read(self.position, most);
        Box::pin(async move { Ok((read.await?, None)) })
    }

    /// Forgets what was read ahead of the position.
    fn turn(&mut self) {
        (self.fetch, self.taken, self.told, self.contiguous) = (None, 0, 0..0, 0);
        self.buffer.clear();
    }

    fn seek_to(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.len(), by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let at = from.checked_add_signed(by).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start, or out of all range")
        })?;
        if at != self.position {
            self.turn();
            self.position = at;
        }
        Ok(at)
    }

    /// Demands what a read of so many bytes and the readahead need, unless that is demanded.
    fn ask(&mut self, most: usize) {
        let (position, len) = (self.position, self.len());
        let at = ReadPosition { position, len, contiguous: self.contiguous };
        let end = position.saturating_add(most as u64).saturating_add(self.readahead.bytes(at)).min(len);
        if self.told != (position..end) {
            self.told = position..end;
            self.source.demand(position..end);
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = this.retracted() {
            return Poll::Ready(Err(error.into()));
        }
        if this.taken == this.buffer.len() {
            if this.fetch.is_none() {
                this.ask(buf.remaining());
                this.fetch = Some(this.fetch(buf.remaining()));
            }
            let Some(fetch) = &mut this.fetch else { return Poll::Ready(Ok(())) };
            let result = ready!(fetch.as_mut().poll(cx));
            this.fetch = None;
            let (bytes, early) = match result {
                // What is told is what is forgotten, and is asked for here alone: what fails beside a read that went well
                // is told by the next one.
                Err(error @ Error::Retracted { .. }) => {
                    return Poll::Ready(Err(this.retracted().unwrap_or(error).into()));
                }
                result => result?,
            };
            early.into_iter().for_each(|taken| this.note(taken));
            (this.buffer, this.taken) = (bytes, 0);
        }
        let rest = &this.buffer[this.taken..];
        let some = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(some);
        let len = some.len();
        this.taken += len;
        this.position += len as u64;
        this.contiguous += len as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Reader {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().seek_to(to).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

/// A [`Reader`] for threads: its reads block. Not for a thread that runs asynchronous tasks: they would all
/// wait.
#[derive(Debug)]
pub struct BlockingReader {
    reader: Reader,
}

impl BlockingReader {
    /// The reader within.
    pub fn into_inner(self) -> Reader {
        self.reader
    }
}

impl io::Read for BlockingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        crate::park::block_on(std::future::poll_fn(|cx| Pin::new(&mut self.reader).poll_read(cx, &mut buf)))?;
        Ok(buf.filled().len())
    }
}

impl io::Seek for BlockingReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek_to(to)
    }
}
