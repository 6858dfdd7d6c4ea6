//! One file per command.

pub(crate) mod announce;
pub(crate) mod bencode;
pub(crate) mod blocklist;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod download;
pub(crate) mod edit;
pub(crate) mod help;
pub(crate) mod lpd;
pub(crate) mod magnet;
pub(crate) mod man;
pub(crate) mod metainfo;
pub(crate) mod metainfo_fetch;
pub(crate) mod scrape;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod tracker;
pub(crate) mod verify;
pub(crate) mod version;
