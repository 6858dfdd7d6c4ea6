//! The floor: no client, only what every client must do.
//!
//! `floor receive` takes connections, asks each for rows of sixteen pieces side by side, receives into place, hashes
//! the sixteen with the widest kernel while they are hot, and writes. `floor send` serves a file by `sendfile`.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use types::{BlockRef, PieceIndex};
use wire::{Handshake, Message, PIECE_HEADER_LEN};

use crate::Result;
use crate::args::Args;
use crate::load::whole;
use crate::payload::{BLOCK, BLOCKS, PIECE};
use crate::serve::{Server, Source};
use crate::sockets::{Poll, handshake, later};

/// Pieces side by side.
const LANES: usize = 16;
/// Rows of blocks asked for at once.
const ROWS: usize = 8;
/// The listener's key.
const LISTENER: usize = usize::MAX;

/// `floor send`.
pub(crate) fn send(args: &Args) -> Result {
    let source = Source::File(File::open(args.get::<String>("data")?)?);
    let listener = TcpListener::bind(args.get::<SocketAddr>("listen")?)?;
    let (hello, after) = (handshake(args.hash()?, 0), whole(args.get("pieces")?));
    let mut poll = Poll::new()?;
    poll.add(&listener, LISTENER)?;
    let (mut servers, mut ready): (Vec<Option<Server>>, _) = (Vec::new(), Vec::new());
    loop {
        poll.wait(&mut ready, None)?;
        for &n in &ready {
            if n == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let server = Server::new(stream, false, &hello)?;
                poll.add(&server.stream, servers.len())?;
                servers.push(Some(server));
                continue;
            }
            let Some(server) = &mut servers[n] else { continue };
            let was = server.writing;
            if !server.ready(&source, &after)? {
                servers[n] = None;
            } else if server.writing != was {
                poll.writing(&server.stream, n, server.writing)?;
            }
        }
    }
}

/// `floor through`: reads a file on two threads and hashes it with the widest kernel, or does nothing with it.
pub(crate) fn through(args: &Args) -> Result {
    let (path, hash): (String, String) = (args.get("data")?, args.get("hash")?);
    let file = File::open(path)?;
    let rows = usize::try_from(file.metadata()?.len())? / (LANES * PIECE);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let run = || pass(&file, &next, rows, &hash);
        let other = scope.spawn(run);
        run()?;
        other.join().map_err(|_| "it panicked")?
    })
}

/// Takes sixteen pieces at a time.
fn pass(file: &File, next: &AtomicUsize, rows: usize, hash: &str) -> Result {
    loop {
        let row = next.fetch_add(1, Ordering::Relaxed);
        if row >= rows {
            return Ok(());
        }
        match hash {
            "nothing" => {
                let mut piece = vec![0; PIECE];
                for lane in 0..LANES {
                    file.read_exact_at(&mut piece, ((row * LANES + lane) * PIECE) as u64)?;
                }
            }
            hash => side_by_side(file, row, hash)?,
        }
    }
}

/// Hashes sixteen pieces in blocks that are as many lanes.
fn side_by_side(file: &File, row: usize, hash: &str) -> Result {
    let mut blocks = Box::new(Blocks([[0; BLOCK]; LANES]));
    let mut states: Vec<_> = (0..LANES).map(|_| hash::Sha1::new()).collect();
    for block in 0..BLOCKS {
        for (lane, to) in blocks.0.iter_mut().enumerate() {
            file.read_exact_at(to, ((row * LANES + lane) * PIECE + block * BLOCK) as u64)?;
        }
        let parts = blocks.0.iter().map(|block| &block[..]);
        if hash == "sha256" {
            let parts: Vec<_> = parts.collect();
            hash::sha256_many(&parts, std::hint::black_box(&mut [[0; 32]; LANES]));
        } else {
            hash::update_many_sha1(&mut states.iter_mut().zip(parts).collect::<Vec<_>>());
        }
    }
    std::hint::black_box(states.into_iter().map(hash::Sha1::finalize).collect::<Vec<_>>());
    Ok(())
}

/// `floor receive`: ends when it has everything.
pub(crate) fn receive(args: &Args) -> Result {
    let pieces: usize = args.get("pieces")?;
    let file = File::create(args.get::<String>("data")?)?;
    let listener = TcpListener::bind(args.get::<SocketAddr>("listen")?)?;
    let hello = handshake(args.hash()?, 0);
    let mut poll = Poll::new()?;
    poll.add(&listener, LISTENER)?;
    let mut work = Work { next: 0, pieces, left: pieces, file };
    let (mut takers, mut ready): (Vec<Option<Taker>>, _) = (Vec::new(), Vec::new());
    while work.left > 0 {
        poll.wait(&mut ready, None)?;
        for &n in &ready {
            if n == LISTENER {
                let (stream, _) = listener.accept()?;
                poll.add(&stream, takers.len())?;
                takers.push(Some(Taker::new(stream, &hello)?));
                continue;
            }
            let Some(taker) = &mut takers[n] else { continue };
            if !taker.ready(&mut work)? {
                takers[n] = None;
            }
        }
    }
    Ok(())
}

