//! Two peers that cannot dial each other meet through a third (BEP 55), on real sockets.

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use metainfo::Version;
use riverrun::{AddTorrent, Client, ClientBuilder, DialRequest, EventKind, Events, UploadMode};
use support::{Payload, addr, complete, guard, seeder_with, settings};

/// What became of the dials to one address that takes nobody in without being told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dial {
    Refused,
    /// From the port that is listened on, as a relay said.
    Called(u16),
}

type Log = Arc<Mutex<Vec<(SocketAddr, Dial)>>>;

/// Behind a NAT: only the relay is reached at once, everybody else when both dial at the same time.
fn behind_a_nat(settings: ClientBuilder, relay: SocketAddr) -> (ClientBuilder, Log) {
    let log = Log::default();
    let noted = log.clone();
    let dialer = move |to: DialRequest| {
        let dial = to.from_port().map_or(Dial::Refused, Dial::Called);
        if to.addr() != relay {
            noted.lock().unwrap().push((to.addr(), dial));
        }
        let open = to.addr() == relay || dial != Dial::Refused;
        async move { if open { to.tcp() } else { Err(io::ErrorKind::ConnectionRefused.into()) } }
    };
    (settings.dialer(dialer), log)
}

async fn met(events: &mut Events, whom: SocketAddr) {
    while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PeerConnected { addr } if addr == whom)
    {
    }
}

#[tokio::test]
async fn two_behind_nats_meet_through_a_third() {
    let dirs = [0; 3].map(|_| tempfile::tempdir().unwrap());
    let payload = Payload::single(3_000_001);
    let metainfo = payload.metainfo(Version::V1, 65_536, None);
    // The relay gives nobody anything, and has not got all itself before the others have met.
    let slow = settings(dirs[0].path()).download_rate(40_000).upload_mode(UploadMode::Never);
    let relay: Client = slow.build().unwrap();
    let relaying = relay.add(metainfo.clone()).await.unwrap();
    guard(relaying.wait_checked()).await.unwrap();

    let (ours, seed_log) = behind_a_nat(settings(dirs[1].path()), addr(&relay));
    let (seed, seeding) = seeder_with(ours, dirs[1].path(), &payload, &metainfo).await;
    let mut events = seed.events();
    seeding.add_peers([addr(&relay)]).unwrap();
    met(&mut events, addr(&relay)).await;

    let (ours, log) = behind_a_nat(settings(dirs[2].path()), addr(&relay));
    let client = ours.build().unwrap();
    let add = AddTorrent::metainfo(metainfo).peers([addr(&relay)]);
    let torrent = client.add(add).await.unwrap();
    complete(&torrent).await;
    payload.assert_at(&dirs[2].path().join("data"));

    let (ours, theirs) = (addr(&client), addr(&seed));
    let (log, seed_log) = (log.lock().unwrap().clone(), seed_log.lock().unwrap().clone());
    let only = |log: &[(SocketAddr, Dial)], whom| log.iter().all(|(addr, _)| *addr == whom);
    assert!(only(&log, theirs) && only(&seed_log, ours), "{log:?} {seed_log:?}");
    let refused = |log: &[(SocketAddr, Dial)]| log.iter().any(|(_, dial)| *dial == Dial::Refused);
    assert!(refused(&log) || refused(&seed_log), "somebody tried in vain first: {log:?} {seed_log:?}");
    let called = [(log, ours), (seed_log, theirs)];
    let calls = called.iter().flat_map(|(log, from)| log.iter().map(move |(_, dial)| (*dial, from.port())));
    let calls: Vec<_> = calls.filter(|(dial, _)| *dial != Dial::Refused).collect();
    assert!(!calls.is_empty() && calls.iter().all(|(dial, port)| *dial == Dial::Called(*port)), "{calls:?}");
    assert_eq!(relaying.snapshot().await.unwrap().uploaded, 0, "the data came from the seed");
    assert!(client.close().await && seed.close().await && relay.close().await);
}
