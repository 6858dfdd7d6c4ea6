//! The seam between a connection and the network.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::{Interest, Registry, Token};

/// What [`Stream::send_runs`] sends.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// Bytes of a file.
    File {
        /// The file, open for reading.
        file: &'a File,
        /// Where they begin in it, in bytes.
        offset: u64,
        /// How many; not 0.
        len: usize,
    },
}

/// A byte stream that never blocks. **Unstable** until every transport stands behind it.
///
/// A stream with a descriptor of its own hands it to the poller in [`register`](Stream::register). One without (uTP
/// shares a UDP socket, a stream of a library's user may live in memory) remembers the token there, and whoever drives it
/// reports the token as ready. A stream that wraps another (encryption, TLS) passes the call on.
///
/// Readiness is edge-triggered: after it was reported, read or write until [`io::ErrorKind::WouldBlock`].
pub trait Stream: Send + fmt::Debug {
    /// Reads into the slices, one after the other. 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there; `Interrupted` to be tried again; all else ends the stream.
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Writes from the slices, one after the other, as much as fits.
    ///
    /// # Errors
    /// `WouldBlock` where nothing fits; `Interrupted` to be tried again; all else ends the stream.
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether [`send_runs`](Stream::send_runs) works: bytes of a file leave as they are, and the system takes them from
    /// where it has them. Always the same answer.
    fn sends_files(&self) -> bool {
        false
    }

    /// Sends the runs, one after the other, as much as fits, and answers how many bytes that were. It waits for a file's
    /// device where the file is not in memory.
    ///
    /// # Errors
    /// Only where nothing was sent. As for [`write_vectored`](Stream::write_vectored); `UnexpectedEof` where the first
    /// run is of a file that ends before it, and `InvalidData` where it can't be sent for another reason that lies with the
    /// file: the stream is as it was.
    fn send_runs(&mut self, runs: &[Run<'_>]) -> io::Result<usize> {
        let _ = runs;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Begins to report readiness for both directions under `token`. Called once.
    ///
    /// # Errors
    /// What the poller says.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// Ends what [`register`](Stream::register) began, so that another poller can take the stream.
    ///
    /// # Errors
    /// What the poller says.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;

    /// Whether a dialed stream is open by now; called when it was reported writable.
    ///
    /// # Errors
    /// The connection could not be made.
    fn is_connected(&mut self) -> io::Result<bool>;

    /// The remote end, in [canonical](crate::tcp::canonical) form.
    fn peer_addr(&self) -> SocketAddr;

    /// Sends what is buffered below and tells the peer that nothing more comes. Best effort.
    fn shutdown(&mut self) {}
}

/// Plain TCP, as the system offers it.
#[derive(Debug)]
pub struct TcpStream {
    inner: mio::net::TcpStream,
    peer: SocketAddr,
}

impl TcpStream {
    pub(super) fn new(inner: mio::net::TcpStream, peer: SocketAddr) -> TcpStream {
        TcpStream { inner, peer: super::canonical(peer) }
    }

    /// Takes a socket over that is connected, or was told to: from then on it does not block.
    ///
    /// # Errors
    /// What the system says.
    pub fn from_std(stream: std::net::TcpStream, peer: SocketAddr) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        // Best effort: a peer that has closed already is found when it is read.
        let _ = stream.set_nodelay(true);
        Ok(TcpStream::new(mio::net::TcpStream::from_std(stream), peer))
    }

    /// Our end, in [canonical](crate::tcp::canonical) form.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr().map(super::canonical)
    }
}

impl Stream for TcpStream {
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_vectored(bufs)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_vectored(bufs)
    }

    #[cfg(target_os = "linux")]
    fn sends_files(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn send_runs(&mut self, runs: &[Run<'_>]) -> io::Result<usize> {
        super::sendfile::send_runs(&self.inner, runs)
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.inner, token, Interest::READABLE | Interest::WRITABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.inner)
    }

    fn is_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.inner.take_error()? {
            return Err(error);
        }
        match self.inner.peer_addr() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) if super::dial::is_in_progress(&e) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell then.
        let _ = self.inner.shutdown(Shutdown::Write);
    }
}