struct Work {
    next: usize,
    pieces: usize,
    left: usize,
    file: File,
}

/// One connection that receives.
struct Taker {
    stream: TcpStream,
    /// The other side's greeting, until it is whole: a handshake, a bitfield and "unchoke".
    hello: Vec<u8>,
    greeted: bool,
    first: usize,
    lanes: usize,
    states: Vec<hash::Sha1>,
    /// The next row to be asked for, and the one that is coming.
    asked: usize,
    row: usize,
    heads: [[u8; PIECE_HEADER_LEN]; LANES],
    blocks: Blocks,
    /// Bytes of the row that are here.
    got: usize,
}

/// Sixteen blocks, each at an address that the kernels like.
#[repr(align(64))]
struct Blocks([[u8; BLOCK]; LANES]);

impl Taker {
    fn new(mut stream: TcpStream, hello: &[u8]) -> Result<Taker> {
        stream.set_nodelay(true)?;
        stream.write_all(hello)?;
        stream.set_nonblocking(true)?;
        Ok(Taker {
            stream,
            hello: Vec::new(),
            greeted: false,
            first: 0,
            lanes: 0,
            states: Vec::new(),
            asked: 0,
            row: 0,
            heads: [[0; PIECE_HEADER_LEN]; LANES],
            blocks: Blocks([[0; BLOCK]; LANES]),
            got: 0,
        })
    }

    /// Takes what came; false when the other side has gone.
    fn ready(&mut self, work: &mut Work) -> Result<bool> {
        if !self.greeted {
            let whole = Handshake::LEN + whole(work.pieces).len();
            let mut rest = vec![0; whole - self.hello.len()];
            match self.stream.read(&mut rest) {
                Ok(0) => return Ok(false),
                Ok(n) => self.hello.extend_from_slice(&rest[..n]),
                Err(error) if later(&error) => return Ok(true),
                Err(_) => return Ok(false),
            }
            if self.hello.len() == whole {
                self.greeted = true;
                self.begin(work)?;
            }
            return Ok(true);
        }
        while self.lanes > 0 {
            match self.receive() {
                Ok(0) => return Ok(false),
                Ok(n) => self.got += n,
                Err(error) if later(&error) => break,
                Err(_) => return Ok(false),
            }
            if self.got == self.lanes * (PIECE_HEADER_LEN + BLOCK) {
                self.finish_row(work)?;
            }
        }
        Ok(true)
    }

    /// The next sixteen pieces.
    fn begin(&mut self, work: &mut Work) -> Result {
        self.first = work.next;
        self.lanes = LANES.min(work.pieces - work.next);
        work.next += self.lanes;
        self.states = (0..self.lanes).map(|_| hash::Sha1::new()).collect();
        (self.asked, self.row) = (0, 0);
        self.ask()
    }

    fn ask(&mut self) -> Result {
        let mut out = Vec::new();
        if self.row == 0 && self.asked == 0 {
            Message::Interested.encode(&mut out);
        }
        while self.asked < BLOCKS.min(self.row + ROWS) {
            for lane in 0..self.lanes {
                let piece = PieceIndex(u32::try_from(self.first + lane)?);
                let begin = u32::try_from(self.asked * BLOCK)?;
                Message::Request(BlockRef { piece, begin, len: u32::try_from(BLOCK)? }).encode(&mut out);
            }
            self.asked += 1;
        }
        Ok(self.stream.write_all(&out)?)
    }

    /// As much of the row as is there, in one call, each part to its place.
    fn receive(&mut self) -> std::io::Result<usize> {
        let mut slices = Vec::with_capacity(2 * LANES);
        let mut skip = self.got;
        for (head, block) in self.heads.iter_mut().zip(&mut self.blocks.0).take(self.lanes) {
            for part in [&mut head[..], &mut block[..]] {
                let skipped = skip.min(part.len());
                skip -= skipped;
                if skipped < part.len() {
                    slices.push(IoSliceMut::new(&mut part[skipped..]));
                }
            }
        }
        self.stream.read_vectored(&mut slices)
    }

    fn finish_row(&mut self, work: &mut Work) -> Result {
        let blocks = self.blocks.0.iter().map(|block| &block[..]);
        let mut jobs: Vec<_> = self.states.iter_mut().zip(blocks).collect();
        hash::update_many_sha1(&mut jobs);
        for (lane, block) in self.blocks.0.iter().take(self.lanes).enumerate() {
            let at = (self.first + lane) * PIECE + self.row * BLOCK;
            work.file.write_all_at(block, at as u64)?;
        }
        (self.got, self.row) = (0, self.row + 1);
        if self.row < BLOCKS {
            return self.ask();
        }
        for state in std::mem::take(&mut self.states) {
            std::hint::black_box(state.finalize());
        }
        work.left -= self.lanes;
        self.begin(work)
    }
}
