//! Serves the files of a torrent over HTTP with byte ranges, straight from readers, so that a player can seek
//! before the download is complete; then asks itself for some ranges: `cargo run --example serve_http`.

mod support;

use std::io::SeekFrom;
use std::net::SocketAddr;
use std::ops::Range;

use riverrun::{AddTorrent, ByteRanges, File, Torrent};
use support::{Demo, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// No request is longer.
const REQUEST_LEN: u64 = 16 * 1024;
/// Stands between the parts of an answer.
const BOUNDARY: &str = "riverrun-part";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("film.bin", 4_000_000)]).await?;
    let client = demo.client()?.build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).wanted([]).peers(demo.seed.listen_addrs());
    let torrent = client.add(add).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("http://{addr}/0 is the first file");
    let served = torrent.clone();
    let server = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Err(error) = answer(socket, &served).await {
                eprintln!("{error}");
            }
        }
    });
    let film = |part: Range<usize>| demo.data[part].to_vec();
    assert_eq!(
        ask(addr, "bytes=3000000-3000499").await?,
        ("206 Partial Content".into(), film(3_000_000..3_000_500))
    );
    println!("500 bytes from the midst served; {} fetched", torrent.bytes_completed());
    assert_eq!(ask(addr, "bytes=-100").await?.1, film(3_999_900..4_000_000));
    assert_eq!(ask(addr, "bytes=3999990-9999999").await?.1, film(3_999_990..4_000_000));
    let (status, parts) = ask(addr, "bytes=0-9,-10").await?;
    println!("{status}: {} bytes in two parts", parts.len());
    let holds = |part: &[u8]| parts.windows(part.len()).any(|bytes| bytes == part);
    assert!(holds(&demo.data[..10]) && holds(&demo.data[3_999_990..]));
    assert_eq!(ask(addr, "bytes=4000000-").await?, ("416 Range Not Satisfiable".into(), Vec::new()));
    server.abort();
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}

/// Answers one request for `/NUMBER`, with or without a range.
async fn answer(socket: TcpStream, torrent: &Torrent) -> Result {
    let mut request = BufReader::new(socket).take(REQUEST_LEN);
    let (mut line, mut range) = (String::new(), None);
    request.read_line(&mut line).await?;
    let number = line.split(' ').nth(1).and_then(|path| path.trim_start_matches('/').parse().ok());
    loop {
        line.clear();
        if request.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("range"))
        {
            range = Some(value.trim().to_owned());
        }
    }
    let mut socket = request.into_inner().into_inner();
    let Some(file) = number.and_then(|number| torrent.file(number)) else {
        return Ok(socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?);
    };
    let len = file.len();
    match range.map_or(ByteRanges::Whole, |range| ByteRanges::parse(&range, len)) {
        ByteRanges::Whole => {
            let head = format!("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: {len}\r\n\r\n");
            socket.write_all(head.as_bytes()).await?;
            send(&file, 0..len, &mut socket).await?;
        }
        ByteRanges::Parts(parts) => send_parts(&file, &parts, &mut socket).await?,
        ByteRanges::Unsatisfiable => {
            let head = format!("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{len}\r\n");
            socket.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).await?;
        }
    }
    Ok(socket.shutdown().await?)
}

/// Sends one part as it is, and several with their places between.
async fn send_parts(file: &File, parts: &[Range<u64>], socket: &mut TcpStream) -> Result {
    let place = |part: &Range<u64>| {
        format!("Content-Range: bytes {}-{}/{}\r\n", part.start, part.end - 1, file.len())
    };
    if let [part] = parts {
        let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n", part.end - part.start);
        socket.write_all(format!("{head}{}\r\n", place(part)).as_bytes()).await?;
        return send(file, part.clone(), socket).await;
    }
    let heads = parts.iter().map(|part| format!("\r\n--{BOUNDARY}\r\n{}\r\n", place(part)));
    let (heads, end) = (heads.collect::<Vec<_>>(), format!("\r\n--{BOUNDARY}--\r\n"));
    let payload: u64 = parts.iter().map(|part| part.end - part.start).sum();
    let len = payload + (heads.iter().map(String::len).sum::<usize>() + end.len()) as u64;
    let kind =
        format!("Content-Type: multipart/byteranges; boundary={BOUNDARY}\r\nContent-Length: {len}\r\n\r\n");
    socket.write_all(format!("HTTP/1.1 206 Partial Content\r\n{kind}").as_bytes()).await?;
    for (head, part) in heads.iter().zip(parts) {
        socket.write_all(head.as_bytes()).await?;
        send(file, part.clone(), socket).await?;
    }
    Ok(socket.write_all(end.as_bytes()).await?)
}

/// Sends these bytes of the file as they come.
async fn send(file: &File, part: Range<u64>, socket: &mut TcpStream) -> Result {
    let mut reader = file.reader();
    reader.seek(SeekFrom::Start(part.start)).await?;
    tokio::io::copy(&mut reader.take(part.end - part.start), socket).await?;
    Ok(())
}

/// Asks for a range of the first file: the status and the body of the answer.
async fn ask(addr: SocketAddr, range: &str) -> Result<(String, Vec<u8>)> {
    let mut socket = TcpStream::connect(addr).await?;
    let request = format!("GET /0 HTTP/1.1\r\nHost: localhost\r\nRange: {range}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await?;
    let head = all.windows(4).position(|end| end == b"\r\n\r\n").ok_or("no answer")?;
    let body = all.split_off(head + 4);
    let status = String::from_utf8_lossy(&all).lines().next().unwrap_or_default().replace("HTTP/1.1 ", "");
    Ok((status, body))
}
