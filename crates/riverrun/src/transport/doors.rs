//! Unix sockets that a client accepts peers at.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runtime::ShardHandle;
use crate::transport::PeerStream;
use crate::{Error, Trouble};

/// How long a listener rests after the system had no handle for a connection.
const REST: Duration = Duration::from_millis(500);

/// A Unix socket that is listened on. Its file goes with it.
#[derive(Debug)]
pub(crate) struct Door {
    listener: UnixListener,
    file: SocketFile,
    /// What peers that come through it are called.
    host: Ipv6Addr,
}

/// A socket's file: removed in the end, if it is still ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && SocketFile::identity(&self.path) == self.identity {
            // What can't be removed is replaced by the next who listens there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Door {
    /// Listens at each path.
    ///
    /// # Errors
    /// [`Error::Listen`] for the first that can't be had.
    pub(crate) fn open_all(paths: &[PathBuf]) -> Result<Vec<Door>, Error> {
        let open = |(number, path): (usize, &PathBuf)| {
            Door::open(path, number as u16).map_err(|error| {
                let code = match error.kind() {
                    io::ErrorKind::AddrInUse => "address_in_use",
                    io::ErrorKind::PermissionDenied => "permission",
                    _ => "io",
                };
                Error::Listen(Trouble::new(code, format!("{}: can't listen: {error}", path.display())))
            })
        };
        paths.iter().enumerate().map(open).collect()
    }

    fn open(path: &Path, number: u16) -> io::Result<Door> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            result => result?,
        };
        let file = SocketFile { identity: SocketFile::identity(path), path: path.to_owned() };
        listener.set_nonblocking(true)?;
        Ok(Door { listener, file, host: Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, number.wrapping_add(1)) })
    }

    /// Gives everyone who comes in to the shard, as long as the task runs. To be called inside a runtime.
    pub(crate) fn serve(self, shard: ShardHandle) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let Door { listener, file, host } = self;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        Ok(async move {
            let mut port = 0u16;
            loop {
                match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
                    Ok(stream) => {
                        port = port.wrapping_add(1).max(1);
                        hand_in(&shard, stream.into(), SocketAddr::new(IpAddr::V6(host), port));
                    }
                    Err(error) => {
                        tracing::warn!(path = %file.path.display(), %error, "can't accept a connection");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        })
    }
}

/// Whether a socket's file is there that nobody listens at.
fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn hand_in(shard: &ShardHandle, stream: PeerStream, from: SocketAddr) {
    match stream.into_stream(from) {
        Ok(stream) => shard.accepted(stream),
        Err(error) => tracing::debug!(%error, "a connection that can't be used"),
    }
}
