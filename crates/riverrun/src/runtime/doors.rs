//! The listeners of one shard.

use std::io;

use mio::Registry;
use net::tcp::{Listener, TcpStream};

use super::links;

/// Listeners, and which of them may have a connection waiting.
#[derive(Debug)]
pub(super) struct Doors {
    listeners: Vec<Listener>,
    ringing: Vec<bool>,
}

impl Doors {
    /// Begins to poll the listeners.
    ///
    /// # Errors
    /// What the poller says.
    pub(super) fn new(mut listeners: Vec<Listener>, registry: &Registry) -> io::Result<Doors> {
        for (number, listener) in listeners.iter_mut().enumerate() {
            listener.register(registry, links::listener_token(number))?;
        }
        Ok(Doors { ringing: vec![true; listeners.len()], listeners })
    }

    /// A listener has news.
    pub(super) fn ring(&mut self, number: usize) {
        if let Some(ringing) = self.ringing.get_mut(number) {
            *ringing = true;
        }
    }

    /// Whether somebody may be waiting.
    pub(super) fn is_ringing(&self) -> bool {
        self.ringing.iter().any(|ringing| *ringing)
    }

    /// The listeners at which somebody may be waiting.
    pub(super) fn ringing(&self) -> Vec<usize> {
        (0..self.ringing.len()).filter(|&number| self.ringing[number]).collect()
    }

    /// The next connection of a listener; none when its turn is over.
    pub(super) fn next(&mut self, number: usize) -> Option<TcpStream> {
        loop {
            match self.listeners.get(number)?.accept() {
                Ok(stream) => return Some(stream),
                Err(e) if is_one_connections_fault(&e) => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        // Out of handles, most likely: the next event tries again.
                        tracing::warn!(%error, "can't accept a connection");
                    }
                    self.ringing[number] = false;
                    return None;
                }
            }
        }
    }

    /// Accepts nothing from now on.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
        self.ringing.clear();
    }
}

/// Whether an error of `accept` concerns only the connection that was to be accepted.
fn is_one_connections_fault(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}
