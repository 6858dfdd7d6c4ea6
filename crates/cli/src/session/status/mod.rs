//! `--status`: what the client does, over HTTP: for people, as JSON, and for Prometheus.
//!
//! It is read by whoever can connect, and never changes anything. On loopback a request must name loopback or
//! `localhost` as its host, so that a web page whose name was made to point here learns nothing.

mod metrics;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use riverrun::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::json;
use crate::exit::{Code, Failure};
use crate::output;

/// Most connections at a time; for a further one the oldest makes room.
const CONNECTIONS: usize = 32;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may last, its answer included.
const LIFETIME: Duration = Duration::from_secs(30);
/// Most bytes of a request's head; the least that hyper takes.
const HEAD_LEN: usize = 8192;
/// How long to wait when no connection can be accepted, which is for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the status is served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct StatusOptions {
    /// Serve the status over HTTP here: / as text, /status.json, /metrics for Prometheus; a port alone is on 127.0.0.1
    #[arg(long, value_name = "ADDR:PORT", env = "RIVERRUN_STATUS", value_parser = status_addr)]
    status: Option<SocketAddr>,
}

fn status_addr(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let port = text.strip_prefix(':').unwrap_or(text).parse();
    port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|_| {
        format!("`{text}` is no address to serve the status on; write 127.0.0.1:8080, [::1]:8080 or a port")
    })
}

/// A socket for the status, where one was asked for.
pub(crate) struct StatusSocket(Option<std::net::TcpListener>);

impl StatusOptions {
    /// Opens the socket, before anything else is done.
    pub(crate) fn open(&self) -> Result<StatusSocket, Failure> {
        let Some(addr) = self.status else { return Ok(StatusSocket(None)) };
        let open = || {
            let listener = std::net::TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let fail = |error: std::io::Error| {
            Failure::new(Code::Network, format!("--status {addr}: cannot listen there: {error}"))
        };
        open().map(|listener| StatusSocket(Some(listener))).map_err(fail)
    }
}

/// The status is served as long as this is here.
pub(crate) struct StatusServer {
    _tasks: JoinSet<()>,
}

impl StatusSocket {
    /// Serves the status of this client, and says where. To be called on a runtime.
    pub(crate) fn serve(self, client: &Client, json: bool, quiet: bool) -> Result<StatusServer, Failure> {
        let mut tasks = JoinSet::new();
        if let Some(listener) = self.0 {
            let fail = |error| Failure::new(Code::Network, format!("--status: {error}"));
            let listener = TcpListener::from_std(listener).map_err(fail)?;
            let url = format!("http://{}/", listener.local_addr().map_err(fail)?);
            if json {
                json::status(&url)?;
            } else if !quiet {
                output::say(format!("status on {url}"));
            }
            tasks.spawn(accept(listener, client.clone()));
        }
        Ok(StatusServer { _tasks: tasks })
    }
}

async fn accept(listener: TcpListener, client: Client) {
    // Dropped with this future, and the connections with it.
    let mut connections = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    oldest.retain(|connection| !connection.is_finished());
                    if oldest.len() >= CONNECTIONS {
                        // An honest one is answered long before so many others have come.
                        oldest.pop_front().inspect(AbortHandle::abort);
                    }
                    let work = connection(stream, client.clone());
                    oldest.push_back(connections.spawn(async move {
                        // What outlives its time is cut.
                        let _ = tokio::time::timeout(LIFETIME, work).await;
                    }));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, client: Client) {
    let local = stream.local_addr().is_ok_and(|addr| addr.ip().to_canonical().is_loopback());
    let service = service_fn(|request: Request<Incoming>| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(respond(&client, &request, local).await) }
    });
    // A connection that breaks is over; there is nobody to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

const TEXT: &str = "text/plain; charset=utf-8";

async fn respond(client: &Client, request: &Request<Incoming>, local: bool) -> Response<Full<Bytes>> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if local && !host.is_some_and(is_loopback_host) {
        let words = "This is served on loopback: ask for it by 127.0.0.1, [::1] or localhost.\n";
        return answer(StatusCode::FORBIDDEN, TEXT, words.to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD.\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => answer(StatusCode::OK, TEXT, client.report().await.to_string()),
        "/status.json" => match output::json_text(&client.report().await) {
            Ok(text) => answer(StatusCode::OK, "application/json", text + "\n"),
            Err(failure) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, failure.message().to_owned()),
        },
        "/metrics" => {
            let text = metrics::of(&client.report().await);
            answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        _ => answer(StatusCode::NOT_FOUND, TEXT, "There are /, /status.json and /metrics.\n".to_owned()),
    }
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether a `Host` header means this machine whatever the DNS says.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, port)) if port.is_empty() || port.starts_with(':') => v6,
        Some(_) => return false,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        for text in ["8080", ":8080", "127.0.0.1:8080"] {
            assert_eq!(status_addr(text), Ok("127.0.0.1:8080".parse().unwrap()));
        }
        assert_eq!(status_addr("[::]:1"), Ok("[::]:1".parse().unwrap()));
        assert!(status_addr("example.org:80").unwrap_err().contains("write 127.0.0.1:8080"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_half_a_request_is_not_waited_for() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let client = Client::builder().listen([]).lsd(false).port_forward(false).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(accept(listener, client));
        let start = tokio::time::Instant::now();
        let mut slow = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: local").await.unwrap();
            slow.push(stream);
        }
        // All places are taken; the oldest makes room, and nobody waits for it.
        let mut last = TcpStream::connect(addr).await.unwrap();
        last.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        last.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(start.elapsed() < HEAD, "{:?}", start.elapsed());
        let mut rest = Vec::new();
        let _ = slow[0].read_to_end(&mut rest).await;
        assert!(start.elapsed() < HEAD && rest.is_empty(), "it was the oldest that went");
        server.abort();
    }

    #[test]
    fn only_loopback_names_pass() {
        for good in ["localhost", "LocalHost:80", "127.0.0.1:9", "127.9.9.9", "[::1]", "[::1]:80"] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.168.0.1",
            "[::1]x",
            "[::2]",
            "127.0.0.1.nip.io:80",
        ] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }
}
