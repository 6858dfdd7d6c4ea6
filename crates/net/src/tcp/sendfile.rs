//! Files into sockets without a copy, on Linux.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{SendFlags, sockopt};

use super::Run;

/// Sends runs, as much as fits: what is in memory waits for what follows it, so that a header leaves with its block.
///
/// With several files the socket is corked: they leave in segments that are full, and wake the receiver less often. A header
/// and its file alone need no cork.
pub(super) fn send_runs(socket: &impl AsFd, runs: &[Run<'_>]) -> io::Result<usize> {
    let files = runs.iter().filter(|run| matches!(run, Run::File { .. })).count();
    let _cork = (files > 1).then(|| Cork::on(socket));
    send_each(socket, runs)
}

/// A socket that sends full segments alone, as long as this is here. Best effort: not every stream has a cork.
struct Cork<'a, S: AsFd>(&'a S);

impl<'a, S: AsFd> Cork<'a, S> {
    fn on(socket: &'a S) -> Cork<'a, S> {
        let _ = sockopt::set_tcp_cork(socket, true);
        Cork(socket)
    }
}

impl<S: AsFd> Drop for Cork<'_, S> {
    /// What is not a whole segment leaves now.
    fn drop(&mut self) {
        let _ = sockopt::set_tcp_cork(self.0, false);
    }
}

fn send_each(socket: &impl AsFd, runs: &[Run<'_>]) -> io::Result<usize> {
    let mut sent = 0;
    for (n, run) in runs.iter().enumerate() {
        let (took, len) = match *run {
            Run::Bytes(bytes) => (send_bytes(socket, bytes, n + 1 < runs.len()), bytes.len()),
            Run::File { file, offset, len } => (send_file(socket, file, offset, len), len),
        };
        match took {
            Ok(took) => {
                sent += took;
                if took < len {
                    break;
                }
            }
            // What was sent counts; the next call finds the error again.
            Err(_) if sent > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

fn send_bytes(socket: &impl AsFd, bytes: &[u8], more: bool) -> io::Result<usize> {
    // A peer that is gone is an error here, and no signal for the process.
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let flags = if more { flags | SendFlags::MORE } else { flags };
    Ok(rustix::net::send(socket, bytes, flags)?)
}

fn send_file(socket: &impl AsFd, file: &impl AsFd, offset: u64, len: usize) -> io::Result<usize> {
    let (mut at, mut sent) = (offset, 0);
    while sent < len {
        match rustix::fs::sendfile(socket, file, Some(&mut at), len - sent) {
            Ok(0) if sent > 0 => break,
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => sent += n,
            Err(_) if sent > 0 => break,
            // Of the file, not of the socket: a device that fails, a filesystem that can't.
            Err(Errno::IO | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn received(mut socket: UnixStream, from: UnixStream) -> Vec<u8> {
        drop(from);
        let mut all = Vec::new();
        socket.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn bytes_and_files_arrive_in_order() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (a, b) = (file(b"0123456789"), file(b"abcdefghij"));
        let runs = [
            Run::Bytes(b"head"),
            Run::File { file: &a, offset: 2, len: 3 },
            Run::Bytes(b"-"),
            Run::File { file: &b, offset: 0, len: 10 },
        ];
        assert_eq!(send_runs(&ours, &runs).unwrap(), 18);
        assert_eq!(received(theirs, ours), b"head234-abcdefghij");
    }

    #[test]
    fn a_file_that_ends_too_early_stops_what_follows() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let short = file(b"0123456789");
        let run = |offset| Run::File { file: &short, offset, len: 8 };
        assert_eq!(send_runs(&ours, &[Run::Bytes(b"h"), run(5), Run::Bytes(b"never")]).unwrap(), 6);
        let error = send_runs(&ours, &[run(10), Run::Bytes(b"never")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(received(theirs, ours), b"h56789");
    }

    #[test]
    fn a_full_socket_takes_what_fits_and_a_peer_that_is_gone_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let large = file(&vec![7; 4 << 20]);
        let run = [Run::Bytes(b"h"), Run::File { file: &large, offset: 0, len: 4 << 20 }];
        let sent = send_runs(&ours, &run).unwrap();
        assert!(sent > 1 && sent < 4 << 20, "{sent}");
        while send_runs(&ours, &run[1..]).is_ok() {}
        assert_eq!(send_runs(&ours, &run).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!(send_runs(&ours, &run).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
