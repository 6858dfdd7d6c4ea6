//! Downloads a torrent and prints what happens, with a line of progress every second:
//! `cargo run --example events`.

mod support;

use std::time::Duration;

use riverrun::{AddTorrent, EventKind, Torrent};
use support::{Demo, Result};

#[tokio::main]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 2_000_000)]).await?;
    let client = demo.client()?.download_rate(1_000_000).build()?;
    let mut events = client.events();
    let add = AddTorrent::metainfo(demo.metainfo.clone()).peers(demo.seed.listen_addrs());
    let torrent = client.add(add).await?;
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
    demo.seed.clone().close().await;
    Ok(())
}

async fn progress(torrent: &Torrent) -> Result {
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
