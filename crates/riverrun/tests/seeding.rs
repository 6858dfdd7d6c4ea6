//! Serving from files, at real sockets: files that change under us.

mod support;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use metainfo::{Metainfo, Version};
use riverrun::EventKind;
use support::{Payload, addr, guard, seeder};

const BLOCK: usize = 16_384;
const PIECE: usize = 65_536;

/// A peer of a few lines: it asks and takes what comes.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Joins and waits until it is served; none where the other side hangs up before.
    fn new(to: SocketAddr, metainfo: &Metainfo) -> Option<Peer> {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let name = metainfo.info().info_hashes().primary().0;
        // With the fast extension, so that a refusal is a message.
        let reserved = [0, 0, 0, 0, 0, 0, 0, 4];
        let hello =
            [&b"\x13BitTorrent protocol"[..], &reserved, &name, &[b'p'; 20], &[0, 0, 0, 1, 2]].concat();
        stream.write_all(&hello).ok()?;
        stream.read_exact(&mut [0; 68]).ok()?;
        let mut peer = Peer { stream };
        while peer.next()? != [1] {}
        Some(peer)
    }

    fn ask(&mut self, at: usize) {
        let words = [13, (at / PIECE) as u32, (at % PIECE) as u32, BLOCK as u32].map(u32::to_be_bytes);
        let request = [&words[0][..], &[6], &words[1], &words[2], &words[3]].concat();
        self.stream.write_all(&request).unwrap();
    }

    /// The next whole message; none where the other side has closed, perhaps in the middle of one.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len).ok()?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut message).ok()?;
        Some(message)
    }

    /// The block at this place, or that it is refused. What else is said is passed over.
    fn answer(&mut self) -> Option<(usize, Option<Vec<u8>>)> {
        loop {
            let message = self.next()?;
            let word = |n: usize| u32::from_be_bytes(message[n..n + 4].try_into().unwrap()) as usize;
            match message.first() {
                Some(7) => return Some((word(1) * PIECE + word(5), Some(message[9..].to_vec()))),
                Some(16) => return Some((word(1) * PIECE + word(5), None)),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_short_while_it_is_served_is_told_and_nothing_wrong_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(16 * PIECE);
    let data = payload.files[0].1.clone();
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let (client, torrent) = seeder(dir.path(), &payload, &metainfo).await;
    let mut events = torrent.events();
    let mut peer = Peer::new(addr(&client), &metainfo).unwrap();
    // Twice: the first read opens the file.
    for at in [0, BLOCK, 0, BLOCK, 5 * PIECE] {
        peer.ask(at);
        let (place, block) = peer.answer().unwrap();
        assert!(place == at && block.unwrap() == data[at..at + BLOCK]);
    }
    // Within a page, so that a part of what is asked for is still there.
    let file = OpenOptions::new().write(true).open(dir.path().join("data/single.bin")).unwrap();
    let end = 8 * PIECE + BLOCK + 5_000;
    file.set_len(end as u64).unwrap();
    let wanted: Vec<usize> = (0..16 * PIECE).step_by(3 * BLOCK).collect();
    wanted.iter().for_each(|&at| peer.ask(at));
    while let Some((at, block)) = peer.answer() {
        assert!(block.is_none_or(|block| block == data[at..at + BLOCK]), "wrong bytes at {at}");
    }
    // The torrent stood still for a look at what is left, which hung up on everybody; the rest is served again.
    let trouble = loop {
        if let EventKind::Stalled(trouble) = guard(events.recv()).await.unwrap().kind {
            break trouble;
        }
    };
    assert_eq!(trouble.code, "truncated", "{trouble}");
    assert!(trouble.message.contains("single.bin"), "{trouble}");
    let back = async {
        loop {
            match Peer::new(addr(&client), &metainfo) {
                Some(peer) => break peer,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let mut peer = guard(back).await;
    peer.ask(2 * PIECE);
    let (at, block) = peer.answer().unwrap();
    assert!(at == 2 * PIECE && block.unwrap() == data[at..at + BLOCK]);
    assert!(client.close().await);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_served_leaves_the_stream_whole() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(4 * PIECE);
    let data = payload.files[0].1.clone();
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let (client, _) = seeder(dir.path(), &payload, &metainfo).await;
    let mut peer = Peer::new(addr(&client), &metainfo).unwrap();
    let path = dir.path().join("data/single.bin");
    for round in 0..3 {
        for at in (0..4 * PIECE).step_by(BLOCK) {
            peer.ask(at);
        }
        if round == 1 {
            std::fs::remove_file(&path).unwrap();
        }
        for _ in 0..4 * PIECE / BLOCK {
            // What is open stays as it was; what is not is refused.
            let (at, block) = peer.answer().unwrap();
            assert!(block.is_none_or(|block| block == data[at..at + BLOCK]), "{at}");
        }
    }
    assert!(client.close().await);
}
