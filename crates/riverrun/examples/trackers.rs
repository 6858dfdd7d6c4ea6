//! Gives a torrent a list of trackers of one's own, and shows how they stand: `cargo run --example trackers`.

mod support;

use std::time::Duration;

use riverrun::{AddTorrent, Client, EventKind};
use support::{Demo, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 100_000)]).await?;
    let listen = ["127.0.0.1:0".parse()?];
    let settings = Client::builder().listen(listen).ipv4_only().lsd(false).allow_local_trackers(true);
    let client = settings.download_dir(demo.dir.join("download")).build()?;
    let mut events = client.events();
    // Nobody answers there: what matters here is how that is told.
    let add = AddTorrent::metainfo(demo.metainfo.clone()).without_own_trackers();
    let torrent = client.add(add.trackers(["http://127.0.0.1:9/announce"])).await?;
    torrent.add_trackers(["udp://127.0.0.1:9/announce"])?;
    let refused = async {
        while let Some(event) = events.recv().await {
            if let EventKind::TrackerFailed { url, message, .. } = event.kind {
                println!("{url}: {message}");
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await?;
    for tracker in torrent.trackers().await? {
        println!("tier {}: {}, {} failures", tracker.tier, tracker.url, tracker.failures);
    }
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
