//! One HTTP request on a connection of its own: enough for the control interfaces of the counterparts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// An answer.
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The body, as bytes: trackers answer with bencode.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The body of a 200, as text.
    pub(crate) fn text(self) -> Result<String> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        if self.status == 200 { Ok(text) } else { Err(format!("HTTP status {}: {text}", self.status).into()) }
    }
}

/// `GET target`.
pub(crate) fn get(at: SocketAddr, target: &str) -> Result<Response> {
    request(at, &format!("GET {target} HTTP/1.0\r\nHost: {at}\r\n\r\n"), b"")
}

/// `POST target` with a body of the given type.
pub(crate) fn post(at: SocketAddr, target: &str, content_type: &str, body: &[u8]) -> Result<Response> {
    let len = body.len();
    let head = format!(
        "POST {target} HTTP/1.0\r\nHost: {at}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\r\n"
    );
    request(at, &head, body)
}

/// Reads as many bytes as the answer says it has, or up to its end.
fn request(at: SocketAddr, head: &str, body: &[u8]) -> Result<Response> {
    let stream = TcpStream::connect_timeout(&at, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(body)?;
    let mut stream = BufReader::new(stream);
    let (mut line, mut status, mut len) = (String::new(), None, None);
    while stream.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if status.is_none() {
            status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = Some(value.trim().parse::<u64>()?);
        }
        line.clear();
    }
    let mut body = Vec::new();
    stream.take(len.unwrap_or(u64::MAX)).read_to_end(&mut body)?;
    Ok(Response { status: status.ok_or("no HTTP status")?, body })
}
