//! BitTorrent local service discovery (BEP 14): the messages, and a machine that says what to announce when.
//!
//! [`Announce`] reads and writes the datagrams. [`Lsd`] is a plain value that knows the torrents of one client: it
//! announces them no more often than BEP 14 allows, several in one datagram where there are many, answers neighbours who
//! are new, and tells which of them share a torrent. Only an [`Announceable`] torrent can be given to it, and a private
//! torrent never becomes one (BEP 27). Datagrams from beyond the local network are not believed.
//!
//! It opens no socket and reads no clock: `riverrun-net` does, in `net::lsd`.
//!
//! ```
//! use riverrun_lsd::{Announceable, Config, Event, Group, Input, Lsd, Output, Privacy};
//! use types::{InfoHash, InfoHashes, Rng, Time};
//!
//! let hashes = InfoHashes::v1(InfoHash([0xab; 20]));
//! let mut us = Lsd::new(Config::default(), Rng::from_number(1));
//! us.handle(Time::ZERO, Input::Ports { v4: Some(6881), v6: None })?;
//! us.handle(Time::ZERO, Input::Add(Announceable::new(hashes, Privacy::Public).expect("it is public")))?;
//!
//! let Output::Wait(at) = us.poll(Time::ZERO) else { panic!("torrents that start together share a datagram") };
//! let Output::Transmit { group: Group::V4, datagram } = us.poll(at) else { panic!("now it is announced") };
//!
//! let mut them = Lsd::new(Config::default(), Rng::from_number(2));
//! them.handle(Time::ZERO, Input::Add(Announceable::new(hashes, Privacy::Public).expect("it is public")))?;
//! them.handle(Time::ZERO, Input::Datagram { from: "192.168.1.7:6771".parse()?, bytes: &datagram })?;
//! let Output::Event(Event::Peer { addr, .. }) = them.poll(Time::ZERO) else { panic!("a neighbour was found") };
//! assert_eq!(addr, "192.168.1.7:6881".parse()?);
//!
//! assert!(Announceable::new(hashes, Privacy::Private).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod budget;
mod local;
mod machine;
mod message;
mod neighbours;

pub use local::{Network, is_local};
pub use machine::{Config, Event, Ignored, Input, Lsd, Output};
pub use message::{Announce, COOKIE_LEN, DATAGRAM_LEN, Group, PORT, ParseError, READ_LEN, TORRENTS};
pub use types::{Announceable, Privacy};
