//! How many files and sockets may be open.

/// Lets the program have as many as the system allows it at most. Each torrent keeps a file open as long as it is here, and
/// each peer is a socket; most systems begin with 1,024, for the sake of programs that use `select`.
#[cfg(unix)]
pub(super) fn raise() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A system that refuses leaves it with those that it has.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// This system has no such limit.
#[cfg(not(unix))]
pub(super) fn raise() {}
