//! Measures the engine beside other clients: `cargo xtask bench`.
//!
//! `bench run` is the harness: the table of peers is `peers.rs`, that of rows `rows.rs`. The other commands are what it
//! starts beside the clients: the load generator, the floor, and our own client with very many torrents or a huge one.

mod args;
mod floor;
mod harness;
mod home;
mod idle;
mod journal;
mod load;
mod payload;
mod peers;
mod plot;
mod proc;
mod report;
mod rows;
mod sandbox;
mod serve;
mod sockets;
mod synthetic;
mod targets;

use std::process::ExitCode;

use args::Args;

/// An error is a sentence.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
/// The harness reports; it recovers from nothing.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

const USAGE: &str = "bench run [--rounds N] [--size MIB] [--rows A,B] [--peers A,B] [--out FILE] [--note TEXT] [--journal FILE]";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result {
    let mut words = std::env::args().skip(1);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (first.as_str(), second.as_str()) {
        ("load", "up") => load::up(&Args::parse(words)?),
        ("load", "down") => load::down(&Args::parse(words)?),
        ("floor", "send") => floor::send(&Args::parse(words)?),
        ("floor", "through") => floor::through(&Args::parse(words)?),
        ("floor", "receive") => floor::receive(&Args::parse(words)?),
        ("idle", "riverrun") => idle::riverrun(&Args::parse(words)?),
        ("huge", "riverrun") => idle::huge(&Args::parse(words)?),
        (_, "--help" | "-h") | ("--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(())
        }
        ("run", _) => harness::run(&Args::parse(std::env::args().skip(2))?),
        _ => Err(USAGE.into()),
    }
}
