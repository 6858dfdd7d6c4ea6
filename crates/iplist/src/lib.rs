//! IP blocklists: P2P, eMule DAT and CIDR text, and a packed form searched in place.
//!
//! A [`Builder`] reads lists, in any mixture of formats and several after each other, and makes an [`IpList`]: ranges
//! sorted, merged and without overlap. [`IpList::pack`] writes it as bytes, and [`Packed`] searches such bytes, from a
//! memory-mapped file for instance, without reading them through first. Both answer as a [`Blocklist`].
//!
//! It opens no files and maps none; the caller brings the bytes. With the feature `gzip`, compressed text is read too.
//! IPv6 forms of IPv4 addresses (`::ffff:1.2.3.4`) count as IPv4 everywhere.
//!
//! ```
//! use riverrun_iplist::{Blocklist, Builder, Limits, Packed};
//!
//! let mut builder = Builder::new(Limits::default()).keep_names();
//! let report = builder.add_text(b"Some network:1.2.3.0-1.2.3.255\n10.0.0.0/8\nnonsense\n")?;
//! assert_eq!((report.ranges, report.bad), (2, 1));
//! assert_eq!(report.bad_lines[0].to_string(), "line 3: no address, range or network: nonsense");
//!
//! let list = builder.build();
//! assert!(list.contains("10.1.1.1".parse().unwrap()));
//!
//! let bytes = list.pack();
//! let packed = Packed::new(&bytes)?;
//! let found = packed.lookup("1.2.3.4".parse().unwrap()).unwrap();
//! assert_eq!(found.name, Some("Some network"));
//! assert_eq!(found.range.to_string(), "1.2.3.0-1.2.3.255");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod blocklist;
mod builder;
mod entry;
#[cfg(feature = "gzip")]
mod gzip;
mod limits;
mod line;
mod list;
mod packed;
mod range;
mod report;

pub use blocklist::{Blocklist, Match, Stats};
pub use builder::Builder;
pub use limits::{Error, Limits};
pub use line::Reason;
pub use list::IpList;
pub use packed::{Packed, PackedError};
pub use range::{IpRange, RangeError};
pub use report::{BadLine, Report};
