//! Sockets for BitTorrent, and tokio faces of the pure machines.

pub mod tcp;
