//! Downloads by a magnet link that names a peer: `cargo run --example magnet`.

mod support;

use riverrun::{AddTorrent, Source};
use support::{Demo, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 500_000)]).await?;
    let client = demo.client()?.build()?;
    let peer = demo.seed.listen_addrs()[0];
    let link = format!("{}&x.pe={peer}", demo.metainfo.magnet());
    println!("{link}");
    let torrent = client.add(AddTorrent::new(Source::parse(&link)?)).await?;
    torrent.wait_metadata().await?;
    println!("{} has {} files", torrent.name(), torrent.files().len());
    torrent.wait_complete().await?;
    println!("complete");
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
