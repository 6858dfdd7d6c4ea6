//! An extension of one's own (BEP 10): two clients of a torrent say hello to each other beside the protocol's messages.
//! `cargo run --example extension`.

mod support;

use riverrun::{AddTorrent, Client, EventKind, Torrent};
use support::{Demo, Result, loopback};

const NAME: &str = "xm_hello";

#[tokio::main]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 100_000)]).await?;
    let seed = loopback()?.extension(NAME).download_dir(demo.dir.join("seed")).build()?;
    let seeding = seed.add(demo.metainfo.clone()).await?;
    seeding.wait_complete().await?;
    let answers = tokio::spawn(answer(seeding));

    // A slow download: both are seeds afterwards, and seeds part.
    let client = demo.client()?.extension(NAME).download_rate(20_000).build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).peers(seed.listen_addrs());
    let heard = ask(&client, add).await?;
    println!("the seed answered: {heard}");
    assert_eq!(heard, "hello, riverrun");
    answers.abort();
    client.close().await;
    seed.close().await;
    Ok(())
}

/// Greets the first peer that understands the extension, and waits for its answer.
async fn ask(client: &Client, add: AddTorrent) -> Result<String> {
    let mut events = client.events();
    let torrent = client.add(add).await?;
    while let Some(event) = events.recv().await {
        match event.kind {
            EventKind::PeerExtensions { addr, names } => {
                println!("{addr} understands {names:?}");
                torrent.send_extension(Some(addr), NAME, b"riverrun")?;
            }
            EventKind::ExtensionMessage { payload, .. } => {
                return Ok(String::from_utf8_lossy(&payload).into());
            }
            _ => {}
        }
    }
    Err("the client closed".into())
}

/// Answers whoever sends a name.
async fn answer(torrent: Torrent) {
    let mut events = torrent.events();
    while let Some(event) = events.recv().await {
        if let EventKind::ExtensionMessage { addr, name, payload } = event.kind {
            let answer = [b"hello, ", &*payload].concat();
            // It may have gone meanwhile.
            let _ = torrent.send_extension(Some(addr), &name, &answer);
        }
    }
}
