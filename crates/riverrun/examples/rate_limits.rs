//! Changes the rate limit of a download while it runs: `cargo run --example rate_limits`.

mod support;

use std::time::{Duration, Instant};

use riverrun::AddTorrent;
use support::{Demo, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 4_000_000)]).await?;
    let client = demo.client()?.download_rate(200_000).build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).peers(demo.seed.listen_addrs());
    let (torrent, begun) = (client.add(add).await?, Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{} bytes in {:.1?} at 200000 a second", torrent.bytes_completed(), begun.elapsed());
    client.set_rates(None, None);
    torrent.wait_complete().await?;
    println!("{} bytes in {:.1?}, the rest without a limit", torrent.bytes_completed(), begun.elapsed());
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
