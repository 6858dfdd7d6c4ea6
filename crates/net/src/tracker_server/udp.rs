//! UDP for the embedded tracker.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::Shared;

/// Longer than any request: an announce with 1.5 kB of URL, a scrape of 74.
const DATAGRAM_LEN: usize = 2048;

pub(super) async fn serve(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = [0; DATAGRAM_LEN];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((len, from)) => {
                let reply = shared.lock().udp(shared.clock.now(), from, &buffer[..len]);
                if let Some(reply) = reply {
                    // What can't be sent is lost, as datagrams are.
                    let _ = socket.send_to(&reply, from).await;
                }
            }
            // Some systems report here that an earlier answer did not arrive.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
