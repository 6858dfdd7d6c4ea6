//! The load generator: many cheap peers in one thread, all of which dial the client under test.
//!
//! `load up` serves a generated payload on every connection, some of them lying; `load down` fetches the payload once,
//! on whatever connections serve it, and forgets it. Both print `ready` when the client is there (and, for `down`, has
//! everything), start at a line on stdin, and `down` prints `done` with its seconds.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use types::{BlockRef, PieceIndex};
use wire::{Handshake, Message};

use crate::Result;
use crate::args::Args;
use crate::payload::{BLOCK, BLOCKS, Payload};
use crate::serve::{Server, Source};
use crate::sockets::{Poll, dial, handshake, later};

/// Requests under way on one connection.
const DEPTH: usize = 128;

/// How long a peer that was thrown out stays away.
const AWAY: Duration = Duration::from_millis(20);

/// What both sides are told.
struct Job {
    to: SocketAddr,
    info_hash: [u8; 20],
    pieces: usize,
    connections: usize,
}

fn job(args: &Args) -> Result<Job> {
    Ok(Job {
        to: args.get("to")?,
        info_hash: args.hash()?,
        pieces: args.get("pieces")?,
        connections: args.get("connections")?,
    })
}

/// Says `ready` and waits for the word.
fn start() -> Result {
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// `load up`.
pub(crate) fn up(args: &Args) -> Result {
    let (job, liars) = (job(args)?, args.get::<usize>("liars")?);
    drop(dial(0, job.to)?);
    start()?;
    let source = Source::Memory(Payload::new());
    serve_all(&job, liars, &source)
}

fn serve_all(job: &Job, liars: usize, source: &Source) -> Result {
    let mut poll = Poll::new()?;
    let after = whole(job.pieces);
    let join = |poll: &Poll, n: usize, lies: bool| -> Result<Option<Server>> {
        let server = Server::new(dial(n, job.to)?, lies, &handshake(job.info_hash, n))?;
        poll.add(&server.stream, n)?;
        Ok(Some(server))
    };
    let mut servers = Vec::new();
    for n in 0..job.connections {
        servers.push(join(&poll, n, n < liars)?);
    }
    let mut ready = Vec::new();
    // Who was thrown out, as by a client that listens before it has the torrent, and when it comes back. The others are served
    // meanwhile: 60 and more may be away.
    let mut out: VecDeque<(Instant, usize)> = VecDeque::new();
    loop {
        let next = out.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        poll.wait(&mut ready, next)?;
        while let Some(&(due, n)) = out.front()
            && due <= Instant::now()
        {
            out.pop_front();
            servers[n] = join(&poll, n, false)?;
        }
        for &n in &ready {
            let Some(server) = &mut servers[n] else { continue };
            let was = server.writing;
            if server.ready(source, &after)? {
                if server.writing != was {
                    poll.writing(&server.stream, n, server.writing)?;
                }
                continue;
            }
            // A liar that is thrown out stays out; everybody else comes back.
            servers[n] = None;
            if n >= liars {
                out.push_back((Instant::now() + AWAY, n));
            }
        }
    }
}

/// What a seed says after the handshake: everything is here, and everybody is served.
pub(crate) fn whole(pieces: usize) -> Vec<u8> {
    let mut bits = vec![0xff; pieces.div_ceil(8)];
    let spare = bits.len() * 8 - pieces;
    if let Some(last) = bits.last_mut() {
        *last <<= spare;
    }
    let mut out = Vec::new();
    Message::Bitfield(&bits).encode(&mut out);
    Message::Unchoke.encode(&mut out);
    out
}

/// `load down`.
pub(crate) fn down(args: &Args) -> Result {
    let job = job(args)?;
    wait_for_seed(&job)?;
    start()?;
    let began = Instant::now();
    let mut poll = Poll::new()?;
    let mut work = Work { waiting: (0..job.pieces * BLOCKS).collect(), left: job.pieces * BLOCKS };
    let mut clients = Vec::new();
    for n in 0..job.connections {
        let client = Client::new(&job, n)?;
        client.stream.set_nonblocking(true)?;
        poll.add(&client.stream, n)?;
        clients.push(client);
    }
    let mut buf = vec![0; 1 << 20];
    let mut ready = Vec::new();
    while work.left > 0 {
        poll.wait(&mut ready, None)?;
        for &n in &ready {
            if !clients[n].read(&mut buf, &mut work)? {
                return Err(format!("connection {n} was closed with {} blocks to come", work.left).into());
            }
        }
    }
    println!("done {}", began.elapsed().as_secs_f64());
    Ok(())
}

/// Comes again until the client says that it has every piece.
fn wait_for_seed(job: &Job) -> Result {
    let start = Instant::now();
    loop {
        if let Ok(true) = is_seed(job) {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(90) {
            return Err("the client never had every piece".into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn is_seed(job: &Job) -> Result<bool> {
    let mut client = Client::new(job, 0)?;
    client.stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut none = Work { waiting: VecDeque::new(), left: 0 };
    let mut buf = vec![0; 1 << 16];
    while client.have < job.pieces {
        if !client.read(&mut buf, &mut none)? {
            return Ok(false);
        }
        if client.timed_out {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Blocks that nobody has been asked for, and how many are to come.
struct Work {
    waiting: VecDeque<usize>,
    left: usize,
}

/// One connection that fetches.
struct Client {
    stream: TcpStream,
    /// The beginning of a message that is not whole yet.
    input: Vec<u8>,
    /// Bytes of a block that are still to be forgotten.
    skip: usize,
    greeted: bool,
    unchoked: bool,
    asked: VecDeque<usize>,
    /// Pieces the other side has.
    have: usize,
    timed_out: bool,
}

impl Client {
    fn new(job: &Job, number: usize) -> Result<Client> {
        let mut stream = dial(number, job.to)?;
        stream.write_all(&handshake(job.info_hash, number))?;
        Ok(Client {
            stream,
            input: Vec::new(),
            skip: 0,
            greeted: false,
            unchoked: false,
            asked: VecDeque::new(),
            have: 0,
            timed_out: false,
        })
    }

    /// Takes what came; false when the other side has gone.
    fn read(&mut self, buf: &mut [u8], work: &mut Work) -> Result<bool> {
        let n = match self.stream.read(buf) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(error) if later(&error) => {
                self.timed_out = true;
                return Ok(true);
            }
            Err(_) => return Ok(false),
        };
        let skipped = self.skip.min(n);
        self.skip -= skipped;
        if self.input.is_empty() {
            let used = self.take(&buf[skipped..n], work)?;
            self.input.extend_from_slice(&buf[skipped + used..n]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(&buf[skipped..n]);
            let used = self.take(&input, work)?;
            input.drain(..used);
            self.input = input;
        }
        self.ask(work)?;
        Ok(true)
    }

    /// Takes whole messages, and blocks as far as they are there; how many bytes that were.
    fn take(&mut self, bytes: &[u8], work: &mut Work) -> Result<usize> {
        let mut at = 0;
        if !self.greeted {
            if bytes.len() < Handshake::LEN {
                return Ok(0);
            }
            self.greeted = true;
            at = Handshake::LEN;
            // Not before: aria2 takes nothing behind a handshake that it has not answered.
            let mut out = Vec::new();
            Message::Interested.encode(&mut out);
            self.stream.write_all(&out)?;
        }
        while let Some(head) = bytes.get(at..at + 5) {
            let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            if len > 0 && head[4] == 7 {
                let Some(place) = bytes.get(at + 5..at + 13) else { break };
                let word = |at: usize| {
                    u32::from_be_bytes([place[at], place[at + 1], place[at + 2], place[at + 3]]) as usize
                };
                let number = word(0) * BLOCKS + word(4) / BLOCK;
                let Some(asked) = self.asked.iter().position(|asked| *asked == number) else {
                    return Err(format!("block {number} was not asked for").into());
                };
                self.asked.remove(asked);
                work.left -= 1;
                let there = (bytes.len() - at - 4).min(len);
                self.skip = len - there;
                at += 4 + there;
                continue;
            }
            let Some(frame) = bytes.get(at + 4..at + 4 + len) else { break };
            match Message::decode(frame)? {
                Message::HaveAll => self.have = usize::MAX,
                Message::Have(_) => self.have = self.have.saturating_add(1),
                Message::Bitfield(bits) => {
                    self.have = bits.iter().map(|byte| byte.count_ones() as usize).sum()
                }
                Message::Unchoke => self.unchoked = true,
                Message::Choke => {
                    self.unchoked = false;
                    work.waiting.extend(self.asked.drain(..));
                }
                Message::Reject(block) => {
                    let number = block.piece.0 as usize * BLOCKS + block.begin as usize / BLOCK;
                    if let Some(asked) = self.asked.iter().position(|asked| *asked == number) {
                        self.asked.remove(asked);
                        work.waiting.push_back(number);
                    }
                }
                _ => {}
            }
            at += 4 + len;
        }
        // A keep-alive is four bytes.
        Ok(at)
    }

    /// Asks for more, many at a time.
    fn ask(&mut self, work: &mut Work) -> Result {
        if !self.unchoked || self.asked.len() > DEPTH / 2 {
            return Ok(());
        }
        let mut out = Vec::new();
        while self.asked.len() < DEPTH
            && let Some(number) = work.waiting.pop_front()
        {
            let piece = PieceIndex(u32::try_from(number / BLOCKS)?);
            let begin = u32::try_from(number % BLOCKS * BLOCK)?;
            Message::Request(BlockRef { piece, begin, len: u32::try_from(BLOCK)? }).encode(&mut out);
            self.asked.push_back(number);
        }
        // Two KiB: the socket has room for them.
        Ok(self.stream.write_all(&out)?)
    }
}
