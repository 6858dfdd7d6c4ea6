//! Downloads a torrent and prints what happens, with a line of progress every second:
//! `cargo run --example events -- FILE.torrent [PEER:PORT]...`.

use std::time::Duration;

use riverrun::{AddTorrent, Client, EventKind, Torrent};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: events FILE.torrent [PEER:PORT]...")?;
    let peers: Vec<std::net::SocketAddr> = args.map(|peer| peer.parse()).collect::<Result<_, _>>()?;
    let client = Client::builder().build()?;
    let mut events = client.events();
    let torrent = client.add(AddTorrent::path(file).peers(peers)).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = events.recv() => match event.map(|event| event.kind) {
                Some(EventKind::Completed) | None => break,
                Some(EventKind::PieceCompleted { .. }) => {}
                Some(kind) => println!("{kind:?}"),
            },
            _ = ticks.tick() => progress(&torrent).await?,
        }
    }
    progress(&torrent).await?;
    client.close().await;
    Ok(())
}

async fn progress(torrent: &Torrent) -> Result<(), riverrun::Error> {
    let now = torrent.snapshot().await?;
    println!(
        "{}: {} of {} bytes, {} B/s from {} peers",
        now.state.name(),
        now.bytes_wanted - now.bytes_left,
        now.bytes_wanted,
        now.download_rate,
        now.peers,
    );
    Ok(())
}
