//! Seeds a directory that holds the data of a torrent, until its ratio is 1: `cargo run --example seed`.

mod support;

use riverrun::{AddTorrent, EventKind, SeedGoal};
use support::{Demo, Result, loopback};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 500_000)]).await?;
    let client = loopback()?.build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).output(demo.dir.join("seed")).read_only();
    let torrent = client.add(add.seed_goal(SeedGoal::none().ratio(1.0))).await?;
    torrent.wait_checked().await?;
    let mut events = torrent.events();
    // Somebody who wants it.
    let leech = demo.client()?.build()?;
    leech.add(AddTorrent::metainfo(demo.metainfo.clone()).peers(client.listen_addrs())).await?;
    let snapshot = torrent.snapshot().await?;
    println!("{}: {} of {} pieces are there", torrent.name(), snapshot.pieces_have, snapshot.pieces);
    println!("listening on {:?}\n{}", client.listen_addrs(), torrent.magnet());
    while let Some(event) = events.recv().await {
        match event.kind {
            EventKind::PeerConnected { addr } => println!("{addr} joined"),
            EventKind::PeerDisconnected { addr, reason, .. } => println!("{addr} left: {reason}"),
            EventKind::GoalReached => break,
            _ => {}
        }
    }
    client.close().await;
    leech.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
