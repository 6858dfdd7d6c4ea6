//! The BitTorrent DHT (BEP 5, BEP 32, BEP 42) as a client that only asks: messages, known nodes, lookups and announces.
//!
//! [`Message`] reads and writes the datagrams of any node. [`Dht`] is a plain value that looks for the peers of one
//! client's torrents, tells the nodes nearest to each that the client takes part, and keeps the nodes that answered. Only
//! a torrent that may be spoken of ([`types::Announceable`]) can be given to it, so a private one never leaves a trace
//! (BEP 27).
//!
//! It is read-only (BEP 43): it says so in each query, and answers none. It knows no node by itself and sends nothing
//! before it is told of one. What others say is bounded in number, never verified, and never leads it to an address that
//! nobody can have, nor from afar to one of the own network. It opens no socket and reads no clock: `riverrun-net` does, in
//! `net::dht`.
//!
//! ```
//! use riverrun_dht::{Body, Config, Dht, Event, Input, Message, NodeId, Output, Reply};
//! use types::{Announceable, InfoHash, InfoHashes, Privacy, Rng, Time};
//!
//! let mut dht = Dht::new(Config::default(), Rng::from_number(1));
//! let torrent = InfoHashes::v1(InfoHash([0xab; 20]));
//! dht.handle(Time::ZERO, Input::Add(Announceable::new(torrent, Privacy::Public).ok_or("a private torrent")?))?;
//! assert_eq!(dht.poll(Time::ZERO), Output::Wait(Time::NEVER));
//!
//! // It is told of a node, asks it, and the node knows a peer.
//! let node = "10.0.0.7:6881".parse()?;
//! dht.handle(Time::ZERO, Input::Nodes(&[node]))?;
//! let mut found = Vec::new();
//! loop {
//!     match dht.poll(Time::ZERO) {
//!         Output::Transmit { datagram, .. } => {
//!             let transaction = Message::decode(&datagram)?.transaction;
//!             let reply = Reply { peers: vec!["10.0.0.9:51413".parse()?], ..Reply::new(NodeId([7; 20])) };
//!             let bytes = Message { transaction, body: Body::Reply(reply) }.encode();
//!             dht.handle(Time::ZERO, Input::Datagram { from: node, bytes: &bytes })?;
//!         }
//!         Output::Event(Event::Peers { peers, .. }) => found.extend(peers),
//!         Output::Wait(_) => break,
//!         _ => {}
//!     }
//! }
//! assert_eq!(found, ["10.0.0.9:51413".parse()?]);
//! assert_eq!(dht.known().v4, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod calls;
mod family;
mod id;
mod lookup;
mod machine;
mod message;
mod pace;
mod table;
mod torrents;

pub use id::NodeId;
pub use machine::{Config, Dht, Event, Ignored, Input, Known, Output};
pub use message::{
    Ask, Body, Message, NODES, Node, PEERS, ParseError, Query, READ_LEN, Reply, TOKEN_LEN, TRANSACTION_LEN,
    Want,
};

use family::Family;

/// How many nodes know of a torrent, stand in a bucket, and are given in an answer (BEP 5).
pub(crate) const K: usize = 8;
