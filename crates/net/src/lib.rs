//! Sockets for BitTorrent, and tokio faces of the pure machines.
//!
//! The machines of the pure crates decide; what is here opens sockets, reads the clock and the system's entropy, and
//! drives them. Each face stands behind a feature and is usable alone: `tracker-client` is a tracker client,
//! `tracker-server` an embedded tracker, `lsd` finds neighbours, `dht` finds peers in the DHT, `port-mapping` has the
//! gateway map ports. No decision about torrents or peers is made here.
//!
//! ```
//! # #[cfg(all(feature = "tracker-client", feature = "tracker-server"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use riverrun_net::{tracker::TrackerClient, tracker_server::TrackerServer};
//! use tracker::{AnnounceRequest, TrackerUrl, server::ServerConfig};
//! use types::{InfoHash, PeerId};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let server = TrackerServer::bind(None, Some("127.0.0.1:0".parse()?), ServerConfig::default()).await?;
//! let url = TrackerUrl::parse(&server.announce_urls()[0])?;
//! let request = AnnounceRequest::new(InfoHash([7; 20]), PeerId([b'x'; 20]), 6881);
//! let reply = TrackerClient::builder().build()?.announce(&url, &request).await?;
//! assert_eq!(reply.leechers, Some(1));
//! # Ok(())
//! # })
//! # }
//! # #[cfg(not(all(feature = "tracker-client", feature = "tracker-server")))]
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]

#[cfg(any(feature = "tracker-client", feature = "tracker-server", feature = "lsd", feature = "dht"))]
mod clock;
#[cfg(feature = "dht")]
pub mod dht;
#[cfg(any(feature = "lsd", feature = "port-mapping"))]
mod interfaces;
#[cfg(feature = "lsd")]
pub mod lsd;
#[cfg(feature = "port-mapping")]
pub mod portmap;
pub mod tcp;
#[cfg(feature = "tracker-client")]
pub mod tracker;
#[cfg(feature = "tracker-server")]
pub mod tracker_server;
