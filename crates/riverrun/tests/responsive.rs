//! Readers that do not wait for a piece to be whole and verified.

mod support;

use std::io::{Read, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};

use metainfo::{Metainfo, Version};
use riverrun::{AddTorrent, Client, Error, EventKind, Readahead, Reader, Torrent};
use support::{Payload, addr, guard, seeder, settings};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const PIECE: usize = 65_536;
const BLOCK: usize = 16_384;

/// A peer that claims these pieces, sends the first block of one, and the others when it is told to: as they are, or
/// spoiled.
fn peer(metainfo: &Metainfo, data: Vec<u8>, claims: &'static [u8]) -> (SocketAddr, Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, name) = (listener.local_addr().unwrap(), metainfo.info_hashes().primary());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept()?;
        let mut handshake = [0; 68];
        socket.read_exact(&mut handshake)?;
        handshake[20..28].fill(0);
        handshake[28..48].copy_from_slice(name.as_bytes());
        handshake[48..].copy_from_slice(b"-XX0001-abcdefghijkl");
        handshake[67] = claims[0];
        socket.write_all(&handshake)?;
        let have = claims.iter().fold(0, |have, piece| have | 0x80 >> piece);
        socket.write_all(&[0, 0, 0, 2, 5, have, 0, 0, 0, 1, 1])?;
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
    tell: Vec<Sender<bool>>,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// Lets the peers send the rest: as it is, or spoiled.
    fn send_rest(&self, honest: bool) {
        self.tell.iter().for_each(|tell| tell.send(honest).unwrap());
    }
}

/// A torrent of two pieces of which nothing is wanted, and a peer with the first block of each.
async fn stage() -> Stage {
    stage_of(&[&[0, 1]]).await
}

/// The same with so many peers that claim these pieces.
async fn stage_of(claims: &[&'static [u8]]) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(2 * PIECE);
    let metainfo = payload.metainfo(Version::V1, PIECE as u32, None);
    let data = payload.files[0].1.clone();
    let (peers, tell): (Vec<_>, _) =
        claims.iter().map(|claims| peer(&metainfo, data.clone(), claims)).unzip();
    let client = settings(dir.path()).build().unwrap();
    let add = AddTorrent::metainfo(metainfo.clone()).wanted([]).peers(peers);
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

fn retracted(error: &std::io::Error) -> Option<Vec<std::ops::Range<u64>>> {
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
    stage.send_rest(true);
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
    stage.send_rest(false);
    // It waits for more of the piece, and is told that what it has is wrong; or gets more first, and is told then.
    let mut byte = [0];
    let error = loop {
        match guard(early.read_exact(&mut byte)).await {
            Ok(_) if early.position() < PIECE as u64 => {}
            Ok(_) => panic!("the piece is wrong"),
            Err(error) => break error,
        }
    };
    let [bytes] = &retracted(&error).unwrap()[..] else { panic!("{error}") };
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

/// Reads 100 bytes from each of these places on, before they are verified.
async fn read_places(stage: &Stage, places: &[usize]) -> Reader {
    let mut reader = reader(&stage.torrent).with_responsive(true);
    for at in places {
        let mut found = [0; 100];
        reader.seek(SeekFrom::Start(*at as u64)).await.unwrap();
        guard(reader.read_exact(&mut found)).await.unwrap();
        assert!(found == stage.data[*at..][..100]);
    }
    reader
}

#[tokio::test]
async fn each_wrong_piece_is_told_once_with_all_that_was_read_of_it() {
    let stage = stage_of(&[&[0], &[1]]).await;
    // These two keep the pieces demanded.
    let (_first, _second) = (read_places(&stage, &[0]).await, read_places(&stage, &[PIECE]).await);
    let places = [PIECE + 7_000, 3_000, PIECE + 2_000, PIECE + 2_050, 0];
    let (mut confirms, mut reads) = (read_places(&stage, &places).await, read_places(&stage, &places).await);
    let mut events = stage.torrent.events();
    stage.send_rest(false);
    let mut failed = 0;
    while failed < 2 {
        failed +=
            usize::from(matches!(guard(events.recv()).await.unwrap().kind, EventKind::PieceFailed { .. }));
    }
    let at = |start: usize, end: usize| start as u64..end as u64;
    let second = vec![at(PIECE + 2_000, PIECE + 2_150), at(PIECE + 7_000, PIECE + 7_100)];
    for expected in [second, vec![at(0, 100), at(3_000, 3_100)]] {
        let Err(Error::Retracted { bytes }) = guard(confirms.confirm()).await else { panic!("not told") };
        assert_eq!(bytes, expected);
        let error = guard(reads.read_u8()).await.unwrap_err();
        assert_eq!(retracted(&error).unwrap(), expected, "{error}");
    }
    assert!(guard(confirms.confirm()).await.is_ok() && guard(reads.confirm()).await.is_ok());
    assert!(stage.client.close().await);
}

#[tokio::test]
async fn a_reader_that_is_responsive_no_more_gives_out_verified_bytes_alone() {
    // Nobody is there yet.
    let mut stage = stage_of(&[]).await;
    // Two begin to fetch. Of what comes one gives out a part, and keeps the rest.
    let (mut keeps, mut fetches) = (reader(&stage.torrent), reader(&stage.torrent));
    let mut found = [0; 200];
    for reader in [&mut keeps, &mut fetches] {
        reader.set_responsive(true);
        tokio::select! {
            biased;
            _ = reader.read(&mut found) => panic!("nobody has it"),
            () = std::future::ready(()) => {}
        }
    }
    let (addr, tell) = peer(&stage.metainfo, stage.data.clone(), &[0, 1]);
    stage.tell.push(tell);
    stage.torrent.add_peers([addr]).unwrap();
    guard(keeps.read_exact(&mut found[..100])).await.unwrap();
    let others = async {
        for _ in 0..3 {
            read_early(&stage).await;
        }
    };
    for reader in [&mut keeps, &mut fetches] {
        reader.set_responsive(false);
    }
    tokio::select! {
        biased;
        _ = keeps.read_u8() => panic!("what it kept is not verified"),
        _ = fetches.read_u8() => panic!("what it fetched is not verified"),
        () = others => {}
    }
    stage.send_rest(true);
    guard(keeps.read_exact(&mut found[100..])).await.unwrap();
    assert!(found == stage.data[..200]);
    guard(fetches.read_exact(&mut found)).await.unwrap();
    assert!(found == stage.data[..200]);
    assert!(stage.client.close().await);
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
