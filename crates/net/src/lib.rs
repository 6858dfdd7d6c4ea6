//! Sockets for BitTorrent, and tokio faces of the pure machines.

#[cfg(any(feature = "tracker-client", feature = "tracker-server"))]
mod clock;
pub mod tcp;
#[cfg(feature = "tracker-client")]
pub mod tracker;
#[cfg(feature = "tracker-server")]
pub mod tracker_server;
