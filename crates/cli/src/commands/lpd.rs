//! `torrent lpd`: what is announced on the local network.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use lsd::{Announce, Event};
use net::lsd::{Events, Interfaces, LocalDiscovery, Options as Discovery};
use serde::Serialize;

use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::{output, work};

/// Show what is announced on the local network, until Ctrl-C
///
/// Clients tell their neighbours by multicast (BEP 14) which torrents they take part in, every few minutes. Each announce
/// that is heard is printed: for each torrent a line with its info hash and the address that peers are accepted at. Nothing
/// is sent.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Print announces as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Listen on the interface that has this address; repeat for more [default: all but loopback and tunnels]
    #[arg(long, value_name = "ADDR")]
    interface: Vec<IpAddr>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Listening { groups: Vec<SocketAddr> },
    Announce { from: SocketAddr, port: u16, infohashes: Vec<String>, cookie: Option<String> },
    Stopped,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    // Ctrl-C is how it is meant to end.
    match work::block_on(listen(options, global)) {
        Err(failure) if failure.code() == Code::Interrupted => {
            if options.json {
                output::json(&Line::Stopped)
            } else {
                Ok(())
            }
        }
        done => done,
    }
}

async fn listen(options: &Options, global: &Global) -> Result<(), Failure> {
    let mut discovery = Discovery::default();
    discovery.config.monitor = true;
    if !options.interface.is_empty() {
        options.interface.iter().try_for_each(|addr| check(*addr))?;
        discovery.interfaces = Interfaces::Only(options.interface.clone());
    }
    let (_discovery, events) =
        LocalDiscovery::open(discovery).map_err(|error| Failure::new(Code::Network, error.to_string()))?;
    let groups = lsd::Group::ALL.map(lsd::Group::addr).to_vec();
    if options.json {
        output::json(&Line::Listening { groups })?;
    } else if !global.quiet {
        output::say("torrent: listening for announces; Ctrl-C ends it");
    }
    print(options, events).await
}

/// An error where no interface of this machine has this address: nothing could ever be heard there.
fn check(addr: IpAddr) -> Result<(), Failure> {
    match std::net::UdpSocket::bind((addr, 0)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => Err(Failure::usage(format!(
            "--interface {addr}: no interface of this machine has this address; `ip addr` lists those it has"
        ))),
        _ => Ok(()),
    }
}

async fn print(options: &Options, mut events: Events) -> Result<(), Failure> {
    while let Some(event) = events.recv().await {
        let Event::Heard { from, announce } = event else { continue };
        let Announce { port, torrents, cookie } = announce;
        if options.json {
            let infohashes = torrents.iter().map(ToString::to_string).collect();
            output::json(&Line::Announce { from, port, infohashes, cookie })?;
        } else {
            let mut peer = from;
            peer.set_port(port);
            torrents.iter().try_for_each(|torrent| output::line(format!("{torrent}  {peer}")))?;
        }
        output::heed_reader()?;
    }
    Ok(())
}
