//! Serves the files of a torrent over HTTP with byte ranges, straight from readers, so that a player can seek
//! before the download is complete; then asks itself for a range: `cargo run --example serve_http`.

mod support;

use std::io::SeekFrom;

use riverrun::{AddTorrent, Torrent};
use support::{Demo, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("film.bin", 4_000_000)]).await?;
    let client = demo.client()?.build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).wanted([]).peers(demo.seed.listen_addrs());
    let torrent = client.add(add).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("http://{addr}/0 is the first file");
    let server = async {
        let (socket, _) = listener.accept().await?;
        answer(socket, &torrent).await
    };
    let (served, asked) = tokio::join!(server, ask(addr));
    served?;
    let body = asked?;
    assert!(body == demo.data[3_000_000..3_000_500]);
    println!("{} bytes served; {} fetched", body.len(), torrent.bytes_completed());
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}

/// Answers one request for `/NUMBER`, with or without a range.
async fn answer(socket: TcpStream, torrent: &Torrent) -> Result {
    let mut socket = BufReader::new(socket);
    let (mut line, mut range) = (String::new(), None);
    // A server for strangers would bound this.
    socket.read_line(&mut line).await?;
    let number = line.split(' ').nth(1).and_then(|path| path.trim_start_matches('/').parse().ok());
    loop {
        line.clear();
        socket.read_line(&mut line).await?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some((start, end)) = header.strip_prefix("range: bytes=").and_then(|r| r.split_once('-')) {
            range = Some((start.parse::<u64>()?, end.parse::<u64>().ok()));
        }
    }
    let Some(file) = number.and_then(|number| torrent.file(number)) else {
        return Ok(socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?);
    };
    let (start, last) = range.unwrap_or((0, None));
    let last = last.unwrap_or(u64::MAX).min(file.len().saturating_sub(1));
    let len = (last + 1).saturating_sub(start);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {len}\r\nContent-Range: bytes {start}-{last}/{}\r\n\r\n",
        file.len(),
    );
    socket.write_all(head.as_bytes()).await?;
    let mut reader = file.reader();
    reader.seek(SeekFrom::Start(start)).await?;
    tokio::io::copy(&mut reader.take(len), &mut socket).await?;
    Ok(socket.shutdown().await?)
}

/// Asks for 500 bytes from the midst of the first file.
async fn ask(addr: std::net::SocketAddr) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(addr).await?;
    socket.write_all(b"GET /0 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=3000000-3000499\r\n\r\n").await?;
    let mut all = Vec::new();
    socket.read_to_end(&mut all).await?;
    let body = all.windows(4).position(|end| end == b"\r\n\r\n").ok_or("no answer")?;
    Ok(all.split_off(body + 4))
}
