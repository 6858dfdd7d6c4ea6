//! One HTTP request on a connection of its own: enough for the control interfaces of the counterparts.

use std::io::{Read, Write};
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

/// HTTP/1.0, so that the answer is whole when the connection ends.
fn request(at: SocketAddr, head: &str, body: &[u8]) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("an HTTP answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or("no HTTP status")?;
    Ok(Response { status, body: answer.split_off(end + 4) })
}
