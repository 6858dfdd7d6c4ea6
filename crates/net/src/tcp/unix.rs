//! Sockets of other families behind the same seam.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::{Interest, Registry, Token};

use super::Stream;

/// A connected stream socket of the Unix domain, or of any family that the system gives a descriptor for.
#[derive(Debug)]
pub struct UnixStream {
    inner: mio::net::UnixStream,
    peer: SocketAddr,
}

impl UnixStream {
    /// Takes a socket over, which from then on does not block. It has no IP address of its own: `peer` is what its remote
    /// end is called.
    ///
    /// # Errors
    /// What the system says.
    pub fn from_std(stream: std::os::unix::net::UnixStream, peer: SocketAddr) -> io::Result<UnixStream> {
        stream.set_nonblocking(true)?;
        Ok(UnixStream { inner: mio::net::UnixStream::from_std(stream), peer: super::canonical(peer) })
    }
}

impl Stream for UnixStream {
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_vectored(bufs)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_vectored(bufs)
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
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            // Of another family its address has no form here, but it has one.
            _ => Ok(true),
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
