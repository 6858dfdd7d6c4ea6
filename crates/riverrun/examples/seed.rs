//! Seeds a directory that holds the data of a torrent, until its ratio is 1:
//! `cargo run --example seed -- FILE.torrent DIR`.

use riverrun::{AddTorrent, Client, EventKind, SeedGoal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(dir)) = (args.next(), args.next()) else {
        return Err("usage: seed FILE.torrent DIR".into());
    };
    let client = Client::builder().build()?;
    let add = AddTorrent::path(file).output(dir).read_only().seed_goal(SeedGoal::none().ratio(1.0));
    let torrent = client.add(add).await?;
    torrent.wait_checked().await?;
    let snapshot = torrent.snapshot().await?;
    println!("{}: {} of {} pieces are there", torrent.name(), snapshot.pieces_have, snapshot.pieces);
    println!("listening on {:?}\n{}", client.listen_addrs(), torrent.magnet());
    let mut events = torrent.events();
    while let Some(event) = events.recv().await {
        match event.kind {
            EventKind::PeerConnected { addr } => println!("{addr} joined"),
            EventKind::PeerDisconnected { addr, reason, .. } => println!("{addr} left: {reason}"),
            EventKind::GoalReached => break,
            _ => {}
        }
    }
    client.close().await;
    Ok(())
}
