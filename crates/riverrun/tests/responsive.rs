//! Readers that do not wait for a piece to be whole and verified.

mod support;

use std::io::{Read, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};

use metainfo::{Metainfo, Version};
use riverrun::{AddTorrent, Client, Error, Readahead, Reader, Torrent};
use support::{Payload, addr, guard, seeder, settings};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const PIECE: usize = 65_536;
const BLOCK: usize = 16_384;

/// A peer that claims everything, sends the first block of a piece, and the others when it is told to: as they are, or
/// spoiled.
fn peer(metainfo: &Metainfo, data: Vec<u8>) -> (SocketAddr, Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, name) = (listener.local_addr().unwrap(), metainfo.info_hashes().primary());
    let pieces = data.len().div_ceil(PIECE);
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept()?;
        let mut handshake = [0; 68];
        socket.read_exact(&mut handshake)?;
        handshake[20..28].fill(0);
        handshake[28..48].copy_from_slice(name.as_bytes());
        handshake[48..].copy_from_slice(b"-XX0001-abcdefghijkl");
        socket.write_all(&handshake)?;
        let have = (0..pieces.div_ceil(8)).map(|n| !0u8 << (8 * (n + 1)).saturating_sub(pieces).min(7));
        let have: Vec<u8> = have.collect();
        let mut out = ((have.len() + 1) as u32).to_be_bytes().to_vec();
        out.push(5);
        out.extend(have);
        out.extend([0, 0, 0, 1, 1]);
        socket.write_all(&out)?;
        serve(&mut socket, &data, &told)
    });
    (addr, tell)
}

fn serve(socket: &mut std::net::TcpStream, data: &[u8], told: &Receiver<bool>) -> std::io::Result<()> {
    let mut honest = None;
    loop {
        let mut len = [0; 4];
        socket.read_exact(&mut len)?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        socket.read_exact(&mut message)?;
        let Some((6, rest)) = message.split_first() else { continue };
        let number = |n: usize| u32::from_be_bytes(*rest[n * 4..].first_chunk().unwrap()) as usize;
        let (at, len) = (number(0) * PIECE + number(1), number(2));
        let mut block = data[at..at + len].to_vec();
        if number(1) > 0 {
            let honest = *honest.get_or_insert_with(|| told.recv().unwrap_or(true));
            block[0] ^= u8::from(!honest);
        }
        let mut out = ((len + 9) as u32).to_be_bytes().to_vec();
        out.push(7);
        out.extend_from_slice(&rest[..8]);
        out.extend(block);
        socket.write_all(&out)?;
    }
}

struct Stage {
    data: Vec<u8>,
    metainfo: Metainfo,
    payload: Payload,
    client: Client,
    torrent: Torrent,
    tell: Sender<bool>,
    _dir: tempfile::TempDir,
}

/// A torrent of two pieces of which nothing is wanted, and a peer with the first block of each.
async fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(2 * PIECE);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let data = payload.files[0].1.clone();
    let (peer, tell) = peer(&metainfo, data.clone());
    let client = settings(dir.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).wanted([]).peers([peer]);
    let torrent = client.add(add).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    Stage { data, metainfo, payload, client, torrent, tell, _dir: dir }
}

fn reader(torrent: &Torrent) -> Reader {
    torrent.reader().unwrap().with_readahead(Readahead::Fixed(0))
}

/// Reads the first block before its piece is whole.
async fn read_early(stage: &Stage) -> Reader {
    let mut reader = reader(&stage.torrent).with_responsive(true);
    let mut found = vec![0; BLOCK];
    guard(reader.read_exact(&mut found)).await.unwrap();
    assert!(found == stage.data[..BLOCK]);
    assert_eq!(stage.torrent.pieces().count(), 0, "nothing is verified, and so nothing is offered to peers");
    reader
}

fn retracted(error: &std::io::Error) -> Option<std::ops::Range<u64>> {
    match error.get_ref()?.downcast_ref()? {
        Error::Retracted { bytes } => Some(bytes.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn a_responsive_reader_reads_half_a_piece_and_confirms_it() {
    let stage = stage().await;
    let mut early = read_early(&stage).await;
    // One that waits for verified bytes has none yet, and neither has a read at a place.
    let mut patient = reader(&stage.torrent);
    let mut byte = [0];
    tokio::select! {
        biased;
        _ = patient.read_u8() => panic!("it is not verified"),
        _ = early.read_at(0, &mut byte) => panic!("it is not verified"),
        () = std::future::ready(()) => {}
    }
    stage.tell.send(true).unwrap();
    guard(early.confirm()).await.unwrap();
    assert!(stage.torrent.pieces().get(0));
    let mut rest = Vec::new();
    guard(early.read_to_end(&mut rest)).await.unwrap();
    assert!(rest == stage.data[BLOCK..]);
    guard(early.confirm()).await.unwrap();
    assert!(stage.torrent.is_complete());
    assert!(stage.client.close().await);
}

#[tokio::test]
async fn what_was_read_early_and_is_wrong_is_taken_back() {
    let stage = stage().await;
    let mut early = read_early(&stage).await;
    let mut other = read_early(&stage).await;
    stage.tell.send(false).unwrap();
    // It waits for more of the piece, and is told that what it has is wrong; or gets more first, and is told then.
    let mut byte = [0];
    let error = loop {
        match guard(early.read_exact(&mut byte)).await {
            Ok(_) if early.position() < PIECE as u64 => {}
            Ok(_) => panic!("the piece is wrong"),
            Err(error) => break error,
        }
    };
    let bytes = retracted(&error).unwrap();
    assert!(bytes.start == 0 && bytes.end >= BLOCK as u64, "{bytes:?}");
    let error = guard(other.confirm()).await.unwrap_err();
    assert_eq!(error.code(), "retracted");
    assert!(other.confirm().await.is_ok(), "that is told once");
    // Fresh data follows.
    let theirs = tempfile::tempdir().unwrap();
    let (seed, _) = seeder(theirs.path(), &stage.payload, &stage.metainfo).await;
    stage.torrent.add_peers([addr(&seed)]).unwrap();
    early.seek(SeekFrom::Start(bytes.start)).await.unwrap();
    let mut found = Vec::new();
    guard(early.read_to_end(&mut found)).await.unwrap();
    assert!(found == stage.data);
    guard(early.confirm()).await.unwrap();
    assert!(stage.client.close().await && seed.close().await);
}

#[tokio::test]
async fn a_responsive_reader_is_woken_by_the_end_of_its_client() {
    let stage = stage().await;
    let mut early = read_early(&stage).await;
    let waiting = tokio::spawn(async move {
        let mut rest = Vec::new();
        early.read_to_end(&mut rest).await.unwrap_err()
    });
    assert!(stage.client.close().await);
    let error = guard(waiting).await.unwrap();
    assert!(matches!(error.get_ref().unwrap().downcast_ref(), Some(Error::Closed)));
}
