//! The listeners of one shard.

use std::io;
use std::time::Duration;

use mio::Registry;
use net::tcp::{Listener, TcpStream};
use types::Time;

use super::connections;

/// How long a listener rests after the system had no handle for a connection. The poller reports a connection
/// once, so nothing else would bring us back to it.
const REST: Duration = Duration::from_millis(500);

/// Listeners, and which of them may have a connection waiting.
#[derive(Debug)]
pub(super) struct Listeners {
    sockets: Vec<Listener>,
    ready: Vec<bool>,
    /// Listeners that rest, until `wake`.
    resting: Vec<usize>,
    wake: Time,
    closed: bool,
}

impl Listeners {
    /// Begins to poll the listeners.
    ///
    /// # Errors
    /// What the poller says.
    pub(super) fn new(mut sockets: Vec<Listener>, registry: &Registry) -> io::Result<Listeners> {
        for (number, listener) in sockets.iter_mut().enumerate() {
            listener.register(registry, connections::listener_token(number))?;
        }
        let ready = vec![true; sockets.len()];
        Ok(Listeners { ready, sockets, resting: Vec::new(), wake: Time::NEVER, closed: false })
    }

    /// A listener has news.
    pub(super) fn set_ready(&mut self, number: usize) {
        if let Some(ready) = self.ready.get_mut(number) {
            *ready = true;
        }
    }

    /// When resting listeners are to be tried again.
    pub(super) fn wake(&self) -> Time {
        self.wake
    }

    /// Tries resting listeners again when their time has come.
    pub(super) fn on_timer(&mut self, now: Time) {
        if self.wake.is_due(now) {
            self.wake = Time::NEVER;
            std::mem::take(&mut self.resting).into_iter().for_each(|number| self.set_ready(number));
        }
    }

    /// Whether somebody may be waiting.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.iter().any(|ready| *ready)
    }

    /// The listeners at which somebody may be waiting.
    pub(super) fn ready(&self) -> Vec<usize> {
        (0..self.ready.len()).filter(|&number| self.ready[number]).collect()
    }

    /// The next connection of a listener; none when its turn is over.
    pub(super) fn next(&mut self, now: Time, number: usize) -> Option<TcpStream> {
        loop {
            match self.sockets.get(number)?.accept() {
                Ok(stream) => return Some(stream),
                Err(e) if is_one_connections_fault(&e) => {}
                Err(error) => {
                    self.ready[number] = false;
                    if error.kind() != io::ErrorKind::WouldBlock {
                        // Out of handles, most likely.
                        tracing::warn!(%error, "can't accept a connection");
                        self.resting.push(number);
                        self.wake = self.wake.min(now + REST);
                    }
                    return None;
                }
            }
        }
    }

    /// Accepts nothing from now on.
    pub(super) fn close(&mut self) {
        self.sockets.clear();
        self.ready.clear();
        self.resting.clear();
        self.wake = Time::NEVER;
        self.closed = true;
    }

    /// Whether nobody is taken in any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Whether an error of `accept` concerns only the connection that was to be accepted.
fn is_one_connections_fault(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}
