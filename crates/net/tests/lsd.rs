//! Local discovery over the loopback interface.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lsd::{Announceable, Event, Privacy};
use riverrun_net::lsd::{Error, Events, Interfaces, LocalDiscovery, Options};
use types::{InfoHash, InfoHashes};

const LONG: Duration = Duration::from_secs(20);

fn on(addr: &str) -> Options {
    let ip: IpAddr = addr.parse().expect("an address");
    let mut options = Options::default();
    options.interfaces = Interfaces::Only(vec![ip]);
    (options.ipv4, options.ipv6) = (ip.is_ipv4(), ip.is_ipv6());
    options
}

/// Hashes that no other run on this machine has.
fn hashes(n: u8) -> InfoHashes {
    let mut hash = [n; 20];
    hash[..4].copy_from_slice(&std::process::id().to_be_bytes());
    InfoHashes::v1(InfoHash(hash))
}

fn token(n: u8) -> Announceable {
    Announceable::new(hashes(n), Privacy::Public).expect("it is public")
}

async fn peer(events: &mut Events) -> (InfoHash, SocketAddr) {
    loop {
        match tokio::time::timeout(LONG, events.recv()).await.expect("somebody is heard in time") {
            Some(Event::Peer { torrent, addr }) => return (torrent, addr),
            Some(_) => {}
            None => panic!("discovery ended"),
        }
    }
}

async fn find_each_other(ip: &str) {
    let (a, mut heard_by_a) = LocalDiscovery::open(on(ip)).expect("sockets");
    let (b, mut heard_by_b) = LocalDiscovery::open(on(ip)).expect("the same port once more");
    for (discovery, port) in [(&a, 1111), (&b, 2222)] {
        discovery.ports(Some(port), Some(port));
        discovery.add(token(1));
    }
    let ip: IpAddr = ip.parse().expect("an address");
    let name = hashes(1).primary();
    let (to_a, to_b) = (peer(&mut heard_by_a).await, peer(&mut heard_by_b).await);
    for ((torrent, addr), port) in [(to_a, 2222), (to_b, 1111)] {
        assert_eq!((torrent, addr.ip().to_canonical(), addr.port()), (name, ip, port));
    }
}

#[tokio::test]
async fn two_on_one_machine_find_each_other() {
    find_each_other("127.0.0.1").await;
}

#[tokio::test]
async fn two_on_one_machine_find_each_other_over_ipv6() {
    // Linux gives its loopback interface no route for groups; where somebody did, or the system is another one, it works.
    let probe = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).expect("a socket");
    let group = "[ff15::efc0:988f]:9".parse::<SocketAddr>().expect("an address");
    if probe.set_multicast_if_v6(1).and_then(|()| probe.send_to(b"", &group.into())).is_ok() {
        find_each_other("::1").await;
    }
}

#[tokio::test]
async fn a_monitor_hears_everything_and_says_nothing() {
    let mut options = on("127.0.0.1");
    options.config.monitor = true;
    let (_monitor, mut heard) = LocalDiscovery::open(options).expect("sockets");
    let (other, _heard) = LocalDiscovery::open(on("127.0.0.1")).expect("sockets");
    other.ports(Some(3333), None);
    other.add(token(2));
    let name = hashes(2).primary();
    let found = async {
        while let Some(event) = heard.recv().await {
            if let Event::Heard { announce, .. } = event
                && announce.torrents.contains(&name)
            {
                return announce.port;
            }
        }
        0
    };
    assert_eq!(tokio::time::timeout(LONG, found).await.expect("it is heard in time"), 3333);
}

#[tokio::test]
async fn events_end_with_the_handle() {
    let (discovery, mut events) = LocalDiscovery::open(on("127.0.0.1")).expect("sockets");
    drop(discovery);
    while tokio::time::timeout(LONG, events.recv()).await.expect("an end in time").is_some() {}
}

#[tokio::test]
async fn without_any_group_there_is_no_discovery() {
    let mut options = Options::default();
    (options.ipv4, options.ipv6) = (false, false);
    assert!(matches!(LocalDiscovery::open(options), Err(Error::Socket(_))));
}
