//! Connections that an embedder opens: what they may be, who opens them, and what carries others' code.

mod budget;
mod dialer;
mod discovery;
#[cfg(unix)]
mod doors;
mod guests;
mod settings;

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::net::UnixStream};

use net::tcp::Stream;

pub use budget::DialBudget;
pub(crate) use budget::{Place, Seat};
#[cfg(unix)]
pub use dialer::unix_dialer;
pub use dialer::{DialRequest, Dialer, Dialing, blocking_dialer};
pub(crate) use discovery::{Discoveries, Found, is_good_name};
pub use discovery::{Discovery, Finding, PeerFeed, Reach};
#[cfg(unix)]
pub(crate) use doors::Door;
pub(crate) use guests::{Guests, OwnDialer};
pub(crate) use settings::{HALF_OPEN, Seams};

/// A connection to a peer, for the client to speak BitTorrent over: a TCP socket, a Unix socket, any other stream
/// socket by its descriptor, or a byte stream of your own ([`PeerStream::bridge`]).
///
/// The client takes it over: it makes it non-blocking and closes it. A socket of tokio becomes one by `into_std`.
#[derive(Debug)]
pub struct PeerStream(Kind);

enum Kind {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// Dialed by us; it may still be on its way.
    Begun(net::tcp::TcpStream),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Tcp(stream) => stream.fmt(f),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.fmt(f),
            Kind::Begun(stream) => stream.fmt(f),
        }
    }
}

impl From<std::net::TcpStream> for PeerStream {
    fn from(stream: std::net::TcpStream) -> PeerStream {
        PeerStream(Kind::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<UnixStream> for PeerStream {
    fn from(stream: UnixStream) -> PeerStream {
        PeerStream(Kind::Unix(stream))
    }
}

/// A stream socket of any family. Connecting may still go on. What is no socket fails when it is used.
#[cfg(unix)]
impl From<OwnedFd> for PeerStream {
    fn from(fd: OwnedFd) -> PeerStream {
        UnixStream::from(fd).into()
    }
}

impl PeerStream {
    /// A byte stream of your own, without a descriptor that the system could poll (TLS, a tunnel, memory): a task
    /// copies between it and a pair of sockets, until either side ends. It costs two more copies and is as quick as
    /// the thread of that task; a stream with a descriptor should rather be given as it is.
    ///
    /// The task runs in the tokio runtime that this is called in. A [`Dialer`]'s futures are in one.
    ///
    /// # Errors
    /// There is no tokio runtime here, or the system has no sockets left.
    #[cfg(unix)]
    pub fn bridge<T>(mut stream: T) -> io::Result<PeerStream>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        let mut theirs = tokio::net::UnixStream::from_std(theirs)?;
        runtime.spawn(async move {
            // However it ends, both sides are dropped, and the client sees a closed connection.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut theirs).await;
        });
        Ok(ours.into())
    }

    pub(crate) fn begun(stream: net::tcp::TcpStream) -> PeerStream {
        PeerStream(Kind::Begun(stream))
    }

    /// For a shard, with the name of its other end.
    pub(crate) fn into_stream(self, peer: SocketAddr) -> io::Result<Box<dyn Stream>> {
        Ok(match self.0 {
            Kind::Tcp(stream) => Box::new(net::tcp::TcpStream::from_std(stream, peer)?),
            #[cfg(unix)]
            Kind::Unix(stream) => Box::new(net::tcp::UnixStream::from_std(stream, peer)?),
            Kind::Begun(stream) => Box::new(stream),
        })
    }
}
