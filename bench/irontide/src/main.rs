//! `irontide-driver download|seed TORRENT DIR PORT`: a download ends when it is complete.

use std::time::Duration;

use irontide::{AddTorrentParams, ClientBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, torrent, dir, port] = args.as_slice() else { return Err("download|seed TORRENT DIR PORT".into()) };
    let builder = ClientBuilder::new().listen_port(port.parse()?).download_dir(dir);
    let builder = builder.enable_dht(false).enable_lsd(false).enable_pex(false).enable_utp(false);
    let session = builder.enable_upnp(false).enable_natpmp(false).enable_ipv6(false).start().await?;
    let hash = AddTorrentParams::from_file(torrent).download_dir(dir).add_to(&session).await?;
    loop {
        let stats = session.torrent_stats(hash).await?;
        if verb == "download" && (stats.is_finished || stats.is_seeding) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    session.shutdown().await?;
    Ok(())
}
